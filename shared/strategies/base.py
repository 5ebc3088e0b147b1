"""The interface of a transfer strategy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from torch import Tensor

from shared.config.schema import Section
from shared.data.split import Split
from shared.training.job import Job


class Strategy(Protocol):
    """Trains the network of a job by one method of transfer learning.

    Attributes:
        options: The schema of the strategy's options in a configuration. Its method `keeping` writes out what a row of
            the history stands for. Where it is no `TrainingOptions`, `fit` itself chooses by `Job.folds`.
        learns_from_target: Whether it learns from unlabelled target images.
        needs_target: Whether it requires a target.
        needs_augmentation: Whether it requires augmented images.
        works_on_vectors: Whether its inputs may be vectors in place of images.
        loss_weights: Weights of its adaptation loss that `adapt` tries where none is stated, each above 0; empty: it
            has no adaptation loss.
    """

    options: type[Section]
    learns_from_target: bool
    needs_target: bool
    needs_augmentation: bool
    works_on_vectors: bool
    loss_weights: tuple[float, ...]

    def check(self, options: Any, stages: Sequence[str]) -> None:
        """Checks every name in the options before anything is read or written.

        Args:
            options: Options of the strategy's own schema.
            stages: Names of the stages of the backbone, from input to output.

        Raises:
            ConfigError: The backbone has no such stage.
            UnknownNameError: There is no such selection rule.
        """

    def fit(self, job: Job, options: Any) -> list[dict[str, Any]]:
        """Trains `job.network` in place, keeps the weights that validation prefers, and returns the history.

        Returns:
            JSON-ready rows: one an epoch, with `phase`, or one for each setting that was compared.
        """

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Yields the features of the images of a split by the trained network, block by block, in their order.

        Args:
            job: The job, after training.
            split: The images; their labels are not used.

        Yields:
            float32 [n, width] on `job.device`, the features of the next n images.
        """
