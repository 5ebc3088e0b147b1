"""The protocol of a tracker, and what it is told of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a run; nothing in it but `folder` is sent anywhere.

    Attributes:
        name: Name of the run folder, by which a run that is resumed is found again.
        task: Name of the application.
        settings: Values of the configuration by full name of their keys, paths cut to their last part.
        folder: The run folder, for files of the tracker; it is on this machine, and its path is not recorded.
    """

    name: str
    task: str
    settings: Mapping[str, str]
    folder: Path


class Tracker(Protocol):
    """Records one run."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records values of one step, and makes them readable at once.

        Args:
            step: The step, from 1. It may come twice, with the same values, where a training resumed.
            values: Finite values by name, as "training/train_loss".
        """

    def close(self, *, finished: bool) -> None:
        """Ends the record.

        Args:
            finished: Whether the run is finished; False where it failed or was interrupted.
        """


class TrackerFile(Protocol):
    """What the file of a tracker holds."""

    def open_run(self, run: TrackedRun) -> Tracker:
        """Begins the record of a run, or goes on with it where the run resumes."""


class Untracked:
    """A tracker that records nothing."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Does nothing."""

    def close(self, *, finished: bool) -> None:
        """Does nothing."""
