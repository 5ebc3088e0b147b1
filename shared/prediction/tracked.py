"""Progress over the files of many inputs, while these are judged one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from shared.errors import DataError
from shared.io.archives import is_archive, is_side_file, list_sources
from shared.progress import Progress
from shared.task import Item

JUDGING = "judging, files"


def tracked(items: Iterable[Item], paths: Sequence[Path], progress: Progress) -> Iterator[Item]:
    """Hands on items one by one, and reports of how many files each was made when the next one is asked for.

    A series is one item of many files. What is passed over beside it is counted at the end.

    Args:
        items: What is read from the paths.
        paths: Files, folders and archives, which exist.
        progress: Called with (what, done, total, note); not at all where there is one file alone.

    Yields:
        The items, in their order.
    """
    total, done = count_files(paths), 0
    if total > 1:
        progress(JUDGING, 0, total, "")
    for item in items:
        yield item
        done = min(total, done + max(1, len({origin.source for origin in item.origins})))
        if 1 < total != done:
            progress(JUDGING, done, total, "")
    if total > 1:
        progress(JUDGING, total, total, "")


def count_files(paths: Sequence[Path]) -> int:
    """Counts the files at paths that may be images: those in folders and archives, by their names alone.

    Args:
        paths: Files, folders and archives; one that cannot be listed counts as one file.
    """
    return sum(len(_sources(path)) if path.is_dir() or is_archive(path) else 1 for path in paths)


def _sources(path: Path) -> list[str]:
    try:
        return [source for source in list_sources(path) if not is_side_file(source)]
    except DataError:
        return [str(path)]
