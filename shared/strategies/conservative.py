"""Fine-tuning that stays near the source: its parameters (L2-SP) or its outputs (learning without forgetting)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

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
from shared.training.passes import predict_features


class ParameterOptions(Section):
    """Options of the L2-SP pull, which keeps parameters near those of the source."""

    strength: float = Field(
        0.0,
        ge=0,
        description="L2-SP alpha: strength of the pull of each stage towards the source (0 or more; 0: none). After "
        "each step the learning rate times it is the share of the way back that is taken, as with the weight decay of "
        "AdamW: 10 is weak, 1000 strong",
    )
    stages: dict[str, float] = Field(
        default_factory=dict,
        description="L2-SP alpha of single stages, as {stage: alpha}, 0 or more; other stages keep strength",
    )
    head: float = Field(
        0.0, ge=0, description="L2-SP beta: strength of the pull of the new head towards 0 (0 or more; 0: none)"
    )


class OutputOptions(Section):
    """Options of distillation, which keeps the outputs for the source's classes near those of the source."""

    strength: float = Field(
        0.0,
        ge=0,
        description="weight of the distillation loss (learning without forgetting) added to the class loss (0 or more; "
        "0: none)",
    )
    temperature: float = Field(
        2.0, gt=0, description="distillation temperature, which softens both networks' predictions (above 0)"
    )


class Options(TrainingOptions):
    """The section `strategy` named `conservative` (conservative training (L2-SP, distillation)).

    The command `options conservative` describes every key.
    """

    name: Literal["conservative"] = Field(
        "conservative",
        description="fine-tuning that stays near the source network (L2-SP, learning without forgetting)",
    )
    weight_decay: float = Field(
        0.0,
        ge=0,
        description="weight decay of AdamW on matrices and kernels, towards 0 (0 or more); L2-SP takes its place",
    )
    parameters: ParameterOptions = ParameterOptions()
    outputs: OutputOptions = OutputOptions()

    @model_validator(mode="after")
    def _penalised(self) -> Self:
        negative = {name: value for name, value in self.parameters.stages.items() if value < 0}
        if negative:
            listed = ", ".join(f"{name} is {value}" for name, value in negative.items())
            raise ValueError(f"parameters.stages: {listed}, which is negative; a strength is 0 or more")
        if not (self.parameters.strength or any(self.parameters.stages.values()) or self.outputs.strength):
            raise ValueError(
                "every strength is 0, so that nothing is held near the source; set parameters.strength or "
                "outputs.strength above 0, or choose strategy finetune"
            )
        return self


class ConservativeObjective(Objective):
    """The class loss, with what keeps the network near the source: a pull on parameters (L2-SP), or distillation.

    Args:
        class_loss: Loss of the labelled images.
        parameters: L2-SP pull on the parameters; None: no pull.
        outputs: Distillation loss of the outputs; None: no distillation.
        outputs_strength: Weight of the distillation loss, 0 or more.
    """

    def __init__(
        self,
        class_loss: ClassLoss,
        parameters: SourceParameters | None,
        outputs: SourceOutputs | None,
        outputs_strength: float,
    ) -> None:
        super().__init__()
        self.class_loss, self.source_parameters, self.output_distance = class_loss, parameters, outputs
        self.outputs_strength = outputs_strength

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """Computes the class loss of the labelled images plus that of distillation, a scalar.

        Args:
            network: The network that is trained.
            batch: The images of one step; unlabelled ones are not used.
        """
        images = batch.images[: len(batch.labels)]
        maps = network.backbone(images)
        loss = self.class_loss.of(network.head(network.features_of(maps)), batch.labels)
        if self.output_distance is not None:
            loss = loss + self.outputs_strength * self.output_distance(network, images, maps)
        return loss

    def after_step(self, network: Network, rates: Mapping[nn.Parameter, float]) -> None:
        """Pulls the parameters towards those of the source.

        Args:
            network: The network that is trained.
            rates: Learning rate of each parameter that is trained.
        """
        if self.source_parameters is not None:
            self.source_parameters.pull(network, rates)


class Conservative:
    """Fine-tunes with a pull towards the parameters or the answers of the source network."""

    options = Options
    learns_from_target = False
    needs_target = False
    needs_augmentation = False
    works_on_vectors = True
    loss_weights = ()

    def check(self, options: Options, stages: Sequence[str]) -> None:
        """Checks that the options name only stages and selection rules that exist.

        Args:
            options: Options of the strategy.
            stages: Names of all stages of the backbone, from input to output.

        Raises:
            ConfigError: A phase or an L2-SP strength names a stage that the backbone does not have.
            UnknownNameError: There is no such selection rule.
        """
        options.check(stages)
        resolve_stages(tuple(options.parameters.stages), stages)

    def fit(self, job: Job, options: Options) -> list[dict[str, Any]]:
        """Trains `job.network` in place, in phases, and leaves in it the weights that the selection rule prefers.

        The rule scores predictions of the classes; nothing else has a part in it.

        Returns:
            The history: a row for each L2 strength of the linear probe, if there was one, then a row for each epoch.

        Raises:
            ConfigError: Distillation is asked for, and layers or pooling are not those of the source's classifier.
            WeightsError: Distillation is asked for, and the weights have no classifier of one layer.
        """
        l2_sp, outputs = options.parameters, options.outputs
        strengths = {name: l2_sp.stages.get(name, l2_sp.strength) for name in job.network.backbone.stages}
        pulled = any(strengths.values()) or l2_sp.head
        objective = ConservativeObjective(
            options.class_loss(job),
            SourceParameters(job.network, strengths, l2_sp.head) if pulled else None,
            SourceOutputs(job.network, job.weights, outputs.temperature) if outputs.strength else None,
            outputs.strength,
        )
        return train_in_phases(job, objective, options)

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Yields the features of the images of a split, not augmented, in blocks float32 [n, width] on `job.device`."""
        return predict_features(job.network, split, job.device)


STRATEGY = Conservative()
