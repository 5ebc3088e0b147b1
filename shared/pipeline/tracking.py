"""What a tracker is shown of one run: its settings, the rows of its history, its measures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from shared.config.describe import without_folders
from shared.config.schema import Config
from shared.io.atomic import read_json
from shared.pipeline.preflight import Experiment
from shared.samples import SPLITS
from shared.tracking import open_tracker
from shared.tracking.base import TrackedRun, Tracker, Untracked

PLACES = ("phase", "epoch")
"""Numbers of a row that say where it stands, and measure nothing."""


class Tracked:
    """Shows one run to a tracker.

    Args:
        tracker: The tracker.
        folder: The run folder.
    """

    def __init__(self, tracker: Tracker, folder: Path) -> None:
        self._tracker, self._folder = tracker, folder

    def epoch(self, number: int, row: Mapping[str, Any]) -> None:
        """Shows the row of an epoch under `training/`.

        Args:
            number: Number of the epoch, from 1, over all phases.
            row: Its row of the history.
        """
        self._log("training", number, {key: value for key, value in row.items() if key not in PLACES})

    def end(self, history: Sequence[Mapping[str, Any]], *, by_folds: bool) -> None:
        """Shows what is left once the run is finished: candidates under `candidates/`, then the measures by split.

        Args:
            history: All rows of `metrics.jsonl`.
            by_folds: Whether folds chose, so that no epoch was shown yet.
        """
        epochs = [row for row in history if "phase" in row]
        for number, row in enumerate(epochs if by_folds else (), start=1):
            self.epoch(number, row)
        for number, row in enumerate((row for row in history if "phase" not in row), start=1):
            self._log("candidates", number, row)
        report = read_json(self._folder / "report.json")
        for split in SPLITS[1:]:
            measures = report.get(split, {})
            values = {key: one.get("value") if isinstance(one, dict) else one for key, one in measures.items()}
            self._log(split, max(1, len(epochs)), values)

    def _log(self, kind: str, step: int, row: Mapping[str, Any]) -> None:
        """Hands on the numbers of a row that are finite."""
        numbers = {
            f"{kind}/{key}": float(value)
            for key, value in row.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        }
        if numbers:
            self._tracker.log(step, numbers)


UNTRACKED = Tracked(Untracked(), Path())
"""Shows nothing to anybody."""


@contextmanager
def tracking(experiment: Experiment, folder: Path) -> Iterator[Tracked]:
    """Shows what happens in a `with` block to the tracker of a configuration.

    Args:
        experiment: The checked configuration.
        folder: The run folder.

    Yields:
        What the rows are handed to.

    Raises:
        RunError: The tracker that was asked for cannot be reached or written.
    """
    config = experiment.config
    run = TrackedRun(folder.resolve().name, experiment.task.name, settings(config), folder)
    tracker, finished = open_tracker(config.track, run), False
    try:
        yield Tracked(tracker, folder)
        finished = True
    finally:
        tracker.close(finished=finished)


def settings(config: Config) -> dict[str, str]:
    """Lists the settings of a configuration as texts, by the full name of the key; paths are cut to their last part.

    Below a section and a key, as in `data.collections`, names are the user's own, and stand in one text in YAML.

    Args:
        config: The configuration.
    """
    found: dict[str, str] = {}
    for key, value in without_folders(config).model_dump(mode="json").items():
        if isinstance(value, dict):
            found |= {f"{key}.{name}": _text(inner) for name, inner in value.items()}
        else:
            found[key] = _text(value)
    return found


def _text(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, str):
        return value
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf).removesuffix("...\n").strip()
    )
