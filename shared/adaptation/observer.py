"""Observers of a training: what it may see of a target, and what is recorded to evaluate adaptation later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from shared.adaptation.cost import is_cheap
from shared.adaptation.criteria import Run, oracle_note
from shared.adaptation.reverse_validation import REVERSE, reverse_validation
from shared.adaptation.target import EpochRecorder, with_target, write_truth
from shared.config.schema import TargetSection
from shared.data.split import Split
from shared.io.atomic import write_json
from shared.models.network import Network
from shared.strategies.base import Strategy
from shared.training.job import Job, Target


class Observer(Protocol):
    """Decides what a training may see, and records it from the splits to the end."""

    @property
    def splits(self) -> Mapping[str, Split]:
        """The splits train, validation and test that the training gets."""

    @property
    def target(self) -> Target | None:
        """The unlabelled target images that the training may see; None: no adaptation."""

    @property
    def on_epoch_end(self) -> Callable[[Job, int], None]:
        """Called with the job and the number of the epoch, from 0, after each epoch."""

    def end(
        self, job: Job, options: Any, history: Sequence[Mapping[str, Any]], fresh: Callable[[], Network]
    ) -> tuple[str, ...]:
        """Ends the observation, once training is over, and returns notes for the report.

        Args:
            job: The training that has ended.
            options: The options of its strategy.
            history: The rows of its history.
            fresh: Builds the network with the weights from which the training started.

        Returns:
            Sentences for the report.
        """


class NoTarget:
    """The observer of a training without a target: it gives all splits and records nothing.

    Args:
        splits: The splits by name.
    """

    def __init__(self, splits: Mapping[str, Split]) -> None:
        self.splits: Mapping[str, Split] = splits
        self.target: Target | None = None
        self.on_epoch_end: Callable[[Job, int], None] = lambda *_: None

    def end(self, job: Job, options: Any, history: Sequence[Mapping[str, Any]], fresh: Any) -> tuple[str, ...]:
        """Returns no notes; nothing was recorded."""
        return ()


class TargetObserver:
    """The observer of a training with a target: it records class scores after each epoch, and the labels at the end.

    Args:
        section: The target domain, and how its labels may be used.
        strategy: The strategy, which gives the features of the network.
        splits: The splits by name, with all domains in each.

    Raises:
        DataError: The target or the source has no image in training or validation.
    """

    def __init__(self, section: TargetSection, strategy: Strategy, splits: Mapping[str, Split]) -> None:
        self.section, self.strategy, self._all_domains = section, strategy, splits
        used = section.labels == "used"
        self.splits: Mapping[str, Split]
        self.target: Target | None
        self.splits, self.target = with_target(splits, section.domain, labels=used)
        recorded = {**self.splits, "validation": self.splits["validation"].judged()}
        if self.target is not None:
            recorded["target"] = self.target.validation
        self.on_epoch_end: Callable[[Job, int], None] = EpochRecorder(strategy, recorded)

    def end(
        self, job: Job, options: Any, history: Sequence[Mapping[str, Any]], fresh: Callable[[], Network]
    ) -> tuple[str, ...]:
        """Writes the labels that scoring the epochs needs into the run folder, and returns notes for the report.

        Where the configuration asks for reverse validation, that is done and written first.

        Args:
            job: The training that has ended.
            options: The options of its strategy.
            history: The rows of its history.
            fresh: Builds the network with the weights from which the training started.

        Returns:
            One sentence that compares the kept epoch with the oracle's. Empty where the target's labels are absent or
            were trained on, or where no epoch was trained.
        """
        wanted = self.section.reverse_validation
        if wanted is True or (wanted == "where_cheap" and is_cheap(job, options)):
            write_json(job.folder / REVERSE, reverse_validation(job, self.strategy, options, fresh()))
        target_validation = with_target(self._all_domains, self.section.domain, labels=True)[0]["validation"]
        labelled = {
            "validation": self.splits["validation"].judged(),
            "target": target_validation.judged(),
            "test": self.splits["test"],
        }
        write_truth(job, self.strategy, labelled)
        run = Run(job.folder.name, job.folder, tuple(dict(row) for row in history if "phase" in row))
        if job.target is None or not run.history or self.section.labels == "absent":
            return ()
        return (oracle_note(run, options.selection, self.section.domain),)


def observer_of(target: TargetSection | None, strategy: Strategy, splits: Mapping[str, Split]) -> Observer:
    """Makes the observer of a training: a `TargetObserver`, or `NoTarget` where `target` is None.

    Args:
        target: The section `data.target` of the configuration; None: there is no target.
        strategy: The strategy, which gives the features of the network.
        splits: The splits train, validation and test by name, with all domains in each.

    Raises:
        DataError: The target or the source has no image in training or validation.
    """
    return NoTarget(splits) if target is None else TargetObserver(target, strategy, splits)
