"""The parts that all strategies share that train with unlabelled target images: options, BatchNorm, features."""

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
from shared.strategies._domain_batchnorm import SourceStatistics, require_batch_norm
from shared.strategies.finetune import train_in_phases
from shared.training.freezing import DomainBatchNormOption
from shared.training.job import Job
from shared.training.objective import Objective
from shared.training.options import TrainingOptions
from shared.training.passes import predict_features


class TargetOptions(TrainingOptions):
    """Options that all strategies share that train with target images, in addition to those of training."""

    # wider than in the options that it extends: statistics by domain need a second domain
    batch_norm: DomainBatchNormOption = Field(  # type: ignore[assignment]
        "auto",
        description="what trains in the BatchNorm of trained stages; train: statistics and weights; freeze_stats: "
        "weights alone; freeze_all: neither; per_domain: weights, and separate statistics for source and target; auto: "
        "freeze_stats where the pretrained weights have BatchNorm folded into their convolutions, else train",
    )


class TargetAwareObjective(Objective):
    """Base of the objectives that add unlabelled target images to every batch, with BatchNorm per domain if wanted.

    Args:
        job: The training; without a target, batches hold labelled images alone.
        options: Options of the strategy.

    Raises:
        ConfigError: `batch_norm` is per_domain, and there is no target, no BatchNorm, or one that is folded into the
            weights.
    """

    def __init__(self, job: Job, options: TargetOptions) -> None:
        super().__init__()
        self.target = None if job.target is None else job.target.domain
        self.unlabelled = None if job.target is None else job.target.train
        self.class_loss = options.class_loss(job)
        self.statistics = SourceStatistics(job.network) if options.batch_norm == "per_domain" else None
        if self.statistics is not None and self.target is None:
            raise ConfigError(
                "strategy.batch_norm: per_domain needs a target, and there is none; set data.target.domain, or choose "
                "train, freeze_stats or freeze_all"
            )
        if self.statistics is not None:
            require_batch_norm(job, "strategy.batch_norm: per_domain", "set strategy.batch_norm=auto")

    def normalised(self, network: Network, labelled: int) -> AbstractContextManager[None]:
        """Makes the network normalise source and target images of a batch separately, within a `with` block.

        Does nothing unless the option `batch_norm` is per_domain.

        Args:
            network: The network whose BatchNorm modules are changed within the block.
            labelled: Number of source images, which come first in the batch; the rest are target images.
        """
        return nullcontext() if self.statistics is None else self.statistics.apart(network, labelled)

    def evaluation_statistics(self, network: Network, split: Split) -> AbstractContextManager[None]:
        """Gives the network the BatchNorm statistics of the domain of a split, within a `with` block.

        Does nothing for a split of the target, or unless the option `batch_norm` is per_domain.

        Args:
            network: The network that is evaluated.
            split: The images, all of the target or all of the source; at least one.
        """
        if self.statistics is None or split.samples[0].domain == self.target:
            return nullcontext()
        return self.statistics.in_place(network)


@dataclass(frozen=True)
class TargetStrategy:
    """A strategy that fine-tunes with a `TargetAwareObjective`.

    Attributes:
        options: The schema of its options.
        objective: Builds the objective from a job and options.
        loss_weights: Weights of its adaptation loss that `adapt` tries where none is stated.
        needs_target: Whether it requires a target; if not, it aligns the domains of the training images.
        needs_augmentation: Whether it requires augmented images.
    """

    options: type[Section]
    objective: Callable[[Job, Any], TargetAwareObjective]
    loss_weights: tuple[float, ...]
    needs_target: bool = False
    needs_augmentation: bool = False
    learns_from_target = True
    works_on_vectors = True

    def check(self, options: Any, stages: Sequence[str]) -> None:
        """Checks that the options name only stages and selection rules that exist.

        Args:
            options: Options of the strategy's own schema.
            stages: Names of all stages of the backbone, from input to output.

        Raises:
            ConfigError: The backbone has no such stage.
            UnknownNameError: There is no such selection rule.
        """
        options.check(stages)

    def fit(self, job: Job, options: Any) -> list[dict[str, Any]]:
        """Trains `job.network` in place, in phases, and leaves in it the weights that the selection rule prefers.

        Args:
            job: The training, with its target.
            options: Options of the strategy's own schema.

        Returns:
            The history: a row for each L2 strength of the linear probe, if there was one, then a row for each epoch.

        Raises:
            ConfigError: The strategy needs augmented images, and they are not varied; or the options need a target, a
                second domain, a layer or a BatchNorm that is not there.
        """
        if self.needs_augmentation and job.augment is None:
            raise ConfigError(
                f"strategy {options.name} learns from augmented images, and these are not varied; set "
                "strategy.augmentation, or choose another strategy"
            )
        objective = self.objective(job, options)
        if objective.statistics is not None:
            job.state["statistics"] = objective.statistics
        return train_in_phases(job, objective, options)

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Yields the features of a split block by block, float32 [n, width] on `job.device`.

        Each image is normalised by the BatchNorm statistics of its own domain, where these are kept by domain.
        """
        return domain_features(job, split)


def domain_features(job: Job, split: Split) -> Iterator[Tensor]:
    """Yields the features of a split block by block, float32 [n, width] on `job.device`.

    Each image is normalised by the BatchNorm statistics of its own domain: a target image by those in the network, a
    source image by the `SourceStatistics` in `job.state`. Where these are missing, all images use those in the network.

    Args:
        job: The job, after training.
        split: The images, of any domain.
    """
    statistics: SourceStatistics | None = job.state.get("statistics")
    if statistics is None or job.target is None:
        yield from predict_features(job.network, split, job.device)
        return
    on_target = torch.tensor([sample.domain == job.target.domain for sample in split.samples])
    rows = torch.empty(len(on_target), job.network.head.in_features, device=job.device)
    for is_target in (True, False):
        chosen = torch.nonzero(on_target == is_target)[:, 0]
        if len(chosen):
            with nullcontext() if is_target else statistics.in_place(job.network):
                blocks = predict_features(job.network, split.of(chosen.numpy()), job.device)
                rows[chosen.to(job.device)] = torch.cat(list(blocks))
    yield rows
