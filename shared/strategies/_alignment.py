"""What all strategies share that bring domains together: labelled and target images in one pass, one loss beside.

A method is one module, from what the pass gave (`AlignmentBatch`) to the loss between domains; the rest is fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from shared.config.schema import Section
from shared.errors import ConfigError
from shared.models.network import Network
from shared.models.pooling import pool
from shared.seeding import derive_seed
from shared.strategies._target_aware import TargetAwareObjective, TargetOptions, TargetStrategy
from shared.training.freezing import resolve_stages
from shared.training.job import Job
from shared.training.objective import Batch
from shared.training.rates import ramp
from shared.training.trainer import stack_images


class AlignmentOptions(TargetOptions):
    """Options of every strategy that brings domains together, beside those of training."""

    layer: str | None = Field(None, description="the stage whose output is aligned; none: the code, before the head")
    weight: float = Field(1.0, gt=0, description="of what is between domains, once its ramp has risen")
    target_prior: tuple[float, ...] | None = Field(
        None,
        description="share of each class in the target, as `adapt --label-shift` estimates it: source images then "
        "count between domains as if their classes had these shares",
    )

    def check(self, stages: Sequence[str]) -> None:
        """Looks up the stages of each phase, the aligned one, and the rule of selection."""
        super().check(stages)
        if self.layer is not None:
            resolve_stages([self.layer], stages)


@dataclass(frozen=True)
class AlignmentBatch:
    """What one forward pass gives a method; M images, the B labelled ones first.

    Attributes:
        features: float32 [M, width], pooled output of the layer that is aligned.
        scores: float32 [M, classes], before the softmax.
        domains: int64 [M], number of each image's domain; the target, where there is one, is the last.
        weights: float32 [M], how much each counts between domains; mean about 1 in each.
        labelled: B.
        lambda_: Of the ramp and the option `weight` together, from 0 on.
    """

    features: Tensor
    scores: Tensor
    domains: Tensor
    weights: Tensor
    labelled: int
    lambda_: float


@dataclass(frozen=True)
class Shape:
    """What a method is built for: the width of the aligned layer, how many classes, how many domains."""

    width: int
    classes: int
    domains: int


class DomainLoss(nn.Module):
    """A method: the loss between domains, a scalar, its strength inside; it may learn parameters of its own."""

    def forward(self, seen: AlignmentBatch) -> Tensor:
        """Of one step."""
        raise NotImplementedError

    def metrics(self) -> dict[str, float]:
        """What was measured since the last call, for the history."""
        return {}


class Aligned(TargetAwareObjective):
    """The class loss of the labelled images, and what a method adds, of one forward pass.

    Raises:
        ConfigError: There is only one domain, no such layer, or the prior is not one of these classes.
    """

    domain_of: Tensor
    class_weights: Tensor

    def __init__(self, job: Job, options: AlignmentOptions, make: Callable[[Shape], DomainLoss]) -> None:
        super().__init__(job, options)
        self.layer, self.weight = options.layer, options.weight
        if self.layer is not None and self.layer not in job.network.backbone.stages:
            raise ConfigError(f"strategy.layer: {self.layer!r}; built are {', '.join(job.network.backbone.stages)}")
        names = sorted({sample.domain for sample in job.train.samples})
        if len(names) + (self.target is not None) < 2:
            raise ConfigError(
                f"there is one domain, {names[0]}, and nothing to bring it together with; set data.target.domain"
            )
        numbers = torch.tensor([names.index(sample.domain) for sample in job.train.samples])
        self.register_buffer("domain_of", numbers, persistent=False)
        self.register_buffer("class_weights", _class_weights(job, options.target_prior), persistent=False)
        self.target_number = len(names)
        shape = Shape(_width(job, self.layer), len(job.classes), len(names) + (self.target is not None))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive_seed(job.seed, "between domains"))
            self.domain_loss = make(shape)

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """Cross-entropy on the source, plus the loss between domains on all."""
        count = len(batch.labels)
        with self.normalised(network, count), _observed(network, self.layer) as seen_by:
            inside, features = seen_by(batch.images)
        scores = network.head(features)
        weights = torch.ones(len(batch.images), device=features.device)
        weights[:count] = self.class_weights[batch.labels]
        domains = torch.full_like(batch.places, self.target_number)
        domains[:count] = self.domain_of[batch.places[:count]]
        seen = AlignmentBatch(
            inside.float(), scores.float(), domains, weights, count, self.weight * ramp(batch.progress)
        )
        with torch.autocast(features.device.type, enabled=False):
            loss: Tensor = self.of_classes.of(scores[:count], batch.labels) + self.domain_loss(seen)
        return loss

    def metrics(self) -> dict[str, float]:
        """What the method measured."""
        return self.domain_loss.metrics()


def aligner(options: type[Section], make: Callable[[Any, Shape], DomainLoss]) -> TargetStrategy:
    """The strategy of a method: fine-tuning with its loss beside.

    Args:
        options: Of the method.
        make: Builds it.
    """
    return TargetStrategy(options, lambda job, given: Aligned(job, given, lambda shape: make(given, shape)))


@contextmanager
def _observed(network: Network, layer: str | None) -> Iterator[Callable[[Tensor], tuple[Tensor, Tensor]]]:
    """Gives the function from images to the pooled output of a layer and the code, of one pass."""
    caught: list[Tensor] = []
    hook = None
    if layer is not None:
        hook = network.backbone.stages[layer].register_forward_hook(lambda _, __, output: caught.append(output))

    def seen(images: Tensor) -> tuple[Tensor, Tensor]:
        features = network.features(images)
        return (pool(caught.pop(), network.pooling), features) if caught else (features, features)

    try:
        yield seen
    finally:
        if hook is not None:
            hook.remove()


@torch.no_grad()
def _width(job: Job, layer: str | None) -> int:
    if layer is None:
        return job.network.head.in_features
    was_training = job.network.training
    job.network.eval()
    device = next(job.network.parameters()).device
    with _observed(job.network, layer) as seen:
        width = int(seen(stack_images(job.train, 0, 1).to(device))[0].shape[1])
    job.network.train(was_training)
    return width


def _class_weights(job: Job, prior: Sequence[float] | None) -> Tensor:
    """How much a source image of each class counts between domains, so that the classes get these shares.

    Source: Tachet des Combes et al., arXiv 2003.04475, section 3.
    """
    if prior is None:
        return torch.ones(len(job.classes))
    if len(prior) != len(job.classes) or min(prior) < 0 or abs(sum(prior) - 1.0) > 1e-3:
        raise ConfigError(
            f"strategy.target_prior: {len(prior)} values; {len(job.classes)} shares that sum to 1 are needed, of "
            f"{', '.join(job.classes)}"
        )
    own = torch.bincount(torch.from_numpy(job.train.labels), minlength=len(prior)) / len(job.train.labels)
    return torch.where(own > 0, torch.tensor(prior) / own.clamp_min(1e-9), 0.0)
