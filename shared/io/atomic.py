"""Writes files and folders whole or not at all, and reads JSON back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import MedtlError, RunError, UsageError, machine_fault

COPY_AGAIN = "copy it again from where it is whole, or make it anew"
"""What to do where a file of a run is missing or cut off."""


def write_text(path: Path, text: str) -> None:
    """Writes a text file, UTF-8, whole or not at all; missing folders are made, and an existing file is replaced."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all; missing folders are made, and an existing file is replaced."""
    with writing(path) as partial:
        partial.write_bytes(data)


@contextmanager
def writing(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Gives a `with` block a file to write, which becomes `path` when the block ends; where it fails, nothing is left.

    Args:
        path: The file; missing folders are made, and an existing file is replaced.
        private: Whether the user alone can read it, from its first byte on.

    Yields:
        The temporary file to write, in the same folder; it exists, and is empty. The file gets the mode of any new one,
        where it is not private.

    Raises:
        OSError: The system refused to write, whatever a library made of it; the error names `path`.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with naming_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.touch(0o600 if private else 0o666)
            mode = partial.stat().st_mode  # as the umask has it
            yield partial
            partial.chmod(mode)  # safetensors lets nobody but the owner read
            partial.replace(path)
        finally:
            with suppress(OSError):  # on a disk that is full or read-only there may be nothing to delete
                partial.unlink(missing_ok=True)


@contextmanager
def naming_faults(path: Path) -> Iterator[None]:
    """Makes refusals of the system in a `with` block name the file or folder that is written.

    The system names no file where a disk is full, and torch and safetensors raise errors of their own then.

    Raises:
        OSError: The system refused to write; the error names `path`.
    """
    try:
        yield
    except MedtlError:
        raise
    except Exception as error:
        number = machine_fault(error)
        if number is None and isinstance(error, OSError):
            number = error.errno
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from None


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Writes an array as a `.npy` file whole or not at all; an existing one is replaced.

    Args:
        path: The file; missing folders are made.
        array: The array; one of objects, which could hold code, raises ValueError.
    """
    with writing(path) as partial, partial.open("wb") as stream:
        # by `write`, whose fault says that a disk is full: a file NumPy writes itself, and its own fault does not
        np.save(SimpleNamespace(write=stream.write), array, allow_pickle=False)


def write_json(path: Path, tree: Any) -> None:
    """Writes a JSON file whole or not at all; an existing one is replaced.

    Args:
        path: The file; missing folders are made.
        tree: Plain data; NaN and infinity, which JSON does not have, raise ValueError.
    """
    write_text(path, json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Gives a `with` block a folder to write into, which becomes `path` when the block ends.

    Where the block fails, the folder is deleted.

    Args:
        path: A folder that does not exist or is empty.

    Yields:
        The temporary folder to write into, next to `path`.

    Raises:
        UsageError: `path` is a file or holds something.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} exists and is not an empty folder; give a new one")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with naming_faults(path):
        partial.mkdir(parents=True)
        try:
            yield partial
            if path.exists():
                path.rmdir()
            partial.replace(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        RunError: The file is missing or holds no JSON object.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(
            f"{path} cannot be read: it is missing or cut off ({type(error).__name__}); {COPY_AGAIN}"
        ) from None
    if not isinstance(tree, dict):
        raise RunError(f"{path} does not hold a JSON object; {COPY_AGAIN}")
    return tree


def file_hash(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes, 64 hexadecimal digits in lower case."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
