"""Self-ensembling: the network's own average says what target images are, and varied ones must get the same answer."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from shared.errors import ConfigError
from shared.models.network import Network
from shared.strategies._target_aware import TargetAwareObjective, TargetOptions, TargetStrategy
from shared.training.ema import exponential_average
from shared.training.job import Job
from shared.training.objective import Batch
from shared.training.rates import ramp
from shared.training.trainer import stack_images


class Options(TargetOptions):
    """Options of the mean teacher."""

    name: Literal["mean_teacher"] = Field(
        "mean_teacher", description="finetune, and target images named by an average of the network"
    )
    weight: float = Field(1.0, gt=0, description="of the loss on target images, once its ramp has risen")
    confidence_threshold: float = Field(
        0.9, ge=0, lt=1, description="smallest probability at which the teacher's class is used as a pseudo-label"
    )
    ema_decay: float = Field(
        0.99, ge=0, lt=1, description="decay of the exponential moving average of weights that is the teacher"
    )


class MeanTeacherLoss(TargetAwareObjective):
    """Class loss of the labelled images, and of varied target images against what the teacher says of plain ones.

    The teacher is a moving average of the network. Where it is not sure enough it says nothing.

    Source: French et al., arXiv 1706.05208, sections 3.1 to 3.3; with the likeliest class in place of all
    probabilities, Sohn et al., arXiv 2001.07685, equation 4.

    Raises:
        ConfigError: There is no target.
    """

    pseudo_labelled: Tensor

    def __init__(self, job: Job, options: Options) -> None:
        super().__init__(job, options)
        if job.target is None:
            raise ConfigError("strategy mean_teacher learns from images of a target; set data.target.domain")
        self.plain = job.target.train
        self.weight, self.confidence_threshold = options.weight, options.confidence_threshold
        self.teacher = exponential_average(job.network, options.ema_decay).requires_grad_(False)
        # kept in checkpoints, so that a training that was interrupted tells the same
        self.register_buffer("pseudo_labelled", torch.zeros(2))

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """Of one step; the teacher has learned from the steps before it."""
        self.teacher.update_parameters(network)
        count = len(batch.labels)
        with self.normalised(network, count):
            scores = network(batch.images).float()
        classes, confident = self._pseudo_labels(batch.places[count:])
        self.pseudo_labelled[0] += confident.sum()
        self.pseudo_labelled[1] += len(confident)
        of_target = (confident * F.cross_entropy(scores[count:], classes, reduction="none")).mean()
        return self.of_classes.of(scores[:count], batch.labels) + self.weight * ramp(batch.progress) * of_target

    @torch.no_grad()
    def _pseudo_labels(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Pseudo-labels of target images: classes int64 [B], float32 [B], 1 where the teacher is confident enough."""
        plain = stack_images(self.plain.of(places.cpu().numpy()), 0, len(places)).to(places.device)
        self.teacher.eval()
        probability, classes = torch.softmax(self.teacher(plain).float(), dim=1).max(dim=1)
        return classes, (probability >= self.confidence_threshold).float()

    def metrics(self) -> dict[str, float]:
        """`pseudo_label_rate`: the share of target images whose pseudo-label was used since the last call."""
        pseudo_labelled, total = self.pseudo_labelled.tolist()
        self.pseudo_labelled.zero_()
        return {"pseudo_label_rate": pseudo_labelled / total} if total else {}


STRATEGY = TargetStrategy(Options, MeanTeacherLoss, needs_target=True, needs_augmentation=True)
