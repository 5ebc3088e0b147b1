"""What all strategies share that see unlabelled images of a target in training: BatchNorm, judging, features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from shared.config.schema import Section
from shared.data.split import Split
from shared.errors import ConfigError
from shared.models.network import Network
from shared.strategies._domain_batchnorm import SourceStatistics, batch_norms
from shared.strategies.finetune import train_in_phases
from shared.training.freezing import DomainBatchNormPolicy
from shared.training.job import Job
from shared.training.objective import Objective
from shared.training.options import TrainingOptions
from shared.training.trainer import predict_features


class TargetOptions(TrainingOptions):
    """Options of every strategy that sees a target, on top of those of training."""

    # wider than in the options that it extends: statistics by domain need a second domain
    batch_norm: DomainBatchNormPolicy = Field(  # type: ignore[assignment]
        "train",
        description="BatchNorm of trained stages: train statistics and weights; freeze_stats: weights alone; "
        "freeze_all: neither; per_domain: statistics of the source and of the target apart",
    )


class TargetAwareObjective(Objective):
    """The class loss of labelled images, target images beside them, and for each, if asked for, statistics of its own.

    Raises:
        ConfigError: Statistics of a target are asked for, and there is no target or no BatchNorm.
    """

    def __init__(self, job: Job, options: TargetOptions) -> None:
        super().__init__()
        self.target = None if job.target is None else job.target.domain
        self.unlabelled = None if job.target is None else job.target.train
        self.of_classes = options.class_loss(job)
        self.statistics = SourceStatistics(job.network) if options.batch_norm == "per_domain" else None
        if self.statistics is not None and self.target is None:
            raise ConfigError("strategy.batch_norm: per_domain keeps statistics of a target; set data.target.domain")
        if self.statistics is not None and not batch_norms(job.network):
            raise ConfigError("strategy.batch_norm: per_domain needs BatchNorm, and this backbone has none")

    def normalised(self, network: Network, labelled: int) -> AbstractContextManager[None]:
        """Within it the first `labelled` images of a batch are the source's, where each has statistics of its own."""
        return nullcontext() if self.statistics is None else self.statistics.apart(network, labelled)

    def evaluation_statistics(self, network: Network, split: Split) -> AbstractContextManager[None]:
        """By the statistics of the part's own domain, where each has its own."""
        if self.statistics is None or split.samples[0].domain == self.target:
            return nullcontext()
        return self.statistics.in_place(network)


@dataclass(frozen=True)
class TargetStrategy:
    """The strategy of such an objective: fine-tuning of it.

    Attributes:
        options: The schema of its options.
        objective: Makes the objective of a job and its options.
        needs_target: Whether it can do nothing without a target; else it brings the domains together that there are.
        needs_augmentation: Whether it learns nothing from images that are not varied.
    """

    options: type[Section]
    objective: Callable[[Job, Any], TargetAwareObjective]
    needs_target: bool = False
    needs_augmentation: bool = False
    learns_from_target = True
    works_on_vectors = True

    def check(self, options: Any, stages: Sequence[str]) -> None:
        """Looks up the stages that the options name, and the rule of selection."""
        options.check(stages)

    def fit(self, job: Job, options: Any) -> list[dict[str, Any]]:
        """Runs the phases; the checkpoint that the rule prefers is the result."""
        objective = self.objective(job, options)
        if objective.statistics is not None:
            job.state["statistics"] = objective.statistics
        return train_in_phases(job, objective, options)

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Features of the network, by the statistics of each image's own domain where each has its own."""
        return domain_features(job, split)


def domain_features(job: Job, split: Split) -> Iterator[Tensor]:
    """As `Strategy.features`, where `job.state` may hold statistics of the source."""
    statistics: SourceStatistics | None = job.state.get("statistics")
    if statistics is None or job.target is None:
        yield from predict_features(job.network, split, job.device)
        return
    inside = torch.tensor([sample.domain == job.target.domain for sample in split.samples])
    rows = torch.empty(len(inside), job.network.head.in_features, device=job.device)
    for of_target in (True, False):
        chosen = torch.nonzero(inside == of_target)[:, 0]
        if len(chosen):
            with nullcontext() if of_target else statistics.in_place(job.network):
                blocks = predict_features(job.network, split.of(chosen.numpy()), job.device)
                rows[chosen.to(job.device)] = torch.cat(list(blocks))
    yield rows
