"""Lists the runs of a folder: the finished ones of an application, and those that are unfinished or damaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.errors import MedtlError, RunError
from shared.io.atomic import COPY_AGAIN, read_json
from shared.runs.folder import DONE, is_finished
from shared.runs.provenance import Provenance
from shared.runs.record import ModelRecord, read_model_record


@dataclass(frozen=True)
class FinishedRun:
    """One finished run. Its model files were not checked: `shared.runs.folder.check_finished` does that.

    Attributes:
        folder: The run folder.
        record: Its model record.
        provenance: When and on what it was trained.
    """

    folder: Path
    record: ModelRecord
    provenance: Provenance


@dataclass(frozen=True)
class FaultyRun:
    """A run that cannot answer.

    Attributes:
        folder: The run folder.
        reason: What is wrong and what to do, in one line that names the folder.
        unfinished: Whether its training has not ended; else a file of it is damaged or of another version.
    """

    folder: Path
    reason: str
    unfinished: bool = False


@dataclass(frozen=True)
class Runs:
    """The runs directly under a folder; those of experiments lie deeper and are none of them.

    Attributes:
        finished: Finished runs of the application, the one that ended last first.
        faulty: Unfinished and damaged ones, by name; of which application they are is not always known.
    """

    finished: tuple[FinishedRun, ...]
    faulty: tuple[FaultyRun, ...]


def list_runs(root: Path, task: str) -> Runs:
    """Lists the runs of an application directly under a folder.

    A damaged run is listed as such and keeps nobody from the others.

    Args:
        root: Folder of runs; it need not exist.
        task: Name of the application.

    Returns:
        The runs; both lists may be empty.
    """
    finished, faulty = list[FinishedRun](), list[FaultyRun]()
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        try:
            run = _read(folder, task)
        except MedtlError as error:
            faulty.append(FaultyRun(folder, str(error)))
            continue
        if isinstance(run, FaultyRun):
            faulty.append(run)
        elif run is not None:
            finished.append(run)
    finished.sort(key=lambda run: run.provenance.finished, reverse=True)
    return Runs(tuple(finished), tuple(faulty))


def read_run(folder: Path) -> FinishedRun:
    """Reads the records of a finished run, of any application.

    Args:
        folder: The run folder.

    Raises:
        RunError: A record is missing, damaged or of another version.
    """
    record = read_model_record(folder)
    return FinishedRun(folder, record, Provenance.of(folder, record))


def _read(folder: Path, task: str) -> FinishedRun | FaultyRun | None:
    """A run of the application, or what is wrong with it; None for another application's run, and for what is no run.

    Raises:
        RunError: A record is damaged.
    """
    if not is_finished(folder):
        unfinished = f"{folder} is not finished: it is being trained, or the same `train` command resumes it"
        return FaultyRun(folder, unfinished, unfinished=True) if (folder / "config.yaml").is_file() else None
    done = read_json(folder / DONE)
    if not isinstance(done.get("task"), str):
        raise RunError(f"{folder}/{DONE} does not name the run's application; {COPY_AGAIN}")
    return read_run(folder) if done["task"] == task else None
