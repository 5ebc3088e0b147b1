"""What a person hands to `predict`: character images, folders and archives of them, an image an item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from shared.errors import DataError
from shared.images import is_picture, read_picture
from shared.sources import is_zip, list_sources, read_source
from shared.task import Item


def items(paths: Sequence[Path]) -> Iterator[Item]:
    """The items of all paths; what cannot be read comes as a refused item.

    Raises:
        DataError: A path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise DataError(f"{path} does not exist")
    for path in paths:
        if path.is_dir() or is_zip(path):
            yield from _collection(path)
        else:
            yield _item(str(path))


def _collection(root: Path) -> Iterator[Item]:
    try:
        sources = [source for source in list_sources(root) if is_picture(source)]
    except DataError as error:
        sources = []
        yield Item(str(root), refusal=str(error))
    else:
        if not sources:
            yield Item(str(root), refusal="it holds no picture (.png, .jpg, .tif, .bmp)")
    yield from (_item(source) for source in sources)


def _item(source: str) -> Item:
    try:
        return Item(source, slices=[read_picture(read_source(source))])
    except DataError as error:
        return Item(source, refusal=str(error))
