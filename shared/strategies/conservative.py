"""Fine-tuning that stays near the source: its parameters (L2-SP), its outputs (learning without forgetting)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from shared.config.schema import Section
from shared.data.split import Split
from shared.models.network import Network
from shared.strategies._distillation import SourceOutputs
from shared.strategies._l2_sp import SourceParameters
from shared.strategies.finetune import train_in_phases
from shared.training.freezing import resolve_stages
from shared.training.job import Job
from shared.training.objective import Batch, ClassLoss, Objective
from shared.training.options import TrainingOptions
from shared.training.trainer import predict_features


class ParameterOptions(Section):
    """How parameters are held near the source."""

    strength: float = Field(0.0, ge=0, description="of the pull on each stage (alpha); 0: free")
    stages: dict[str, float] = Field(default_factory=dict, description="by stage, in place of that strength")
    head: float = Field(0.0, ge=0, description="of the pull of the new head to 0 (beta)")


class OutputOptions(Section):
    """How answers to the source's classes are held near those of the source."""

    strength: float = Field(0.0, ge=0, description="of that loss beside that of the classes; 0: free")
    temperature: float = Field(2.0, gt=0, description="which softens both answers before they are compared")


class Options(TrainingOptions):
    """Options of conservative training."""

    name: Literal["conservative"] = Field("conservative", description="fine-tuning that stays near the source")
    weight_decay: float = Field(0.0, ge=0, description="of AdamW, towards 0; what is held near the source needs none")
    parameters: ParameterOptions = ParameterOptions()
    outputs: OutputOptions = OutputOptions()

    @model_validator(mode="after")
    def _held(self) -> Self:
        if min(self.parameters.stages.values(), default=0.0) < 0:
            raise ValueError("parameters.stages: a strength is negative")
        if not (self.parameters.strength or any(self.parameters.stages.values()) or self.outputs.strength):
            raise ValueError("nothing is held near the source; set parameters.strength or outputs.strength above 0")
        return self


class NearSource(Objective):
    """The loss of the classes, and the distances from the source.

    Args:
        classes: The former.
        parameters: Of the parameters; None: free.
        outputs: Of the outputs; None: free.
        outputs_strength: Of the latter.
    """

    def __init__(
        self,
        classes: ClassLoss,
        parameters: SourceParameters | None,
        outputs: SourceOutputs | None,
        outputs_strength: float,
    ) -> None:
        super().__init__()
        self.classes, self.parameter_distance, self.output_distance = classes, parameters, outputs
        self.outputs_strength = outputs_strength

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """The sum, over the labelled images."""
        images = batch.images[: len(batch.labels)]
        maps = network.backbone(images)
        loss = self.classes.of(network.head(network.features_of(maps)), batch.labels)
        if self.output_distance is not None:
            loss = loss + self.outputs_strength * self.output_distance(network, images, maps)
        if self.parameter_distance is not None:
            loss = loss + self.parameter_distance(network)
        return loss


class Conservative:
    """Fine-tuning whose loss grows with the distance from the source."""

    options = Options
    learns_from_target = False
    needs_target = False
    needs_augmentation = False
    works_on_vectors = True

    def check(self, options: Options, stages: Sequence[str]) -> None:
        """Looks up the stages of each phase and of each strength, and the rule of selection."""
        options.check(stages)
        resolve_stages(tuple(options.parameters.stages), stages)

    def fit(self, job: Job, options: Options) -> list[dict[str, Any]]:
        """Runs the phases; the checkpoint that validation prefers by the classes alone is the result."""
        near, outputs = options.parameters, options.outputs
        strengths = {name: near.stages.get(name, near.strength) for name in job.network.backbone.stages}
        held = any(strengths.values()) or near.head
        objective = NearSource(
            options.class_loss(job),
            SourceParameters(job.network, strengths, near.head) if held else None,
            SourceOutputs(job.network, job.weights, outputs.temperature) if outputs.strength else None,
            outputs.strength,
        )
        return train_in_phases(job, objective, options)

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Features of the network of the images as they are."""
        return predict_features(job.network, split, job.device)


STRATEGY = Conservative()
