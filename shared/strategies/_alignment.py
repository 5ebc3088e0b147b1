"""Domain alignment (DANN, CDAN, CORAL): fine-tuning with a domain loss on labelled and target images in one pass.

A method is a `DomainLoss`: a module that maps an `AlignmentBatch` to a scalar.
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
from shared.training.passes import stack_images
from shared.training.rates import ramp

SCORES = "scores"
"""In place of the name of a stage: the class scores (logits) are aligned, as Deep CORAL's paper does."""


class AlignmentOptions(TargetOptions):
    """Options that all alignment strategies share, in addition to those of training."""

    layer: str | None = Field(
        None,
        description="what is aligned between the domains: the output of the backbone stage of this name, or scores: "
        "the class scores, as in the paper on Deep CORAL; null: the features that the head receives",
    )
    weight: float = Field(
        1.0,
        gt=0,
        description="weight of the domain loss (DANN's lambda), above 0; it rises from 0 to this value during training",
    )
    target_prior: tuple[float, ...] | None = Field(
        None,
        description="share of each class in the target, in the order of the classes, as `adapt --label-shift` "
        "estimates it: source images are weighted in the domain loss as if their classes had these shares",
    )

    def check(self, stages: Sequence[str]) -> None:
        """Checks that the options name only stages and selection rules that exist.

        Args:
            stages: Names of all stages of the backbone, from input to output.

        Raises:
            ConfigError: A phase trains, or `layer` names, a stage that the backbone does not have.
            UnknownNameError: There is no such selection rule.
        """
        super().check(stages)
        if self.layer not in (None, SCORES):
            resolve_stages([self.layer], stages)


@dataclass(frozen=True)
class AlignmentBatch:
    """The input of a domain loss: M images of one forward pass, the B labelled ones first.

    Attributes:
        features: float32 [M, width], pooled output of the aligned layer, or the class scores.
        scores: float32 [M, classes], logits.
        domains: int64 [M], number of each image's domain; the target, where there is one, has the highest number.
        rows: Rows of the images of each domain in turn, int64 [n]; how many there are is known without waiting for a
            GPU.
        weights: float32 [M], weight of each image in the domain loss; mean about 1 in each domain.
        labelled: Number B of labelled images.
        lambda_: Weight of the domain loss at this step, 0 or more: the option `weight` times DANN's ramp.
    """

    features: Tensor
    scores: Tensor
    domains: Tensor
    rows: tuple[Tensor, ...]
    weights: Tensor
    labelled: int
    lambda_: float


@dataclass(frozen=True)
class AlignmentSizes:
    """The sizes for which a domain loss is built.

    Attributes:
        width: Width of the aligned features.
        classes: Number of classes.
        domains: Number of domains, the target included.
    """

    width: int
    classes: int
    domains: int


class DomainLoss(nn.Module):
    """Base of all domain losses: a module, possibly with parameters of its own, that maps a batch to a scalar."""

    def forward(self, batch: AlignmentBatch) -> Tensor:
        """Computes the domain loss of one step, a scalar that is added to the class loss.

        The weight `batch.lambda_` is already applied in it.
        """
        raise NotImplementedError

    def metrics(self) -> dict[str, float]:
        """Returns what was measured since the last call: name of the measure to value, empty where nothing is measured.

        Each name becomes a column of the training history.
        """
        return {}


class AlignmentObjective(TargetAwareObjective):
    """The class loss on labelled images plus a domain loss on labelled and target images, in one forward pass.

    Args:
        job: The training; its labelled images and its target give the domains.
        options: Options of the strategy.
        make: Builds the domain loss.

    Raises:
        ConfigError: There is only one domain, no such layer, or `target_prior` does not fit the classes.
    """

    class_weights: Tensor

    def __init__(self, job: Job, options: AlignmentOptions, make: Callable[[AlignmentSizes], DomainLoss]) -> None:
        super().__init__(job, options)
        self.layer, self.weight = options.layer, options.weight
        if self.layer not in (None, SCORES, *job.network.backbone.stages):
            raise ConfigError(
                f"strategy.layer: {self.layer!r} is no stage of this network; allowed: "
                f"{', '.join((*job.network.backbone.stages, SCORES))}"
            )
        names = sorted({sample.domain for sample in job.train.samples})
        if len(names) + (self.target is not None) < 2:
            raise ConfigError(
                f"domain alignment needs two domains or more, and all images are of {names[0]}; set data.target.domain"
            )
        self._domain_of = torch.tensor([names.index(sample.domain) for sample in job.train.samples])
        self.register_buffer("class_weights", _class_weights(job, options.target_prior), persistent=False)
        self.target_number, self.domains = len(names), len(names) + (self.target is not None)
        sizes = AlignmentSizes(_width(job, self.layer), len(job.classes), self.domains)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive_seed(job.seed, "between domains"))
            self.domain_loss = make(sizes)

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """Computes the loss of one step, a scalar: class loss of the labelled images plus domain loss of all images.

        Args:
            network: The network that is trained.
            batch: The labelled images, followed by those of the target where there is one.
        """
        count = len(batch.labels)
        with self.normalised(network, count), _aligned_layer(network, self.layer) as run:
            aligned, features = run(batch.images)
        scores = network.head(features)
        if self.layer == SCORES:
            aligned = scores
        weights = torch.ones(len(batch.images), device=features.device)
        weights[:count] = self.class_weights[batch.labels]
        domains = torch.full_like(batch.places, self.target_number)
        domains[:count] = self._domain_of[batch.places[:count]]
        rows = [(domains == number).nonzero()[:, 0] for number in range(self.domains)]
        to_align = AlignmentBatch(
            features=aligned.float(),
            scores=scores.float(),
            domains=domains.to(features.device, non_blocking=True),
            rows=tuple(one.to(features.device, non_blocking=True) for one in rows),
            weights=weights,
            labelled=count,
            lambda_=self.weight * ramp(batch.progress),
        )
        with torch.autocast(features.device.type, enabled=False):
            loss: Tensor = self.class_loss.of(scores[:count], batch.labels) + self.domain_loss(to_align)
        return loss

    def metrics(self) -> dict[str, float]:
        """Returns what the domain loss measured since the last call: name of the measure to value, possibly empty."""
        return self.domain_loss.metrics()


def alignment_strategy(
    options: type[Section], make: Callable[[Any, AlignmentSizes], DomainLoss], loss_weights: tuple[float, ...]
) -> TargetStrategy:
    """Makes the strategy that fine-tunes with a domain loss.

    Args:
        options: The schema of the strategy's options, a subclass of `AlignmentOptions`.
        make: Builds the domain loss from options and sizes.
        loss_weights: Weights of the domain loss that `adapt` tries where none is stated.
    """

    def objective(job: Job, given: Any) -> AlignmentObjective:
        return AlignmentObjective(job, given, lambda sizes: make(given, sizes))

    return TargetStrategy(options, objective, loss_weights)


@contextmanager
def _aligned_layer(network: Network, layer: str | None) -> Iterator[Callable[[Tensor], tuple[Tensor, Tensor]]]:
    """Gives a function that runs images through a network once; it returns a layer's pooled output and the features."""
    caught: list[Tensor] = []
    hook = None
    if layer not in (None, SCORES):
        hook = network.backbone.stages[layer].register_forward_hook(lambda _, __, output: caught.append(output))

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        features = network.features(images)
        return (
            (pool(network.backbone.shown(caught.pop()), network.pooling), features) if caught else (features, features)
        )

    try:
        yield run
    finally:
        if hook is not None:
            hook.remove()


@torch.no_grad()
def _width(job: Job, layer: str | None) -> int:
    if layer is None:
        return job.network.head.in_features
    if layer == SCORES:
        return job.network.head.out_features
    was_training = job.network.training
    job.network.eval()
    device = next(job.network.parameters()).device
    with _aligned_layer(job.network, layer) as run:
        width = int(run(stack_images(job.train, 0, 1, device))[0].shape[1])
    job.network.train(was_training)
    return width


def _class_weights(job: Job, prior: Sequence[float] | None) -> Tensor:
    """Computes the weight of a source image of each class in the domain loss, so that the classes get these shares.

    Source: Tachet des Combes et al., arXiv 2003.04475, section 3.
    """
    if prior is None:
        return torch.ones(len(job.classes))
    if len(prior) != len(job.classes) or min(prior) < 0 or abs(sum(prior) - 1.0) > 1e-3:
        raise ConfigError(
            f"strategy.target_prior: {len(prior)} values with the sum {sum(prior):.3g}; give {len(job.classes)} shares "
            f"of 0 or more that sum to 1, for {', '.join(job.classes)}"
        )
    shares = torch.bincount(torch.from_numpy(job.train.labels), minlength=len(prior)) / len(job.train.labels)
    return torch.where(shares > 0, torch.tensor(prior) / shares.clamp_min(1e-9), 0.0)
