"""Finds the pictures that `predict` is given: single files, and those in folders and zips, each as one item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from shared.errors import DataError
from shared.io.archives import is_archive, is_side_file, list_all, nothing_to_judge, read_source, require_paths
from shared.io.kinds import identify
from shared.io.pictures import is_picture, is_picture_data, is_synthetic_picture, read_picture
from shared.task import Item, Origin

Decode = Callable[[str, bytes], Item]
"""Takes the name of a picture and its bytes; gives the item, with a refusal where it cannot be judged."""

MIN_SIDE = 8
"""Smallest number of rows and of columns of a picture that is judged."""


def picture_item(name: str, data: bytes) -> Item:
    """Decodes a picture, on white where it is transparent, into an item.

    Args:
        name: Name of the item.
        data: Bytes of a picture file.

    Returns:
        The item with the picture as its one slice; with a refusal instead where it is damaged, too small or blank.
    """
    try:
        pixels = read_picture(data, ground="white")
    except DataError as error:
        return Item(name, refusal=str(error))
    rows, columns = pixels.shape[:2]
    if min(rows, columns) < MIN_SIDE:
        return Item(name, refusal=f"has {rows} x {columns} pixels; at least {MIN_SIDE} x {MIN_SIDE} are needed")
    if not np.isfinite(pixels).all():
        return Item(name, refusal="has pixel values that are not finite")
    if pixels.min() == pixels.max():
        return Item(name, refusal="is blank: all pixels have the same value")
    return Item(name, slices=(pixels,), synthetic=is_synthetic_picture(data))


def picture_items(paths: Sequence[Path], decode: Decode, advice: str) -> Iterator[Item]:
    """Reads pictures, one at a time, also those in folders and zips.

    Args:
        paths: Pictures, folders and zips.
        decode: Makes the item of a picture.
        advice: What may be given, for the message where a path does not exist.

    Returns:
        An item for each picture. One that cannot be judged, and a folder without pictures, is an item with a refusal.

    Raises:
        UsageError: A path does not exist; nothing has been read then.
    """
    require_paths(paths, advice)
    return (item for path in paths for item in _items(path, decode))


def _items(path: Path, decode: Decode) -> Iterator[Item]:
    if not path.is_dir() and not is_archive(path):
        yield _single(decode, str(path))
        return
    try:
        listed = list_all(path)
    except DataError as error:
        yield Item(str(path), refusal=str(error))
        return
    kept = [source for source in listed.sources if not is_side_file(source) and not _is_clutter(source)]
    if not kept and not listed.unread:
        yield Item(str(path), refusal=nothing_to_judge(len(listed.sources)))
    yield from map(partial(_single, decode), kept)
    yield from (Item(source, refusal=reason) for source, reason in listed.unread)


def _is_clutter(source: str) -> bool:
    """Whether a file beside pictures is a program, a text or the like; one with the name of a picture is no clutter."""
    if is_picture(source):
        return False
    try:
        data = read_source(source)
    except DataError:
        return False  # it is refused with its reason
    kind = None if is_picture_data(data) else identify(data)
    return kind is not None and kind.group == "clutter"


def _single(decode: Decode, source: str) -> Item:
    try:
        item = decode(source, read_source(source))
    except DataError as error:
        return Item(source, refusal=str(error))
    return replace(item, origins=(Origin(source),), series={"format": "picture"})
