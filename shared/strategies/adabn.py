"""AdaBN: fine-tuning on the source, then the BatchNorm statistics of the target; no weight learns from the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field
from torch import Tensor

from shared.data.split import Split
from shared.errors import ConfigError
from shared.strategies._domain_batchnorm import SourceStatistics, learn_statistics, require_batch_norm
from shared.strategies._target_aware import domain_features
from shared.strategies.finetune import train_in_phases
from shared.training.job import Job
from shared.training.options import TrainingOptions


class Options(TrainingOptions):
    """The section `strategy` named `adabn` (AdaBN).

    The command `options adabn` describes every key.
    """

    name: Literal["adabn"] = Field(
        "adabn", description="fine-tuning on the source, then BatchNorm statistics of the unlabelled target (AdaBN)"
    )


class AdaBN:
    """Fine-tunes on the source, then replaces the BatchNorm statistics by those of the target.

    Source: Li et al., arXiv 1603.04779, section 3.2.
    """

    options = Options
    learns_from_target = True
    needs_target = True
    needs_augmentation = False
    works_on_vectors = False
    loss_weights = ()

    def check(self, options: Options, stages: Sequence[str]) -> None:
        """Checks that the options name only stages and selection rules that exist.

        Args:
            options: Options of AdaBN.
            stages: Names of all stages of the backbone, from input to output.

        Raises:
            ConfigError: The backbone has no such stage.
            UnknownNameError: There is no such selection rule.
        """
        options.check(stages)

    def fit(self, job: Job, options: Options) -> list[dict[str, Any]]:
        """Trains `job.network` in place on the source, then gives it the BatchNorm statistics of the unlabelled target.

        Returns:
            The history: a row for each L2 strength of the linear probe, if there was one, then a row for each epoch.

        Raises:
            ConfigError: There is no target, or the backbone has no BatchNorm, or one that is folded into its weights.
        """
        if job.target is None:
            raise ConfigError("strategy adabn needs a target, and there is none; set data.target.domain")
        require_batch_norm(job, "strategy adabn", "dann, cdan or coral")
        history = train_in_phases(job, options.class_loss(job), options)
        job.state["statistics"] = SourceStatistics(job.network).to(job.device)
        learn_statistics(job.network, job.target.train, job.device)
        job.on_epoch_end(job, len(history))
        return history

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Yields the features of a split block by block, float32 [n, width] on `job.device`.

        Each image is normalised by the BatchNorm statistics of its own domain.
        """
        return domain_features(job, split)


STRATEGY = AdaBN()
