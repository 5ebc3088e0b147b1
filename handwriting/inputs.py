"""What a person hands to `predict`, brought into one form: a named item for each character image, or its refusal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from shared.errors import DataError
from shared.images import read_picture
from shared.sources import is_zip, list_sources, read_source
from shared.task import Item

SIDE_FILES = {".csv", ".txt", ".json", ".md", ".html", ".xml", ".pdf", ".yaml", ".yml", ".log"}
"""What commonly lies beside images and is never one; passed over in folders, refused when it is asked for by name."""
MIN_SIDE = 8
"""Rows and columns of the smallest picture that is judged; the smallest in use for characters are of 16."""


def items(paths: Sequence[Path]) -> Iterator[Item]:
    """Everything that was asked for, one picture (PNG, JPEG, TIFF, BMP) an item, those in folders and zips too.

    Raises:
        DataError: A path does not exist; nothing has been read then.
    """
    for path in paths:
        if not path.exists():
            raise DataError(f"{path} does not exist; give a picture of a character, a folder or a zip of them")
    return (item for path in paths for item in _items(path))


def _items(path: Path) -> Iterator[Item]:
    if not path.is_dir() and not _is_archive(path):
        yield _single(str(path))
        return
    try:
        sources = list_sources(path)
    except (DataError, OSError) as error:
        reason = str(error) if isinstance(error, DataError) else f"cannot be listed ({type(error).__name__})"
        yield Item(str(path), refusal=reason)
        return
    kept = [source for source in sources if PurePosixPath(source).suffix.lower() not in SIDE_FILES]
    if not kept:
        others = f" ({len(sources)} other files)" if sources else ""
        yield Item(str(path), refusal=f"contains nothing that can be judged{others}")
    yield from map(_single, kept)


def _is_archive(path: Path) -> bool:
    """A picture may end in a zip, but does not start like one."""
    try:
        with path.open("rb") as stream:
            return stream.read(2) == b"PK" and is_zip(path)
    except OSError:
        return False


def _single(source: str) -> Item:
    try:
        pixels = read_picture(read_source(source))
    except DataError as error:
        return Item(source, refusal=str(error))
    rows, columns = pixels.shape[:2]
    if min(rows, columns) < MIN_SIDE:
        return Item(source, refusal=f"has {rows} x {columns} pixels; at least {MIN_SIDE} x {MIN_SIDE} are needed")
    if pixels.min() == pixels.max():
        return Item(source, refusal="is blank: all pixels have the same value")
    return Item(source, slices=(pixels,))
