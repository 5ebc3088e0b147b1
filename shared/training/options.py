"""The options of every strategy that trains end to end; each adds its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from shared.config.schema import Section
from shared.data.order import Balance
from shared.training.freezing import BatchNormPolicy, resolve_stages
from shared.training.job import Job
from shared.training.objective import ClassLoss, class_weights
from shared.training.rates import Shape
from shared.training.selection import LABEL_FREE, LAST, RULES
from shared.training.trainer import Phase, Settings


class PhaseOptions(Section):
    """One phase of the schedule."""

    epochs: int = Field(ge=1, description="passes over the training images")
    train: str | tuple[str, ...] = Field("none", description="stages beside the head: all, none, last:N, or names")
    lr_head: float = Field(1e-3, gt=0, description="learning rate of the head")
    lr_backbone: float = Field(1e-4, gt=0, description="of the trained stage next to the head")
    lr_decay: float = Field(0.7, gt=0, le=1, description="factor on the rate for each stage further from the head")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the phase over which the rates rise")
    shape: Shape = Field("cosine", description="how the rates fall after that")


NO_AUGMENTATION = "none"
"""In place of the name of an augmentation: training images are not varied."""
Schedule = Literal["phases", "gradual", "lp_ft"]


class TrainingOptions(Section):
    """Phases, rates and loss. The default phases are CS231n's recipe: the head alone, then all, ten times slower."""

    schedule: Schedule = Field(
        "phases",
        description="phases: as they stand; gradual: one phase, before which the head, then the last 1, 2, 4, ... "
        "stages train for an epoch each; lp_ft: one phase, before which the head is fitted as linear_probe does. "
        "The run's config.yaml shows what the word became",
    )
    phases: tuple[PhaseOptions, ...] = Field(
        (PhaseOptions(epochs=3), PhaseOptions(epochs=10, train="all", lr_head=3e-4)),
        min_length=1,
        description="one after the other; without any, the head alone for 3 epochs, then all for 10",
    )
    head: Literal["random", "probe"] = Field(
        "random", description="how the head begins: random weights, or those that linear_probe fits to frozen features"
    )
    batch_size: int = Field(32, ge=2, description="over all processes together")
    weight_decay: float = Field(1e-4, ge=0, description="of AdamW, on matrices and kernels")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the label that goes to all classes alike")
    focal_gamma: float = Field(0.0, ge=0, description="how much easy samples count less in the loss; 0: not at all")
    class_weights: Literal["balanced", "none"] = Field("balanced", description="in the loss")
    sampling: Balance = Field(
        "none",
        description="what comes equally often in an epoch; class_and_domain: classes, and in each the domains by the "
        "square root of their sizes",
    )
    ema_decay: float = Field(
        0.0, ge=0, lt=1, description="decay of the exponential moving average of weights that is kept; 0: no average"
    )
    clip_norm: float = Field(0.0, ge=0, description="largest norm of the gradients of a step; 0: as they come")
    batch_norm: BatchNormPolicy = Field(
        "train",
        description="BatchNorm of trained stages: train statistics and weights; freeze_stats: weights alone; "
        "freeze_all: neither",
    )
    augmentation: str = Field(
        "usual", description="how training images are varied at random, by the application's names; or none"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 on a GPU, else fp32; bf16 is twice as fast on CPUs that have AVX512-BF16"
    )
    selection: str = Field(
        "log_likelihood",
        description="which checkpoint is kept: log_likelihood or balanced_accuracy of validation; last: the last one; "
        "with data.target also by its unlabelled images: entropy, mutual_information or soft_neighbourhood_density",
    )

    @model_validator(mode="after")
    def _one_phase(self) -> Self:
        if self.schedule != "phases" and "phases" in self.model_fields_set and len(self.phases) > 1:
            raise ValueError(f"schedule {self.schedule} makes the phases before the last one itself; give one, or none")
        return self

    def resolved(self, stages: Sequence[str]) -> Self:
        """The same with the word of `schedule` spelled out in phases.

        Args:
            stages: That are built, from input to output.

        Source: gradual: Howard & Ruder, arXiv 1801.06146, section 3.3, by doubling; lp_ft: Kumar et al., arXiv
        2202.10054.
        """
        last = self.phases[-1]
        if self.schedule == "phases":
            return self
        if self.schedule == "lp_ft":
            return self.model_copy(update={"schedule": "phases", "head": "probe", "phases": (last,)})
        wanted = len(resolve_stages(last.train, stages))
        rungs = ["none", *(f"last:{2**k}" for k in range(wanted.bit_length()) if 2**k < wanted)]
        before = [last.model_copy(update={"epochs": 1, "train": rung}) for rung in rungs]
        return self.model_copy(update={"schedule": "phases", "phases": (*before, last)})

    def check(self, stages: Sequence[str]) -> None:
        """Looks up the stages of each phase and the rule of selection.

        Raises:
            ConfigError: A stage that the backbone does not have.
            UnknownNameError: A rule that there is not.
        """
        for phase in self.phases:
            resolve_stages(phase.train, stages)
        if self.selection not in (LAST, *LABEL_FREE):
            RULES.get(self.selection)

    def settings(self) -> Settings:
        """As the trainer takes them."""
        return Settings(
            phases=[Phase(**phase.model_dump()) for phase in self.phases],
            batch_size=self.batch_size,
            weight_decay=self.weight_decay,
            batch_norm=self.batch_norm,
            precision=self.precision,
            selection=self.selection,
            sampling=self.sampling,
            ema_decay=self.ema_decay,
            clip_norm=self.clip_norm,
        )

    def class_loss(self, job: Job) -> ClassLoss:
        """The supervised loss that they ask for."""
        weights = class_weights(job.train.labels, job.miss_costs, balanced=self.class_weights == "balanced")
        return ClassLoss(weights, label_smoothing=self.label_smoothing, focal_gamma=self.focal_gamma)
