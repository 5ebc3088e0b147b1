"""A trained network with its data: what finishing a run begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.data.partition import SplitData
from shared.data.split import Split
from shared.pipeline.scores import Scores
from shared.training.job import Job


@dataclass(frozen=True)
class Trained:
    """A trained network with its data.

    Attributes:
        data: The samples and their splits.
        splits: Labelled images of training, validation and test.
        job: The job, with the trained network.
        history: Rows of `metrics.jsonl`: candidates of a search, then epochs.
        out_of_fold: Scores of the training images by networks that were trained without them; None where no fold was
            held out.
    """

    data: SplitData
    splits: Mapping[str, Split]
    job: Job
    history: Sequence[Mapping[str, Any]]
    out_of_fold: Scores | None = None
