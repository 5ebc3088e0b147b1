"""Reads the inputs of `predict`: one named item for each picture of a character, or its refusal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from shared.io.picture_items import picture_item, picture_items
from shared.task import Item


def read_inputs(paths: Sequence[Path]) -> Iterator[Item]:
    """Reads pictures of characters (PNG, JPEG, TIFF, BMP, WebP), one at a time, also those in folders and zips.

    Args:
        paths: Pictures, folders and zips.

    Returns:
        An item for each picture. One that cannot be judged, and a folder without pictures, is an item with a refusal.

    Raises:
        UsageError: A path does not exist; nothing has been read then.
    """
    return picture_items(paths, character_item, "a picture of a character, a folder or a zip of them")


def character_item(name: str, data: bytes) -> Item:
    """Decodes the picture of a character into an item.

    Args:
        name: Name of the item.
        data: Bytes of a picture file.

    Returns:
        The item with the picture as its one slice; with a refusal instead where it is damaged, too small or blank.
    """
    return picture_item(name, data)
