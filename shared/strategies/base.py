"""What a strategy says of itself, and what it must do with a job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from torch import Tensor

from shared.config.schema import Section
from shared.data.split import Split
from shared.training.job import Job


class Strategy(Protocol):
    """A way to make the network of a job fit its training split."""

    options: type[Section]
    """The schema of the strategy's options in a configuration."""
    learns_from_target: bool
    """Whether unlabelled images of a target change what it learns."""
    needs_target: bool
    """Whether it can do nothing without a target."""
    needs_augmentation: bool
    """Whether it learns nothing from images that are not varied."""
    works_on_vectors: bool
    """Whether the inputs may be vectors in place of images."""

    def check(self, options: Any, stages: Sequence[str]) -> None:
        """Looks up every name in the options before anything is read or written.

        Raises:
            ConfigError: A stage that the backbone does not have.
            UnknownNameError: A rule of selection that there is not.
        """

    def fit(self, job: Job, options: Any) -> list[dict[str, Any]]:
        """Trains `job.network` in place, chooses by validation, and returns the history as JSON-ready rows."""

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Features of a split by the trained network, block by block in its order, float32 [n, width] on the device."""
