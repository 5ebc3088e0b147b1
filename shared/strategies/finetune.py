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
from shared.training.passes import predict_features
from shared.training.selection import LABEL_FREE, LAST
from shared.training.trainer import train


def train_in_phases(job: Job, objective: Objective, options: TrainingOptions) -> list[dict[str, Any]]:
    """Trains `job.network` in place, in phases, after a linear probe where `options.head` is "probe".

    The network keeps the weights that the selection rule prefers.

    Args:
        job: The training.
        objective: The loss to minimise; the linear probe does not use it.
        options: Phases, learning rates and selection rule.

    Returns:
        The history: a row for each L2 strength of the probe, if there was one, then a row for each epoch.

    Raises:
        RunError: The loss is not finite, or the checkpoint in the run folder is damaged or belongs to other data.
    """
    probed: list[dict[str, Any]] = []
    if options.head == "probe":
        # the probe sees the source alone, and chooses among L2 strengths, not epochs
        selection = "log_likelihood" if options.selection in (LAST, *LABEL_FREE) else options.selection
        probe = linear_probe.Options(class_weights=options.class_weights, selection=selection)
        probed = linear_probe.STRATEGY.fit(job, probe)
    return [*probed, *train(job, objective, options.settings())]


class Options(TrainingOptions):
    """The section `strategy` named `finetune` (fine-tuning).

    The command `options finetune` describes every key.
    """

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
    loss_weights = ()

    def check(self, options: Options, stages: Sequence[str]) -> None:
        """Checks that the options name only stages and selection rules that exist.

        Args:
            options: Options of fine-tuning.
            stages: Names of all stages of the backbone, from input to output.

        Raises:
            ConfigError: The backbone has no such stage.
            UnknownNameError: There is no such selection rule.
        """
        options.check(stages)

    def fit(self, job: Job, options: Options) -> list[dict[str, Any]]:
        """Trains `job.network` in place, in phases, and leaves in it the weights that the selection rule prefers.

        Returns:
            The history: a row for each L2 strength of the linear probe, if there was one, then a row for each epoch.
        """
        return train_in_phases(job, options.class_loss(job), options)

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Yields the features of the images of a split, not augmented, in blocks float32 [n, width] on `job.device`."""
        return predict_features(job.network, split, job.device)


STRATEGY = FineTune()
