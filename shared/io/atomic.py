"""Files that are written whole or not at all, and JSON that is read back."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import RunError


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
