"""Around a training that adapts to a target: what it may see, and what is recorded to judge it later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

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
    """Stands beside a training from its splits to its end."""

    @property
    def splits(self) -> Mapping[str, Split]:
        """What the training learns from, chooses by and is tested on."""

    @property
    def target(self) -> Target | None:
        """What the training may see of a target without labels."""

    @property
    def on_epoch_end(self) -> Callable[[Job, int], None]:
        """Called with the job and the number of the epoch, from 0, after each."""

    def end(
        self, job: Job, options: Any, history: Sequence[Mapping[str, Any]], fresh: Callable[[], Network]
    ) -> tuple[str, ...]:
        """Is called when training is over.

        Args:
            job: The training that has ended.
            options: The options of its strategy.
            history: Its rows, one an epoch.
            fresh: Builds the network that it began with.

        Returns:
            Sentences for the report.
        """


class NoTarget:
    """A training without a target is not observed."""

    def __init__(self, splits: Mapping[str, Split]) -> None:
        self.splits: Mapping[str, Split] = splits
        self.target: Target | None = None
        self.on_epoch_end: Callable[[Job, int], None] = lambda *_: None

    def end(self, job: Job, options: Any, history: Sequence[Mapping[str, Any]], fresh: Any) -> tuple[str, ...]:
        """Has nothing to say."""
        return ()


class TargetObserver:
    """Writes down what the network of a run with a target says after each epoch, and at the end the truth.

    Args:
        section: The target, and what its labels are for.
        strategy: By which the network judges.
        splits: By split, all domains in each.

    Raises:
        DataError: The target, or all else, has nothing in training or validation.
    """

    def __init__(self, section: TargetSection, strategy: Strategy, splits: Mapping[str, Split]) -> None:
        self.section, self.strategy, self._whole = section, strategy, splits
        used = section.labels == "used"
        self.splits: Mapping[str, Split]
        self.target: Target | None
        self.splits, self.target = with_target(splits, section.domain, labels=used)
        watched = self.splits if self.target is None else {**self.splits, "target": self.target.validation}
        self.on_epoch_end: Callable[[Job, int], None] = EpochRecorder(strategy, watched)

    def end(
        self, job: Job, options: Any, history: Sequence[Mapping[str, Any]], fresh: Callable[[], Network]
    ) -> tuple[str, ...]:
        """Writes what is needed to judge each epoch, and says what the target's labels would have chosen."""
        if self.section.reverse_validation:
            write_json(job.folder / REVERSE, reverse_validation(job, self.strategy, options, fresh()))
        of_target = with_target(self._whole, self.section.domain, labels=True)[0]["validation"]
        truth = {"validation": self.splits["validation"], "target": of_target, "test": self.splits["test"]}
        write_truth(job, self.strategy, truth)
        ended = Run(job.folder.name, job.folder, tuple(dict(row) for row in history if "phase" in row))
        if job.target is None or not ended.history or self.section.labels == "absent":
            return ()
        return (oracle_note(ended, options.selection, self.section.domain),)


def observer_of(target: TargetSection | None, strategy: Strategy, splits: Mapping[str, Split]) -> Observer:
    """The observer of a training, with a target or without one."""
    return NoTarget(splits) if target is None else TargetObserver(target, strategy, splits)
