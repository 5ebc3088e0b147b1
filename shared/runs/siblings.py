"""Counts the models among which a run was chosen: picking one of several runs is a choice on their validation too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shared.errors import MedtlError
from shared.io.atomic import read_json
from shared.runs.certificate import restated
from shared.runs.folder import DONE
from shared.runs.listing import FinishedRun


@dataclass(frozen=True)
class _Choices:
    """The choices that one run states.

    Attributes:
        key: Application and hash of the data; runs with another key were chosen on other validation images.
        weights_hash: Hash of the weights; a copy of a run has the same.
        count: Number of models among which the run's own certificate counts a choice, at least 1.
    """

    key: tuple[str, str]
    weights_hash: str
    count: int


def models_chosen_among(run: Path, root: Path) -> int:
    """Counts the models among which a run was chosen on its data: those of its certificate, and those of its siblings.

    Siblings are the finished runs of the same application on the same data in the folder that the run lies in, and
    directly under `root`. Copies of one run count once. Only two small files of each run are read, whatever their
    format; a sibling that cannot be read is left out, for nothing then says that it is one.

    Args:
        run: The folder of a finished run.
        root: Folder of runs; it need not exist.

    Returns:
        The number of models, at least that of the run's own certificate; 1 where its record cannot be read.
    """
    own = _read(run)
    if own is None:
        return 1
    counts = {own.weights_hash: own.count}
    for folder in {run.resolve().parent, root.resolve()}:
        for done in folder.glob(f"*/{DONE}") if folder.is_dir() else ():
            other = _read(done.parent)
            if other is not None and other.key == own.key:
                counts[other.weights_hash] = max(other.count, counts.get(other.weights_hash, 1))
    return sum(counts.values())


def restated_among_siblings(runs: Sequence[FinishedRun], root: Path) -> list[FinishedRun]:
    """Restates the certificates of runs that are listed to pick one of them: each counts with its siblings.

    Args:
        runs: Finished runs of one application.
        root: Folder of runs, as in `models_chosen_among`.

    Returns:
        The runs, in the same order.
    """
    counts: dict[tuple[Path, str], int] = {}  # equal for all runs on the same data in one folder
    found = []
    for run in runs:
        key = (run.folder.resolve().parent, run.record.data_hash)
        if key not in counts:
            counts[key] = models_chosen_among(run.folder, root)
        found.append(replace(run, record=restated(run.record, counts[key])))
    return found


def _read(run: Path) -> _Choices | None:
    """The choices of a run; None where it cannot be read."""
    try:
        task, record = read_json(run / DONE).get("task"), read_json(run / "model.json")
        rule: dict[str, Any] = record.get("operating_point") or record.get("rejection") or {}
        count = rule.get("choices", 1)
        stated = str(record["data_hash"]), str(record["weights_hash"])
    except (MedtlError, OSError, AttributeError, KeyError):
        return None
    return _Choices((str(task), stated[0]), stated[1], count if isinstance(count, int) and count > 0 else 1)
