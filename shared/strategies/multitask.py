"""Several tasks on one trunk: the classes, and what else is known of an image, with a head and a loss each."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from shared.data.auxiliary_labels import auxiliary_classes, auxiliary_labels
from shared.data.split import Split
from shared.errors import ConfigError
from shared.models.network import AuxiliaryHead, Network
from shared.seeding import derive_seed
from shared.strategies.finetune import train_in_phases
from shared.training.job import Job
from shared.training.objective import Batch, ClassLoss, Objective, class_weights
from shared.training.options import TrainingOptions
from shared.training.trainer import predict_features

CLASS = "class"
"""What the task of the run's classes is called among the others."""
log = logging.getLogger(__name__)
TaskName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Options(TrainingOptions):
    """Options of training on several tasks."""

    name: Literal["multitask"] = Field("multitask", description="fine-tuning on auxiliary labels beside the classes")
    tasks: tuple[TaskName, ...] = Field(
        min_length=1,
        description="auxiliary labels: those that the application knows of its samples (a wrong name lists them), any "
        "column label:NAME of a table",
    )
    weighting: Literal["uncertainty", "fixed"] = Field("uncertainty", description="of the losses: learnt, or as below")
    weights: dict[str, float] = Field(
        default_factory=dict,
        description="fixed ones by task, `class` for the classes, 1 where unnamed; 0 leaves a task out",
    )

    @model_validator(mode="after")
    def _weighed(self) -> Self:
        names = (CLASS, *self.tasks)
        if len(set(names)) < len(names):
            raise ValueError("tasks: a name stands twice, or is class, which is learnt anyway")
        if unknown := sorted(set(self.weights) - set(names)):
            raise ValueError(f"weights: no task {', '.join(unknown)}; there are {', '.join(names)}")
        if self.weights and self.weighting == "uncertainty":
            raise ValueError("weights are for weighting=fixed; by uncertainty they are learnt")
        if min(self.weights.values(), default=0.0) < 0 or not any(self.weights.get(name, 1.0) for name in names):
            raise ValueError("weights: each is at least 0, and one is more")
        return self


class Weighting(nn.Module):
    """Losses of several tasks as one.

    Args:
        fixed: A weight a task; None: each is learnt from the uncertainty of its task.
        count: Number of tasks.

    Source: Kendall, Gal & Cipolla, arXiv 1705.07115, equation 10 with s = log sigma^2: exp(-s) L + s / 2.
    """

    fixed: Tensor | None

    def __init__(self, fixed: Sequence[float] | None, count: int) -> None:
        super().__init__()
        self.register_buffer("fixed", None if fixed is None else torch.tensor(fixed), persistent=False)
        self.log_variances = nn.Parameter(torch.zeros(count)) if fixed is None else None

    def forward(self, losses: Tensor, present: Tensor) -> Tensor:
        """One loss of [tasks] losses, of those that are `present` (bool [tasks]): the others have no label here."""
        weighed = self.weights() * losses
        if self.log_variances is not None:
            weighed = weighed + 0.5 * self.log_variances
        return (weighed * present).sum()

    def weights(self) -> Tensor:
        """That of each loss, float32 [tasks]."""
        if self.log_variances is None:
            assert self.fixed is not None  # one of the two is there
            return self.fixed
        return torch.exp(-self.log_variances)


class FurtherTask(nn.Module):
    """A head on the features, and the loss of what it says of training images that have a label.

    Args:
        head: Of this task.
        loss: Of its answers.
        labels: int64 [N] of the training images; -1 where one is missing.
    """

    labels: Tensor

    def __init__(self, head: AuxiliaryHead, loss: ClassLoss, labels: NDArray[np.int64]) -> None:
        super().__init__()
        self.head, self.loss = head, loss
        self.register_buffer("labels", torch.from_numpy(labels), persistent=False)

    def forward(self, features: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss over the images that have a label, 0 where none has, and whether one has.

        Args:
            features: [B, width].
            places: int64 [B], of the images in the training split.
        """
        labels = self.labels[places]
        known = labels >= 0
        scores = self.head(features)
        loss = self.loss.of(scores[known], labels[known]) if known.any() else 0.0 * scores.float().sum()
        return loss, known.any()


class SeveralTasks(Objective):
    """The losses of the classes and of each auxiliary task, weighed.

    Args:
        classes: The loss of the classes.
        tasks: The auxiliary ones.
        weighting: Of the losses, that of the classes first.
        chosen_by: By which of them a checkpoint is chosen; None: by the classes.
        truth: Its labels of validation, int64 [N], -1 where missing.
    """

    def __init__(
        self,
        classes: ClassLoss,
        tasks: Sequence[FurtherTask],
        weighting: Weighting,
        chosen_by: FurtherTask | None = None,
        truth: NDArray[np.int64] | None = None,
    ) -> None:
        super().__init__()
        self.classes, self.tasks, self.weighting = classes, nn.ModuleList(tasks), weighting
        self.chosen_by = None if chosen_by is None else chosen_by.head
        self.known_truth = truth

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """The weighed sum."""
        count = len(batch.labels)
        features = network.features(batch.images[:count])
        losses = [self.classes.of(network.head(features), batch.labels)]
        present = [torch.ones((), dtype=torch.bool, device=features.device)]
        for task in self.tasks:
            loss, known = task(features, batch.places[:count])
            losses.append(loss)
            present.append(known)
        weighed: Tensor = self.weighting(torch.stack(losses), torch.stack(present))
        return weighed

    def logits(self, network: Network, features: Tensor) -> Tensor:
        """Those of the classes; where these are left out, of the first auxiliary task that counts."""
        if self.chosen_by is None:
            return super().logits(network, features)
        scores: Tensor = self.chosen_by(features)
        return scores

    def labels(self, validation: Split) -> NDArray[np.int64]:
        """Their labels."""
        return super().labels(validation) if self.known_truth is None else self.known_truth


class MultiTask:
    """One trunk learns the classes and what else is known of an image."""

    options = Options
    learns_from_target = False
    needs_target = False
    needs_augmentation = False
    works_on_vectors = True

    def check(self, options: Options, stages: Sequence[str]) -> None:
        """Looks up the stages of each phase and the rule of selection."""
        options.check(stages)

    def fit(self, job: Job, options: Options) -> list[dict[str, Any]]:
        """Runs the phases; the auxiliary heads stay with the network.

        Raises:
            ConfigError: Training images, or those of validation by which a checkpoint is chosen, have no such label.
        """
        tasks = {name: _task(job, options, name) for name in options.tasks}
        names = (CLASS, *options.tasks)
        fixed = [options.weights.get(name, 1.0) for name in names] if options.weighting == "fixed" else None
        weighting = Weighting(fixed, len(names))
        first = next(name for name in names if options.weights.get(name, 1.0))
        if first == CLASS:
            objective = SeveralTasks(options.class_loss(job), [*tasks.values()], weighting)
        else:
            truth = auxiliary_labels(job.validation.samples, job.auxiliary, first, tasks[first].head.classes)
            if (truth < 0).all():
                raise ConfigError(
                    f"strategy.weights: no validation image has a label {first}, which alone would choose"
                )
            objective = SeveralTasks(options.class_loss(job), [*tasks.values()], weighting, tasks[first], truth)
        history = train_in_phases(job, objective, options)
        job.network.auxiliary = nn.ModuleList(task.head for task in tasks.values())
        weights = zip(names, weighting.weights().tolist(), strict=True)
        log.info("weights of the losses: %s", ", ".join(f"{name} {weight:.3g}" for name, weight in weights))
        return history

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Features of the network of the images as they are."""
        return predict_features(job.network, split, job.device)


def _task(job: Job, options: Options, name: str) -> FurtherTask:
    """A auxiliary task with a new head.

    Raises:
        ConfigError: Fewer than two answers to it occur in training.
    """
    answers = auxiliary_classes(job.train.samples, job.auxiliary, name)
    labels = auxiliary_labels(job.train.samples, job.auxiliary, name, answers)
    costs = [1.0] * len(answers)
    weights = class_weights(labels[labels >= 0], costs, balanced=options.class_weights == "balanced")
    loss = ClassLoss(weights, label_smoothing=options.label_smoothing, focal_gamma=options.focal_gamma)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(job.seed, "head", name))
        head = AuxiliaryHead(name, job.network.head.in_features, answers)
    return FurtherTask(head, loss, labels)


STRATEGY = MultiTask()
