"""Options that all strategies share that train a network end to end; each strategy adds its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from shared.config.schema import Section
from shared.data.order import Balance
from shared.errors import ConfigError
from shared.training.freezing import BatchNormOption, resolve_stages
from shared.training.job import Job
from shared.training.objective import ClassLoss, class_weights
from shared.training.precision import Asked
from shared.training.rates import DecayShape
from shared.training.selection import LABEL_FREE, LAST, RULES
from shared.training.trainer import Phase, TrainerSettings


class PhaseOptions(Section):
    """Options of one phase of training."""

    epochs: int = Field(ge=1, description="passes over the training images, 1 or more")
    train: str | tuple[str, ...] = Field(
        "none", description="backbone stages that train besides the head: all, none, last:N, or their names"
    )
    lr_head: float = Field(1e-3, gt=0, description="peak learning rate of the head, above 0")
    lr_backbone: float = Field(
        1e-4, gt=0, description="peak learning rate of the trained stage next to the head, above 0"
    )
    lr_decay: float = Field(
        0.7,
        gt=0,
        le=1,
        description="factor on the learning rate from each stage to the one before it, towards the input (0 to 1; 1: "
        "one rate for all)",
    )
    warmup: float = Field(
        0.1, ge=0, lt=1, description="share of the phase over which learning rates rise to their peak (0 to 1)"
    )
    shape: DecayShape = Field(
        "cosine",
        description="how learning rates fall after the warm-up; annealed: by (1 + 10 p)^-0.75 at progress p (DANN)",
    )


NO_AUGMENTATION = "none"
"""In place of the name of an augmentation: training images are not varied."""
Schedule = Literal["phases", "gradual", "lp_ft"]


class TrainingOptions(Section):
    """Options of phases, learning rates, loss and selection.

    The default phases are CS231n's recipe: the head alone, then all stages at a tenth of the rate.
    """

    schedule: Schedule = Field(
        "phases",
        description="how stages are unfrozen; phases: as the option phases says; gradual: the head alone, then the "
        "last 1, 2, 4, ... stages, for one epoch each, then the one phase given (ULMFiT); lp_ft: the head is fitted as "
        "linear_probe does, then the one phase given (LP-FT). The run's config.yaml lists the phases that resulted",
    )
    phases: tuple[PhaseOptions, ...] = Field(
        (PhaseOptions(epochs=3), PhaseOptions(epochs=10, train="all", lr_head=3e-4)),
        min_length=1,
        description="phases of training, in order; by default the head alone for 3 epochs, then all stages for 10",
    )
    head: Literal["random", "probe"] = Field(
        "random",
        description="initial weights of the head; probe: those that linear_probe fits to the frozen features",
    )
    batch_size: int = Field(32, ge=2, description="labelled images in a step, over all processes together (2 or more)")
    weight_decay: float = Field(
        1e-4, ge=0, description="weight decay of AdamW on matrices and kernels (0 or more; 0: none)"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="label smoothing: share of each label that is spread over all classes (0 to 1)"
    )
    focal_gamma: float = Field(
        0.0, ge=0, description="gamma of the focal loss: the higher, the less easy samples count (0: cross-entropy)"
    )
    class_weights: Literal["balanced", "none"] = Field(
        "balanced", description="weights of the classes in the loss; balanced: inverse to their frequency"
    )
    sampling: Balance = Field(
        "none",
        description="what is drawn equally often in an epoch; class_and_domain: each class, and within it the domains "
        "in proportion to the square root of their sizes; class_domain_and_group: domains moreover by what the "
        "application says looks different (medtl: contrast), and within them groups (patients) in proportion to the "
        "square root of their number of images",
    )
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of the exponential moving average of weights that is kept in place of the weights (0 to 1; "
        "0: no average)",
    )
    clip_norm: float = Field(
        0.0, ge=0, description="gradient clipping: largest L2 norm of the gradients of a step (0: no clipping)"
    )
    batch_norm: BatchNormOption = Field(
        "auto",
        description="what trains in the BatchNorm of trained stages; train: statistics and weights; freeze_stats: "
        "weights alone; freeze_all: neither; auto: freeze_stats where the pretrained weights have BatchNorm folded "
        "into their convolutions, which training of statistics would destroy, else train",
    )
    augmentation: str = Field(
        "usual",
        description="random variation of training images; usual: small changes of position, shape and contrast; none: "
        "no variation. Names that end with that of a library, such as usual_monai or usual_albumentations, run the "
        "library itself, image by image. An unknown name is refused with the list of the application's names",
    )
    precision: Asked = Field(
        "auto",
        description="precision of training; auto: bf16 on a GPU; on a CPU bf16 where it is clearly faster for this "
        "network on this machine, which is timed once, else fp32. fp32 or bf16 gives alike numbers on other machines",
    )
    selection: str = Field(
        "log_likelihood",
        description="rule that chooses the checkpoint: log_likelihood or balanced_accuracy of validation, or last (the "
        "last epoch); with data.target also entropy, mutual_information or soft_neighbourhood_density of its "
        "unlabelled validation images",
    )

    stop_after: int | None = Field(
        None,
        ge=1,
        description="number of the epoch that is kept, counted over all phases; training stops there, with rates as if "
        "it went on. null: selection chooses among all",
    )

    @property
    def learns_masks(self) -> bool:
        """Whether training reads the masks of findings; no strategy does but those that say so."""
        return False

    @model_validator(mode="after")
    def _one_phase(self) -> Self:
        if self.schedule != "phases" and "phases" in self.model_fields_set and len(self.phases) > 1:
            raise ValueError(
                f"schedule {self.schedule} makes the phases before the last one itself; phases has "
                f"{len(self.phases)}, give one or none"
            )
        return self

    def resolved(self, stages: Sequence[str]) -> Self:
        """Returns these options with the option `schedule` written out as `phases`; unchanged under schedule "phases".

        Args:
            stages: Names of the stages of the backbone as built, from input to output.

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

    def keeping(self, row: Mapping[str, Any] | None) -> Self:
        """Returns these options with the kept epoch written out, so that nothing is left to choose.

        Args:
            row: The row of the history that is kept, an epoch; None: the last epoch, where none is stated.
        """
        if row is not None:
            kept = sum(phase.epochs for phase in self.phases[: row["phase"] - 1]) + row["epoch"]
        else:
            kept = self.stop_after or sum(phase.epochs for phase in self.phases)
        return self.model_copy(update={"stop_after": kept})

    def check(self, stages: Sequence[str]) -> None:
        """Checks that the options name only stages and selection rules that exist.

        Args:
            stages: Names of all stages of the backbone, from input to output.

        Raises:
            ConfigError: The backbone has no such stage, or the phases end before `stop_after`.
            UnknownNameError: There is no such selection rule.
        """
        for phase in self.phases:
            resolve_stages(phase.train, stages)
        epochs = sum(phase.epochs for phase in self.resolved(stages).phases)
        if self.stop_after is not None and self.stop_after > epochs:
            raise ConfigError(f"strategy.stop_after: got {self.stop_after}; the phases have {epochs} epochs")
        if self.selection not in (LAST, *LABEL_FREE):
            RULES.get(self.selection)

    def settings(self) -> TrainerSettings:
        """Converts these options into the settings of the training loop; loss options are not part of these."""
        return TrainerSettings(
            phases=[Phase(**phase.model_dump()) for phase in self.phases],
            batch_size=self.batch_size,
            weight_decay=self.weight_decay,
            batch_norm=self.batch_norm,
            precision=self.precision,
            selection=self.selection,
            sampling=self.sampling,
            ema_decay=self.ema_decay,
            clip_norm=self.clip_norm,
            stop_after=self.stop_after,
        )

    def class_loss(self, job: Job) -> ClassLoss:
        """Builds the supervised loss of a job, with the class weights of its training split.

        Args:
            job: The training; its labels and miss costs give the class weights.
        """
        weights = class_weights(job.train.labels, job.miss_costs, balanced=self.class_weights == "balanced")
        return ClassLoss(weights, label_smoothing=self.label_smoothing, focal_gamma=self.focal_gamma)
