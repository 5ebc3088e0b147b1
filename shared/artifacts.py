"""The run folder: written atomically, finished by `done`, read back without unpickling anything."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.aggregation import Aggregation
from shared.errors import RunError, UsageError
from shared.task import Preprocessing

DONE = "done"
SEEN = "seen.txt"
MODEL_FILES = ("model.json", "model.onnx", "model.safetensors", "codes.npy")
FORMAT = 5
"""Version of the run folder. A reader refuses another one."""


@dataclass(frozen=True)
class ModelRecord:
    """`model.json`: all that prediction needs beside the network itself.

    Attributes:
        task: Name of the application that trained it.
        classes: In the order of the network's outputs.
        positive: For each class, whether it is the event that must not be missed.
        preprocessing: What turns raw pixels into the network's input.
        threshold: Positive probability from which an input is called positive; without a positive class, probability of
            the likeliest class from which an answer is accepted.
        operating_point: How the threshold was chosen and what was missed on validation; None without a positive class.
        rejection: How the threshold was chosen and what was wrong above it on validation; None with a positive class.
        aggregation: How the slices of a series become one probability.
        certified_sensitivity: What validation certifies at this threshold; None where nothing was certified.
        certified_error: The same of the error among accepted answers, without a positive class.
        ood: The `threshold` of the out-of-distribution score above which nothing is assessed, the `rate` at which
            inputs like those of validation exceed it, and of how many independent `units` it was taken.
        temperature: Already inside `model.onnx`; recorded for the reader.
        backbone: Its record's name, layers, pooling and where its weights came from.
        domains: Names of the domains it was trained on.
        synthetic: Whether it was trained on synthetic images.
        data_hash: SHA-256 over the content of the data.
        weights_hash: SHA-256 of `model.safetensors`.
        further: The answers of each further task, in the order of the output of `model.onnx` that is named after it
            (`further_plane`).
        format: Version of the run folder.
    """

    task: str
    classes: tuple[str, ...]
    positive: tuple[bool, ...]
    preprocessing: Preprocessing
    threshold: float
    operating_point: Mapping[str, Any] | None
    rejection: Mapping[str, Any] | None
    aggregation: Aggregation
    certified_sensitivity: float | None
    certified_error: float | None
    ood: Mapping[str, Any]
    temperature: float
    backbone: Mapping[str, Any]
    domains: tuple[str, ...]
    synthetic: bool
    data_hash: str
    weights_hash: str
    further: Mapping[str, Sequence[str]] = field(default_factory=dict)
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """Plain data for `model.json`."""
        return asdict(self)


def read_model_record(run: Path) -> ModelRecord:
    """Reads `model.json` of a run.

    Raises:
        RunError: It is missing, damaged, or of another format.
    """
    tree = read_json(run / "model.json")
    _check_format(run, tree)
    try:
        spec = Preprocessing(**tree.pop("preprocessing"))
        pooled = tree.pop("aggregation")
        aggregation = Aggregation(tuple(pooled["pools"]), tuple(pooled["weights"]), float(pooled["bias"]))
        lists: dict[str, Any] = {key: tuple(tree.pop(key)) for key in ("classes", "positive", "domains")}
        return ModelRecord(preprocessing=spec, aggregation=aggregation, **lists, **tree)
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{run}/model.json does not have the fields of a model record ({error})") from None


def _check_format(run: Path, tree: Mapping[str, Any]) -> None:
    if tree.get("format") != FORMAT:
        raise RunError(
            f"{run}/model.json has format {tree.get('format')!r}; this version reads {FORMAT}: train again, or update "
            "where the format is a later one"
        )


def is_finished(run: Path) -> bool:
    """Whether a run was finished (its `done` exists)."""
    return (run / DONE).is_file()


def check_finished(run: Path) -> None:
    """Checks that a run is whole and that its model files are those that were finished.

    Raises:
        UsageError: No such folder, or an unfinished run.
        RunError: A file that was changed since.
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
    """The finished run of an application that finished last.

    Raises:
        UsageError: There is none under `root`.
    """
    finished = sorted(root.glob(f"*/{DONE}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for done in finished:
        if read_json(done).get("task") == task:
            return done.parent
    raise UsageError(f"no finished {task} run under {root}/; train one (`{task} train`) or name one with --model")


def finish(run: Path, task: str) -> None:
    """Writes `done`, with the hashes of the model files: the last act of a training."""
    write_json(run / DONE, {"task": task, "files": {name: file_hash(run / name) for name in MODEL_FILES}})


def write_seen(run: Path, marks: Iterable[str]) -> None:
    """Writes what training and validation saw: images by the digests of their pixels, groups by their pseudonyms."""
    write_text(run / SEEN, "".join(f"{mark}\n" for mark in sorted(set(marks))))


def read_seen(run: Path) -> frozenset[str]:
    """The marks that `write_seen` wrote.

    Raises:
        RunError: The file is missing.
    """
    try:
        return frozenset((run / SEEN).read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{run / SEEN} cannot be read ({type(error).__name__}); train again") from None


@contextmanager
def claimed(run: Path) -> Iterator[None]:
    """Holds a run folder against a second process that would train in it.

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


def write_text(path: Path, text: str) -> None:
    """Writes a text file, UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Writes an array as NumPy does, whole or not at all; nothing in it can hold code."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    write_bytes(path, stream.getvalue())


def write_json(path: Path, tree: Any) -> None:
    """Writes JSON whole or not at all; NaN and infinity are refused, as JSON has no word for them."""
    write_text(path, json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        RunError: The file is missing or holds no JSON object.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({type(error).__name__})") from None
    if not isinstance(tree, dict):
        raise RunError(f"{path} does not hold a JSON object")
    return tree


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
