"""What all strategies share that bring domains together: labelled and target images in one pass, one loss beside.

A method is one module, from what the pass gave (`Seen`) to the loss between domains; the rest is fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from shared.config import Section
from shared.domain_norm import SourceStatistics
from shared.errors import ConfigError
from shared.freezing import resolve_stages
from shared.job import Job, Part
from shared.network import Network
from shared.objective import Batch, Objective
from shared.pooling import pool
from shared.schedules import ramp
from shared.seeding import derive_seed
from shared.strategies.finetune import train_in_phases
from shared.trainer import predict_codes, stack_images
from shared.training_options import TrainingOptions


class AligningOptions(TrainingOptions):
    """Options of every strategy that brings domains together, beside those of training."""

    layer: str | None = Field(None, description="the stage whose output is aligned; none: the code, before the head")
    weight: float = Field(1.0, gt=0, description="of what is between domains, once its ramp has risen")
    target_prior: tuple[float, ...] | None = Field(
        None,
        description="share of each class in the target, as `adapt --label-shift` estimates it: source images then "
        "count between domains as if their classes had these shares",
    )


@dataclass(frozen=True)
class Seen:
    """What one forward pass gives a method; M images, the B labelled ones first.

    Attributes:
        inside: float32 [M, width], pooled output of the layer that is aligned.
        scores: float32 [M, classes], before the softmax.
        domains: int64 [M], number of each image's domain; the target, where there is one, is the last.
        weights: float32 [M], how much each counts between domains; mean about 1 in each.
        labelled: B.
        strength: Of the ramp and the option `weight` together, from 0 on.
    """

    inside: Tensor
    scores: Tensor
    domains: Tensor
    weights: Tensor
    labelled: int
    strength: float


@dataclass(frozen=True)
class Shape:
    """What a method is built for: the width of the aligned layer, how many classes, how many domains."""

    width: int
    classes: int
    domains: int


class Between(nn.Module):
    """A method: the loss between domains, a scalar, its strength inside; it may learn parameters of its own."""

    def forward(self, seen: Seen) -> Tensor:
        """Of one step."""
        raise NotImplementedError

    def measured(self) -> dict[str, float]:
        """What was measured since the last call, for the history."""
        return {}


class Aligned(Objective):
    """The class loss of the labelled images, and what a method adds, of one forward pass.

    Raises:
        ConfigError: There is only one domain, no such layer, or the prior is not one of these classes.
    """

    domain_of: Tensor
    class_weights: Tensor

    def __init__(self, job: Job, options: AligningOptions, make: Callable[[Shape], Between]) -> None:
        super().__init__()
        self.beside = None if job.target is None else job.target.train
        self.of_classes = options.class_loss(job)
        self.layer, self.weight = options.layer, options.weight
        self.target = None if job.target is None else job.target.domain
        if self.layer is not None and self.layer not in job.network.backbone.stages:
            raise ConfigError(f"strategy.layer: {self.layer!r}; built are {', '.join(job.network.backbone.stages)}")
        names = sorted({sample.domain for sample in job.train.samples})
        if len(names) + (self.target is not None) < 2:
            raise ConfigError(
                f"there is one domain, {names[0]}, and nothing to bring it together with; set data.target"
            )
        numbers = torch.tensor([names.index(sample.domain) for sample in job.train.samples])
        self.register_buffer("domain_of", numbers, persistent=False)
        self.register_buffer("class_weights", _class_weights(job, options.target_prior), persistent=False)
        self.target_number = len(names)
        self.statistics = SourceStatistics(job.network) if options.batch_norm == "per_domain" else None
        if self.statistics is not None and self.target is None:
            raise ConfigError("strategy.batch_norm: per_domain keeps statistics of a target; set data.target")
        shape = Shape(_width(job, self.layer), len(job.classes), len(names) + (self.target is not None))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive_seed(job.seed, "between domains"))
            self.between = make(shape)

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """Cross-entropy on the source, plus the loss between domains on all."""
        count = len(batch.labels)
        with ExitStack() as stack:
            if self.statistics is not None:
                stack.enter_context(self.statistics.apart(network, count))
            inside, codes = stack.enter_context(_observed(network, self.layer))(batch.images)
        scores = network.head(codes)
        weights = torch.ones(len(batch.images), device=codes.device)
        weights[:count] = self.class_weights[batch.labels]
        domains = torch.full_like(batch.places, self.target_number)
        domains[:count] = self.domain_of[batch.places[:count]]
        seen = Seen(inside.float(), scores.float(), domains, weights, count, self.weight * ramp(batch.progress))
        with torch.autocast(codes.device.type, enabled=False):
            loss: Tensor = self.of_classes.of(scores[:count], batch.labels) + self.between(seen)
        return loss

    def measured(self) -> dict[str, float]:
        """What the method measured."""
        return self.between.measured()

    def judging(self, network: Network, part: Part) -> AbstractContextManager[None]:
        """By the statistics of the part's own domain, where each has its own."""
        if self.statistics is None or part.samples[0].domain == self.target:
            return nullcontext()
        return self.statistics.in_place(network)


@dataclass(frozen=True)
class Aligner:
    """The strategy of a method: fine-tuning with its loss beside.

    Attributes:
        options: Of the method.
        make: Builds it.
    """

    options: type[Section]
    make: Callable[[Any, Shape], Between]

    def check(self, options: Any, stages: Sequence[str]) -> None:
        """Looks up the stages of each phase, the aligned one, and the rule of selection."""
        options.check_names(stages)
        if options.layer is not None:
            resolve_stages([options.layer], stages)

    def fit(self, job: Job, options: Any) -> list[dict[str, Any]]:
        """Runs the phases; the checkpoint that the rule prefers is the result."""
        objective = Aligned(job, options, lambda shape: self.make(options, shape))
        if objective.statistics is not None:
            job.kept["statistics"] = objective.statistics
        return train_in_phases(job, objective, options)

    def codes(self, job: Job, part: Part) -> Iterator[Tensor]:
        """Codes of the network, by the statistics of each image's own domain where each has its own."""
        return domain_codes(job, part)


def domain_codes(job: Job, part: Part) -> Iterator[Tensor]:
    """As `Strategy.codes`, where `job.kept` may hold statistics of the source."""
    statistics: SourceStatistics | None = job.kept.get("statistics")
    if statistics is None or job.target is None:
        yield from predict_codes(job.network, part, job.device)
        return
    inside = torch.tensor([sample.domain == job.target.domain for sample in part.samples])
    rows = torch.empty(len(inside), job.network.head.in_features, device=job.device)
    for of_target in (True, False):
        chosen = torch.nonzero(inside == of_target)[:, 0]
        if len(chosen):
            with nullcontext() if of_target else statistics.in_place(job.network):
                blocks = predict_codes(job.network, part.of(chosen.numpy()), job.device)
                rows[chosen.to(job.device)] = torch.cat(list(blocks))
    yield rows


@contextmanager
def _observed(network: Network, layer: str | None) -> Iterator[Callable[[Tensor], tuple[Tensor, Tensor]]]:
    """Gives the function from images to the pooled output of a layer and the code, of one pass."""
    caught: list[Tensor] = []
    hook = None
    if layer is not None:
        hook = network.backbone.stages[layer].register_forward_hook(lambda _, __, output: caught.append(output))

    def seen(images: Tensor) -> tuple[Tensor, Tensor]:
        codes = network.codes(images)
        return (pool(caught.pop(), network.pooling), codes) if caught else (codes, codes)

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
