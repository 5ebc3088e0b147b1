"""Mean teacher: a moving average of the network gives the pseudo-labels of unlabelled target images."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from shared.errors import ConfigError
from shared.models.network import Network
from shared.strategies._target_aware import TargetAwareObjective, TargetOptions, TargetStrategy
from shared.training.ema import MovingAverage
from shared.training.job import Job
from shared.training.objective import Batch
from shared.training.rates import ramp


class Options(TargetOptions):
    """The section `strategy` named `mean_teacher` (the mean teacher).

    The command `options mean_teacher` describes every key.
    """

    name: Literal["mean_teacher"] = Field(
        "mean_teacher",
        description="fine-tuning on pseudo-labels of target images, which an average of the network gives (Mean "
        "Teacher, FixMatch)",
    )
    weight: float = Field(
        1.0,
        gt=0,
        description="weight of the loss on pseudo-labels, above 0; it rises from 0 to this value during training",
    )
    confidence_threshold: float = Field(
        0.9,
        ge=0,
        lt=1,
        description="FixMatch's tau: smallest probability (0 to 1) at which the teacher's class becomes a pseudo-label",
    )
    teacher_ema_decay: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="decay (0 to 1) of the exponential moving average of weights that is the teacher",
    )


class MeanTeacherLoss(TargetAwareObjective):
    """Class loss on labelled images plus cross-entropy of augmented target images with the teacher's pseudo-labels.

    The teacher, a moving average of the network, sees the target images without augmentation. Pseudo-labels below the
    confidence threshold are not used.

    Args:
        job: The training; its target gives the unlabelled images.
        options: Options of the strategy.

    Raises:
        ConfigError: There is no target.

    Source: French et al., arXiv 1706.05208, sections 3.1 to 3.3; with the likeliest class in place of all
    probabilities, Sohn et al., arXiv 2001.07685, equation 4.
    """

    pseudo_labelled: Tensor
    sees_plain = True

    def __init__(self, job: Job, options: Options) -> None:
        super().__init__(job, options)
        if job.target is None:
            raise ConfigError("strategy mean_teacher needs a target, and there is none; set data.target.domain")
        self.weight, self.confidence_threshold = options.weight, options.confidence_threshold
        self.teacher = MovingAverage(job.network, options.teacher_ema_decay).requires_grad_(False)
        # used pseudo-labels and all; a buffer, so that a resumed training reports the same rate
        self.register_buffer("pseudo_labelled", torch.zeros(2))

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """Updates the teacher by the network's weights, then computes the loss of one step, a scalar.

        Args:
            network: The network that is trained.
            batch: The labelled images, followed by as many augmented target images.
        """
        self.teacher.update_parameters(network)
        count = len(batch.labels)
        with self.normalised(network, count):
            scores = network(batch.images).float()
        assert batch.plain is not None  # which it asks for
        classes, confident = self._pseudo_labels(batch.plain)
        self.pseudo_labelled[0] += confident.sum()
        self.pseudo_labelled[1] += len(confident)
        target_loss = (confident * F.cross_entropy(scores[count:], classes, reduction="none")).mean()
        return self.class_loss.of(scores[:count], batch.labels) + self.weight * ramp(batch.progress) * target_loss

    @torch.no_grad()
    def _pseudo_labels(self, plain: Tensor) -> tuple[Tensor, Tensor]:
        """Computes pseudo-labels of target images, float32 [B, channels, size, size], as they are.

        Returns:
            Classes int64 [B]; float32 [B], 1 where the teacher is confident enough, else 0.
        """
        self.teacher.eval()
        probability, classes = torch.softmax(self.teacher(plain).float(), dim=1).max(dim=1)
        return classes, (probability >= self.confidence_threshold).float()

    def metrics(self) -> dict[str, float]:
        """Returns the share of target images that got a pseudo-label since the last call, and starts counting anew.

        Returns:
            `pseudo_label_rate`, 0..1; empty where no target image was seen since.
        """
        used, total = self.pseudo_labelled.tolist()
        self.pseudo_labelled.zero_()
        return {"pseudo_label_rate": used / total} if total else {}


STRATEGY = TargetStrategy(Options, MeanTeacherLoss, (1.0,), needs_target=True, needs_augmentation=True)
