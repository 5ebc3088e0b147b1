"""The run folder: files are written whole, `done` is written last, and nothing is unpickled when it is read."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import RunError, UsageError
from shared.io.atomic import file_hash, read_json, write_json, write_text
from shared.runs.record import _check_format

DONE = "done"
TRAINING_DIGESTS = "training_digests.txt"
MODEL_FILES = ("model.json", "model.onnx", "model.safetensors", "features.npy")


def is_finished(run: Path) -> bool:
    """Whether a run is finished: its `done` exists."""
    return (run / DONE).is_file()


def check_finished(run: Path) -> None:
    """Checks that a run is finished and that its model files are unchanged since.

    Raises:
        UsageError: The folder is no run folder, or the run is unfinished.
        RunError: A model file is missing or was changed.
    """
    if not any((run / name).is_file() for name in ("config.yaml", DONE)):
        raise UsageError(f"{run} is not a run folder; `train` makes one")
    if not is_finished(run):
        raise UsageError(f"{run} is not finished; start its training again to resume it")
    hashes = read_json(run / DONE).get("files")
    if isinstance(hashes, dict) and set(hashes) != set(MODEL_FILES) and (run / "model.json").is_file():
        _check_format(run, read_json(run / "model.json"))  # of another version, which has other files
    if not isinstance(hashes, dict) or set(hashes) != set(MODEL_FILES):
        raise RunError(f"{run}/{DONE} does not name the files of the model; delete the folder and train again")
    for name, digest in hashes.items():
        if not (run / name).is_file() or file_hash(run / name) != digest:
            raise RunError(f"{run}/{name} is missing or was changed after training; delete the folder and train again")


def newest_run(root: Path, task: str) -> Path:
    """Finds the run of an application that was finished last.

    Raises:
        UsageError: There is no finished run under `root`.
    """
    finished = sorted(root.glob(f"*/{DONE}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for done in finished:
        if read_json(done).get("task") == task:
            return done.parent
    raise UsageError(f"no finished {task} run under {root}/; train one (`{task} train`) or name one with --model")


def finish(run: Path, task: str) -> None:
    """Writes `done` with the hashes of the model files, as the last step of a training."""
    write_json(run / DONE, {"task": task, "files": {name: file_hash(run / name) for name in MODEL_FILES}})


def write_training_digests(run: Path, digests: Iterable[str]) -> None:
    """Writes the digests of the images (by pixels) and groups (by pseudonyms) of training and validation."""
    write_text(run / TRAINING_DIGESTS, "".join(f"{digest}\n" for digest in sorted(set(digests))))


def read_training_digests(run: Path) -> frozenset[str]:
    """Reads the digests of the images and groups of training and validation.

    Raises:
        RunError: The file is missing or damaged.
    """
    try:
        return frozenset((run / TRAINING_DIGESTS).read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{run / TRAINING_DIGESTS} cannot be read ({type(error).__name__}); train again") from None


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Locks a run folder, so that no second process trains in it.

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
