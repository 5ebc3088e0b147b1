"""Multi-task learning: one backbone with a head and a loss for the classes and for each auxiliary task.

One task is no label of an image: masks of findings, which teach the network where evidence lies.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from shared.data.auxiliary_labels import auxiliary_classes, auxiliary_labels
from shared.data.split import Split
from shared.errors import ConfigError
from shared.models.network import AuxiliaryHead, Network
from shared.seeding import derive_seed
from shared.strategies.finetune import train_in_phases
from shared.training.job import Job
from shared.training.objective import Batch, ClassLoss, Objective, class_weights
from shared.training.options import TrainingOptions
from shared.training.passes import predict_features

CLASS, MASK = "class", "mask"
"""Names of the main task, the classes of the run, and of the masks of findings among the auxiliary tasks."""
MASK_WEIGHT = 3.0
"""Weight of places of a finding against the others in the loss of masks, for they are few."""
log = logging.getLogger(__name__)
TaskName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Options(TrainingOptions):
    """The section `strategy` named `multitask` (multi-task learning).

    The command `options multitask` describes every key.
    """

    name: Literal["multitask"] = Field(
        "multitask", description="fine-tuning on the classes and on auxiliary labels at once (multi-task learning)"
    )
    tasks: tuple[TaskName, ...] = Field(
        min_length=1,
        description="names of the auxiliary tasks, one or more: auxiliary labels that the application gives its "
        "samples (a wrong name lists them), NAME for a column label:NAME of a table, or mask for the masks of findings "
        "(with backbone.pooling=avg_evidence)",
    )
    weighting: Literal["uncertainty", "fixed"] = Field(
        "uncertainty",
        description="weights of the losses of the tasks; uncertainty: learnt (Kendall et al.); fixed: those of the "
        "option weights",
    )
    weights: dict[str, float] = Field(
        default_factory=dict,
        description="fixed weights of the losses by task, 0 or more, `class` for the classes; 1 where none is given, 0 "
        "leaves a task out",
    )

    @property
    def learns_masks(self) -> bool:
        """Whether training reads the masks of findings, which is where they are a task."""
        return MASK in self.tasks

    @model_validator(mode="after")
    def _weighted(self) -> Self:
        names = (CLASS, *self.tasks)
        if len(set(names)) < len(names):
            raise ValueError(
                f"tasks: {', '.join(self.tasks)}: a name stands twice, or is {CLASS}, which is learnt anyway; give "
                "each auxiliary task once"
            )
        if unknown := sorted(set(self.weights) - set(names)):
            raise ValueError(f"weights: no task {', '.join(unknown)}; there are {', '.join(names)}")
        if self.weights and self.weighting == "uncertainty":
            raise ValueError(
                "weights are for weighting=fixed, and weighting is uncertainty, which learns them; set "
                "weighting=fixed, or leave weights out"
            )
        if self.learns_masks and not any(self.weights.get(name, 1.0) for name in names if name != MASK):
            raise ValueError(
                f"weights: all but {MASK} are 0, and {MASK} chooses no checkpoint; give {CLASS} or a task with labels "
                "a weight above 0"
            )
        if min(self.weights.values(), default=0.0) < 0 or not any(self.weights.get(name, 1.0) for name in names):
            given = ", ".join(f"{name} {self.weights.get(name, 1.0):g}" for name in names)
            raise ValueError(f"weights: {given}; each must be 0 or more, and at least one more than 0")
        return self


class Weighting(nn.Module):
    """Weighted sum of the losses of several tasks.

    Args:
        fixed: A weight for each task, 0 or more; None: weights are learnt from the uncertainty of each task.
        count: Number of tasks.

    Source: Kendall, Gal & Cipolla, arXiv 1705.07115, equation 10 with s = log sigma^2: exp(-s) L + s / 2.
    """

    fixed: Tensor | None

    def __init__(self, fixed: Sequence[float] | None, count: int) -> None:
        super().__init__()
        self.register_buffer("fixed", None if fixed is None else torch.tensor(fixed), persistent=False)
        self.log_variances = nn.Parameter(torch.zeros(count)) if fixed is None else None

    def forward(self, losses: Tensor, present: Tensor) -> Tensor:
        """Computes the weighted sum of the losses of all tasks, a scalar.

        Args:
            losses: float32 [tasks], loss of each task.
            present: bool [tasks], whether the batch holds a label for the task; other tasks are left out.
        """
        weighted = self.weights() * losses
        if self.log_variances is not None:
            weighted = weighted + 0.5 * self.log_variances
        return (weighted * present).sum()

    def weights(self) -> Tensor:
        """Returns the present weight of each task's loss, float32 [tasks], in the order of the tasks."""
        if self.log_variances is None:
            assert self.fixed is not None  # one of the two is there
            return self.fixed
        return torch.exp(-self.log_variances)


class AuxiliaryTask(nn.Module):
    """A head on the features, and its loss on the training images that have an auxiliary label.

    Args:
        head: Maps features to the logits of this task.
        loss: Computes the loss of the head's logits.
        labels: int64 [N], label of each image of the training split for this task; -1 where it is missing.
    """

    def __init__(self, head: AuxiliaryHead, loss: ClassLoss, labels: NDArray[np.int64]) -> None:
        super().__init__()
        self.head, self.loss, self.labels = head, loss, torch.from_numpy(labels)  # labels stay on the CPU

    def forward(self, features: Tensor, places: Tensor) -> tuple[Tensor, bool]:
        """Computes the task's mean loss over those images of a batch that have a label for it.

        Args:
            features: float [B, width], features of the images.
            places: int64 [B], index of each image in the training split, on the CPU.

        Returns:
            The loss, a scalar, 0 where no image has a label; and whether any image has one.
        """
        labels = self.labels[places]
        known = labels >= 0
        scores = self.head(features)
        if not known.any():
            return 0.0 * scores.float().sum(), False
        return self.loss.of(_rows(scores, known), labels[known].to(scores.device, non_blocking=True)), True


class MaskTask(nn.Module):
    """The loss of the map of the evidence on the training images whose masks are known.

    Args:
        known: bool [N], whether the mask of each training image is known.
    """

    def __init__(self, known: NDArray[np.bool_]) -> None:
        super().__init__()
        self.known = torch.from_numpy(known)  # which stays on the CPU

    def forward(self, logits: Tensor, masks: Tensor, places: Tensor) -> tuple[Tensor, bool]:
        """Computes the mean loss of the places of those images of a batch whose masks are known.

        The target of a place is the mean of the largest and the mean value of the mask in it: a finding smaller than a
        place must not vanish.

        Args:
            logits: float [B, rows, columns], the map of the evidence.
            masks: float32 [B, size, size], 0..1.
            places: int64 [B], index of each image in the training split, on the CPU.

        Returns:
            The loss, a scalar, 0 where no mask is known; and whether any is.
        """
        known = self.known[places]
        if not known.any():
            return 0.0 * logits.float().sum(), False
        grid = (logits.shape[1], logits.shape[2])
        chosen = _rows(masks, known)[:, None]
        target = 0.5 * (F.adaptive_max_pool2d(chosen, grid) + F.adaptive_avg_pool2d(chosen, grid))[:, 0]
        weight = torch.full((), MASK_WEIGHT, device=logits.device)
        rows = _rows(logits, known).float()
        return F.binary_cross_entropy_with_logits(rows, target.clamp(0.0, 1.0), pos_weight=weight), True


def _rows(values: Tensor, chosen: Tensor) -> Tensor:
    """The rows of a tensor on a device that `chosen`, bool [B] on the CPU, names: no GPU is asked how many."""
    return values.index_select(0, chosen.nonzero()[:, 0].to(values.device, non_blocking=True))


class MultiTaskObjective(Objective):
    """The weighted sum of the losses of the classes and of the auxiliary tasks.

    Args:
        class_loss: Loss of the classes.
        tasks: The auxiliary tasks with labels.
        weighting: Weights the losses, that of the classes first, then those of `tasks` in their order, then of `masks`.
        masks: The task of the masks; None: masks are not learnt.
        selected_by: Auxiliary task whose validation labels choose the checkpoint; None: the classes choose it.
        validation_labels: int64 [N], label of each validation image for the task `selected_by`, -1 where it is missing;
            None: the classes choose the checkpoint.
    """

    def __init__(
        self,
        class_loss: ClassLoss,
        tasks: Sequence[AuxiliaryTask],
        weighting: Weighting,
        masks: MaskTask | None = None,
        selected_by: AuxiliaryTask | None = None,
        validation_labels: NDArray[np.int64] | None = None,
    ) -> None:
        super().__init__()
        self.class_loss, self.tasks, self.weighting = class_loss, nn.ModuleList(tasks), weighting
        self.masks = masks
        self.selected_by = None if selected_by is None else selected_by.head
        self.validation_labels = validation_labels

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """Computes the weighted sum of the losses of all tasks, a scalar.

        Args:
            network: The network that is trained; its head predicts the classes.
            batch: The images of one step; unlabelled ones are not used.
        """
        count = len(batch.labels)
        maps = network.backbone(batch.images[:count])
        features = network.features_of(maps)
        losses = [self.class_loss.of(network.head(features), batch.labels)]
        present = [True]
        for task in self.tasks:
            loss, known = task(features, batch.places[:count])
            losses.append(loss)
            present.append(known)
        if self.masks is not None and network.evidence is not None and batch.masks is not None:
            loss, known = self.masks(network.evidence(maps), batch.masks[:count], batch.places[:count])
            losses.append(loss)
            present.append(known)
        counted = torch.tensor(present).to(features.device, non_blocking=True)
        weighted: Tensor = self.weighting(torch.stack(losses), counted)
        return weighted

    def logits(self, network: Network, features: Tensor) -> Tensor:
        """Computes the logits of the task that chooses the checkpoint: auxiliary task `selected_by`, else the classes.

        Args:
            network: The network that is trained; its head predicts the classes.
            features: float32 [N, width], features of images.

        Returns:
            float [N, classes of that task].
        """
        if self.selected_by is None:
            return super().logits(network, features)
        scores: Tensor = self.selected_by(features)
        return scores

    def labels(self, validation: Split) -> NDArray[np.int64]:
        """Returns the true labels of the validation images for the task that chooses the checkpoint.

        Args:
            validation: The validation split; it gives the labels where the classes choose.

        Returns:
            int64 [N], the class of each image, or its label for the auxiliary task `selected_by`; -1 where missing.
        """
        return super().labels(validation) if self.validation_labels is None else self.validation_labels


class MultiTask:
    """Fine-tunes one backbone on the classes and on auxiliary tasks at once."""

    options = Options
    learns_from_target = False
    needs_target = False
    needs_augmentation = False
    works_on_vectors = True
    loss_weights = ()

    def check(self, options: Options, stages: Sequence[str]) -> None:
        """Checks that the options name only stages and selection rules that exist; tasks are not looked up.

        Args:
            options: Options of multi-task learning.
            stages: Names of all stages of the backbone, from input to output.

        Raises:
            ConfigError: The backbone has no such stage.
            UnknownNameError: There is no such selection rule.
        """
        options.check(stages)

    def fit(self, job: Job, options: Options) -> list[dict[str, Any]]:
        """Trains `job.network` in place, in phases; the heads of the auxiliary tasks stay in it.

        A checkpoint is chosen by the classes; where their weight is 0, by the first auxiliary task whose weight is not.

        Returns:
            The history: a row for each L2 strength of the linear probe, if there was one, then a row for each epoch.

        Raises:
            ConfigError: Fewer than two labels of a task occur in training, or no validation image has a label of the
                task by which a checkpoint is chosen.
        """
        tasks = {name: _task(job, options, name) for name in options.tasks if name != MASK}
        names = (CLASS, *tasks, *([MASK] if options.learns_masks else []))
        fixed = [options.weights.get(name, 1.0) for name in names] if options.weighting == "fixed" else None
        weighting = Weighting(fixed, len(names))
        objective = _objective(job, options, tasks, weighting)
        history = train_in_phases(job, objective, options)
        job.network.auxiliary = nn.ModuleList(task.head for task in tasks.values())
        weights = zip(names, weighting.weights().tolist(), strict=True)
        log.info("weights of the losses: %s", ", ".join(f"{name} {weight:.3g}" for name, weight in weights))
        return history

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Yields the features of the images of a split, not augmented, in blocks float32 [n, width] on `job.device`."""
        return predict_features(job.network, split, job.device)


def _objective(
    job: Job, options: Options, tasks: Mapping[str, AuxiliaryTask], weighting: Weighting
) -> MultiTaskObjective:
    """Builds the objective, with the first task whose weight is not 0 as the one by which a checkpoint is chosen."""
    class_loss, all_tasks = options.class_loss(job), [*tasks.values()]
    masks = MaskTask(np.array([mask is not None for mask in job.train.masks])) if options.learns_masks else None
    first = next((name for name in (CLASS, *tasks) if options.weights.get(name, 1.0)), CLASS)
    if first == CLASS:
        return MultiTaskObjective(class_loss, all_tasks, weighting, masks)
    labels = auxiliary_labels(job.validation.samples, job.auxiliary, first, tasks[first].head.classes)
    if (labels < 0).all():
        raise ConfigError(
            f"strategy.weights: no validation image has a label {first}, by which the checkpoint would be chosen; give "
            f"such labels, or {CLASS} a weight above 0"
        )
    return MultiTaskObjective(class_loss, all_tasks, weighting, masks, tasks[first], labels)


def _task(job: Job, options: Options, name: str) -> AuxiliaryTask:
    """Makes an auxiliary task with a new head, whose random weights depend on the seed and the name.

    Raises:
        ConfigError: Fewer than two labels of the task occur in training.
    """
    classes = auxiliary_classes(job.train.samples, job.auxiliary, name)
    labels = auxiliary_labels(job.train.samples, job.auxiliary, name, classes)
    costs = [1.0] * len(classes)
    weights = class_weights(labels[labels >= 0], costs, balanced=options.class_weights == "balanced")
    loss = ClassLoss(weights, label_smoothing=options.label_smoothing, focal_gamma=options.focal_gamma)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(job.seed, "head", name))
        head = AuxiliaryHead(name, job.network.head.in_features, classes)
    return AuxiliaryTask(head, loss, labels)


STRATEGY = MultiTask()
