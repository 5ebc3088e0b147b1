"""Fine-tuning in phases: first the new head, then the stages of each phase, at discriminative learning rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field
from torch import Tensor

from shared.data.split import Split
from shared.strategies import linear_probe
from shared.training.job import Job
from shared.training.objective import Objective
from shared.training.options import TrainingOptions
from shared.training.selection import LABEL_FREE, LAST
from shared.training.trainer import predict_features, train


def train_in_phases(job: Job, objective: Objective, options: TrainingOptions) -> list[dict[str, Any]]:
    """Trains a network in the phases of the options, after a linear probe where `options.head` is "probe".

    Returns:
        The history: a row for each L2 strength of the probe, then a row an epoch.
    """
    probed: list[dict[str, Any]] = []
    if options.head == "probe":
        # the probe sees the source alone, and chooses among L2 strengths, not epochs
        selection = "log_likelihood" if options.selection in (LAST, *LABEL_FREE) else options.selection
        probe = linear_probe.Options(class_weights=options.class_weights, selection=selection)
        probed = linear_probe.STRATEGY.fit(job, probe)
    return [*probed, *train(job, objective, options.settings())]


class Options(TrainingOptions):
    """Options of fine-tuning."""

    name: Literal["finetune"] = Field(
        "finetune", description="fine-tuning in phases: first the head, then the stages that each phase names"
    )


class FineTune:
    """Fine-tunes the network on the class loss, in phases."""

    options = Options
    learns_from_target = False
    needs_target = False
    needs_augmentation = False
    works_on_vectors = True

    def check(self, options: Options, stages: Sequence[str]) -> None:
        """Checks the stages of each phase and the selection rule."""
        options.check(stages)

    def fit(self, job: Job, options: Options) -> list[dict[str, Any]]:
        """Trains the network in phases, leaves the weights that the selection rule prefers, and returns the history."""
        return train_in_phases(job, options.class_loss(job), options)

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Yields the features of the images of a split, not augmented."""
        return predict_features(job.network, split, job.device)


STRATEGY = FineTune()
