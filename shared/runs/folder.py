"""The run folder: files are written whole, `done` is written last, and nothing is unpickled when it is read."""

from __future__ import annotations

import fcntl
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from shared.errors import RunError, UsageError
from shared.io.atomic import COPY_AGAIN, file_hash, read_json, write_json, write_text
from shared.runs.record import _check_format

DONE = "done"
RELEASED = "released.json"
"""The file that marks a released model: a run folder that comes with the package, into which nothing is written."""
TRAINING_DIGESTS, SEEN_IMAGES, SEEN_DIGESTS = "training_digests.txt", "seen_images.npy", "seen_digests.npy"
RECORDS = (TRAINING_DIGESTS, SEEN_IMAGES, SEEN_DIGESTS, "predictions.csv", "report.json")
"""Files that what was seen and what was measured is read from: half of one would be believed."""
EXPORTED = "model.onnx"
MODEL_FILES = ("model.json", EXPORTED, "model.safetensors", "features.npz")
ANSWERING = (*MODEL_FILES[:2], "features.npz", TRAINING_DIGESTS, SEEN_IMAGES, SEEN_DIGESTS, "report.json")
"""Files that are read to answer inputs; a released model may keep the weights of `model.onnx` in a further one."""


def is_finished(run: Path) -> bool:
    """Tells whether a run is finished: whether its folder holds the file `done`. False for a missing folder."""
    return (run / DONE).is_file()


def is_whole(run: Path) -> bool:
    """Tells whether a finished run has its exported network and report, which studies leave out without `--keep`.

    Args:
        run: The run folder.

    Raises:
        RunError: The file `done` is damaged.
    """
    return EXPORTED in read_json(run / DONE).get("files", ())


def require_whole(run: Path) -> None:
    """Checks that a finished run can answer inputs, and has a report.

    Args:
        run: The run folder.

    Raises:
        UsageError: It was made without them, as the runs of studies are.
    """
    if not is_whole(run):
        raise UsageError(
            f"{run} holds the numbers and weights of a run, without report and exported network; give --keep (in "
            f"Python keep=True) to the study that made it, or use `train {run}/config.yaml`"
        )


def is_released(run: Path) -> bool:
    """Tells whether a folder holds a released model, which comes with the package and is read-only."""
    return (run / RELEASED).is_file()


def check_finished(run: Path, read: Collection[str] | None = None) -> None:
    """Checks that a run is finished and that its model files are unchanged since; raises where they are not.

    Each file is hashed once by a process, and again only where it was written since.

    Args:
        run: The run folder.
        read: Names of the files that are going to be read, of which alone the content is checked; None: all that the
            run has. Of a released model all are.

    Raises:
        UsageError: The folder is no run folder, the run is unfinished, or it has no exported network and that is read.
        RunError: A model file is missing or was changed, or the run was written by another version.
    """
    if not any((run / name).is_file() for name in ("config.yaml", DONE)):
        raise UsageError(f"{run} is not a run folder; `train` makes one")
    if not is_finished(run):
        raise UsageError(
            f"{run} is not finished; start its training again to resume it, or copy it again if it is a copy"
        )
    done = read_json(run / DONE)
    hashes, records = done.get("files"), done.get("records")
    if not isinstance(hashes, dict) or {*hashes, EXPORTED} != {*MODEL_FILES} or not isinstance(records, dict):
        if isinstance(hashes, dict) and (run / "model.json").is_file():
            _check_format(run, read_json(run / "model.json"))  # of another version, which has other files
        raise RunError(f"{run}/{DONE} does not name the files of the model and its records; {COPY_AGAIN}")
    if read is not None and EXPORTED in read:
        require_whole(run)
    for name, digest in (hashes | records).items():
        if read is not None and name not in read and not is_released(run):
            continue
        if not (run / name).is_file() or _hash_of(run / name) != digest:
            if is_released(run):
                raise RunError(f"{run}/{name} is missing or was changed; install the package again")
            raise RunError(
                f"{run}/{name} is missing or was changed after training, as by a copy that broke off; copy it again "
                "from where it is whole, or train again"
            )


def _hash_of(path: Path) -> str:
    status = path.stat()
    return _hash_at(path.resolve(), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@lru_cache(maxsize=256)
def _hash_at(path: Path, *stamp: int) -> str:
    """The hash of a file at one time: opening a run, and each of its readers, check the same files."""
    return file_hash(path)


def finished_at(run: Path) -> datetime:
    """Reads the time, in UTC, at which the training of a run ended.

    Args:
        run: The folder of a finished run.

    Raises:
        RunError: The file `done` is missing or damaged.
    """
    try:
        return datetime.fromisoformat(str(read_json(run / DONE).get("finished"))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RunError(f"{run}/{DONE} does not say when the training ended; {COPY_AGAIN}") from None


def finish(
    run: Path, task: str, ended: datetime | None = None, *, more: Iterable[str] = (), whole: bool = True
) -> None:
    """Writes the file `done`, which marks a run as finished; it is the last step of a training.

    Args:
        run: The run folder; all model files are there already.
        task: Name of the application that trained the run. It is stored in `done` beside the time and the hashes of the
            model files; `shared.runs.listing.list_runs` finds the runs of an application by it.
        ended: When the training ended, where that was earlier: files of a finished run were written anew. None: now.
        more: Names of further files that must not change: all of a released model.
        whole: Whether the run has an exported network.
    """
    records = sorted({name for name in RECORDS if (run / name).is_file()} | {*more} - {*MODEL_FILES})
    files = [name for name in MODEL_FILES if whole or name != EXPORTED]
    hashes = {name: file_hash(run / name) for name in (*files, *records)}
    split = {"files": {name: hashes[name] for name in files}, "records": {name: hashes[name] for name in records}}
    when = (ended or datetime.now(UTC)).isoformat(timespec="seconds")
    write_json(run / DONE, {"task": task, "finished": when, **split})


def write_training_digests(run: Path, digests: Iterable[str]) -> None:
    """Writes the digests of a run's training and validation groups to `training_digests.txt`, sorted, one a line.

    Args:
        run: The run folder.
        digests: Digests of groups (of their pseudonyms); each is written once.
    """
    write_text(run / TRAINING_DIGESTS, "".join(f"{digest}\n" for digest in sorted(set(digests))))


def read_training_digests(run: Path) -> frozenset[str]:
    """Reads the digests that `write_training_digests` wrote.

    Args:
        run: The run folder.

    Returns:
        Digests of the groups (patients) of training and validation.

    Raises:
        RunError: The file is missing or damaged.
    """
    try:
        return frozenset((run / TRAINING_DIGESTS).read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{run / TRAINING_DIGESTS} cannot be read ({type(error).__name__}); {COPY_AGAIN}") from None


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Locks a run folder while the context is open, so that no second process trains in it.

    A missing folder is made. The context gives no value.

    Args:
        run: The run folder.

    Raises:
        RunError: Another process is training there.
    """
    run.mkdir(parents=True, exist_ok=True)
    with (run / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(f"{run} is being trained by another process") from None
        yield
