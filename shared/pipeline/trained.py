"""A trained network with its data: what finishing a run begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.data.partition import SplitData
from shared.data.split import Split
from shared.pipeline.fit import Fitted
from shared.training.job import Job


@dataclass(frozen=True)
class Trained:
    """A trained network with its data.

    Attributes:
        data: The samples and their splits.
        splits: Labelled images of training, validation and test.
        seen: All images of training, validation and test, with those of an unlabelled target.
        fitted: The job with the trained network, and what was recorded on the way.
    """

    data: SplitData
    splits: Mapping[str, Split]
    seen: Mapping[str, Split]
    fitted: Fitted

    @property
    def job(self) -> Job:
        """The job, with the trained network."""
        return self.fitted.job

    @property
    def history(self) -> list[dict[str, Any]]:
        """Rows of `metrics.jsonl`: candidates of a search, then epochs."""
        return self.fitted.history
