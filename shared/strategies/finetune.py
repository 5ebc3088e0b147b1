"""Fine-tuning in phases: first the new head, then the stages that a freeze schedule names, at discriminative rates."""

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
    """Fits the head first where that is asked for, then runs the phases; returns the history of both."""
    solved: list[dict[str, Any]] = []
    if options.head == "probe":
        # the probe sees the source alone, and what it tries are no epochs
        selection = "log_likelihood" if options.selection in (LAST, *LABEL_FREE) else options.selection
        probe = linear_probe.Options(class_weights=options.class_weights, selection=selection)
        solved = linear_probe.STRATEGY.fit(job, probe)
    return [*solved, *train(job, objective, options.settings())]


class Options(TrainingOptions):
    """Options of fine-tuning."""

    name: Literal["finetune"] = Field("finetune", description="head first, then the stages that each phase names")


class FineTune:
    """The network learns end to end, split by split."""

    options = Options
    learns_from_target = False
    needs_target = False
    needs_augmentation = False
    works_on_vectors = True

    def check(self, options: Options, stages: Sequence[str]) -> None:
        """Looks up the stages of each phase and the rule of selection."""
        options.check(stages)

    def fit(self, job: Job, options: Options) -> list[dict[str, Any]]:
        """Runs the phases; the checkpoint that validation prefers is the result."""
        return train_in_phases(job, options.class_loss(job), options)

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Features of the network of the images as they are."""
        return predict_features(job.network, split, job.device)


STRATEGY = FineTune()
