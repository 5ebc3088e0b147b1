"""Blocks of DHCD's file numbers: the nearest thing to writers that its files tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath


def blocks(numbers: Sequence[int], classes: Sequence[str]) -> list[int]:
    """The block of each file, from 0 in the order of file numbers.

    DHCD numbers its files across all classes. Sorted by number, the classes come one after the other, each in one run,
    and then from the start again: the sheets were cut batch by batch. A block is a stretch of numbers within which no
    class comes back. The 92,000 images fall into 34 blocks of 39 to 11,879; who wrote them is recorded nowhere, but
    whoever wrote a sheet is in one block, but for a batch that was cut in the middle.

    Args:
        numbers: [N] file numbers.
        classes: [N] classes of the files.
    """
    order = sorted(range(len(numbers)), key=lambda i: (numbers[i], classes[i]))
    found, block, current, seen = [0] * len(numbers), 0, "", set[str]()
    for i in order:
        if classes[i] != current:
            current = classes[i]
            if current in seen:
                block, seen = block + 1, set()
            seen.add(current)
        found[i] = block
    return found


def file_number(path: str) -> int | None:
    """The number that is a file's whole name (`Train/character_1_ka/10962.png`), or None where it is none."""
    match = re.fullmatch(r"[0-9]{1,9}", PurePosixPath(path).stem)
    return int(match.group()) if match else None
