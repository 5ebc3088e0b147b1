"""Finds blocks of DHCD's file numbers, which stand for its unrecorded writers when a split is drawn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath


def blocks(numbers: Sequence[int], classes: Sequence[str]) -> list[int]:
    """Assigns each file to a block, numbered from 0 in the order of file numbers.

    DHCD numbers its files across all classes. Sorted by number, the classes follow one another, each in one run, and
    then start again, because the sheets were cut batch by batch. A block is a range of numbers in which no class
    returns. The 92,000 images fall into 34 blocks of 39 to 11,879. The writers are not recorded, but one sheet lies in
    one block, unless its batch was cut in the middle.

    Args:
        numbers: [N] file numbers.
        classes: [N] classes of the files.

    Returns:
        [N] block of each file.
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
    """Parses the number that is a file's whole name: 10962 for `Train/character_1_ka/10962.png`.

    Args:
        path: Path of the file; folders and suffix do not count.

    Returns:
        The number; None where the name is not 1 to 9 digits.
    """
    match = re.fullmatch(r"[0-9]{1,9}", PurePosixPath(path).stem)
    return int(match.group()) if match else None
