"""Fine-tuning in phases: first the new head, then the stages that a freeze schedule names, at discriminative rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field
from torch import Tensor

from shared.config import Section
from shared.freezing import BatchNormPolicy, resolve_stages
from shared.job import Job, Part
from shared.losses import class_weights, weighted_loss
from shared.schedules import Shape
from shared.selection import RULES
from shared.trainer import Phase, predict_codes, train


class PhaseOptions(Section):
    """One phase of the schedule."""

    epochs: int = Field(ge=1, description="passes over the training images")
    train: str | tuple[str, ...] = Field("none", description="stages beside the head: all, none, last:N, or names")
    lr_head: float = Field(1e-3, gt=0, description="learning rate of the head")
    lr_backbone: float = Field(1e-4, gt=0, description="of the trained stage next to the head")
    lr_decay: float = Field(0.7, gt=0, le=1, description="factor on the rate for each stage further from the head")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the phase over which the rates rise")
    shape: Shape = Field("cosine", description="how the rates fall after that")


class Options(Section):
    """Options of fine-tuning. The default phases are CS231n's recipe: the head alone, then all, ten times slower."""

    name: Literal["finetune"] = Field("finetune", description="head first, then the stages that each phase names")
    phases: tuple[PhaseOptions, ...] = Field(
        (PhaseOptions(epochs=3), PhaseOptions(epochs=10, train="all", lr_head=3e-4)),
        min_length=1,
        description="one after the other; without any, the head alone for 3 epochs, then all for 10",
    )
    batch_size: int = Field(32, ge=2, description="over all processes together")
    weight_decay: float = Field(1e-4, ge=0, description="of AdamW, on matrices and kernels")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the label that goes to all classes alike")
    focal_gamma: float = Field(0.0, ge=0, description="how much easy samples count less in the loss; 0: not at all")
    class_weights: Literal["balanced", "none"] = Field("balanced", description="in the loss")
    batch_norm: BatchNormPolicy = Field("train", description="whether trained stages update their statistics")
    augment: bool = Field(True, description="whether training images are varied at random")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 on a GPU, else fp32; bf16 is twice as fast on CPUs that have AVX512-BF16"
    )
    selection: str = Field("loss", description="which checkpoint validation prefers: loss or balanced_accuracy")


class FineTune:
    """The network learns end to end, part by part."""

    options = Options

    def check(self, options: Options, stages: Sequence[str]) -> None:
        """Looks up the stages of each phase and the rule of selection."""
        for phase in options.phases:
            resolve_stages(phase.train, stages)
        RULES.get(options.selection)

    def fit(self, job: Job, options: Options) -> list[dict[str, Any]]:
        """Runs the phases; the checkpoint that validation prefers is the result."""
        weights = class_weights(job.train.labels, job.costs, balanced=options.class_weights == "balanced")

        def loss(scores: Tensor, labels: Tensor) -> Tensor:
            return weighted_loss(
                scores,
                labels,
                weights.to(scores.device),
                label_smoothing=options.label_smoothing,
                focal_gamma=options.focal_gamma,
            )

        phases = [Phase(**phase.model_dump()) for phase in options.phases]
        return train(
            job,
            phases,
            loss,
            batch_size=options.batch_size,
            weight_decay=options.weight_decay,
            batch_norm=options.batch_norm,
            augment=options.augment,
            precision=options.precision,
            selection=options.selection,
        )

    def codes(self, job: Job, part: Part) -> Iterator[Tensor]:
        """Codes of the network of the images as they are."""
        return predict_codes(job.network, part, job.device)


STRATEGY = FineTune()
