"""What the names of files and folders say: order, split, and the folder that wraps a collection."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable

from shared.errors import DataError

_SPLITS = {
    "train": "train training",
    "validation": "validation val valid dev",
    "test": "test testing",
}
_OF_A_SPLIT = re.compile(r"[\s_.-]*(?:set|data|dataset|images?|imgs?|pictures|folder)$")
"""What follows the word of a split in the names of folders: `train_set`, `Training Data`, `test-images`."""
_NEUTRAL = frozenset({"data", "dataset", "image", "images", "img", "imgs", "pictures"})
"""Folders that hold images and say nothing of them, as exports for YOLO and Keras have them."""
_SPLIT_NAMES = {spelling: name for name, spellings in _SPLITS.items() for spelling in spellings.split()}


def split_name(name: str) -> str | None:
    """Returns the split that a word such as `Training`, `val` or `test_set` means.

    Args:
        name: The word, in any case.

    Returns:
        "train", "validation" or "test"; None where the word means none.
    """
    word = name.strip().lower()
    return _SPLIT_NAMES.get(word) or _SPLIT_NAMES.get(_OF_A_SPLIT.sub("", word))


def parse_split(text: str) -> str | None:
    """Reads the split that a field of a table names.

    Args:
        text: The field, in any case.

    Returns:
        "train", "validation" or "test"; None where the field is empty.

    Raises:
        DataError: The field is a word that names no split.
    """
    if text and split_name(text) is None:
        raise DataError(f"the split is {text!r}; allowed are train, validation, test or nothing")
    return split_name(text)


def normal_path(path: str) -> str:
    """Writes a path of a table with slashes and without detours (`.`, `..`); an empty one stays empty."""
    return posixpath.normpath(path.replace("\\", "/")) if path else ""


def natural(path: str) -> tuple[tuple[int, int, str], ...]:
    """Makes a sort key for a path, by which `image 10` comes behind `image 9`.

    Returns:
        One tuple for each part of the path: (0, number, "") for digits, (1, 0, text) for other text.
    """
    parts = re.split(r"([0-9]+)", path)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)


def is_neutral(folder: str) -> bool:
    """Says whether a folder says nothing of the images in it: `images`, `data`, in any case."""
    return folder.strip().lower() in _NEUTRAL


def is_augmented(name: str, is_class: Callable[[str], bool] = lambda _: False) -> bool:
    """Says whether an image lies in a folder of augmented copies: `augmented data`, `yes_aug`, `Augmentation`.

    Args:
        name: File name with slashes.
        is_class: Whether a folder is that of a known class, which it then is, whatever it is called.
    """
    folders = (folder for folder in name.split("/")[:-1] if not is_class(folder))
    words = (word for folder in folders for word in re.split(r"[^a-z]+", folder.lower()))
    return any(word == "aug" or word.startswith("augment") for word in words)


def wrapping_folder(names: Iterable[str], is_class: Callable[[str], bool]) -> str:
    """Finds the folders, one in the other, that hold all files of a dataset that lie in folders.

    A folder that names a split or a known class wraps nothing, and neither does one that holds files alone.

    Args:
        names: File names with slashes.
        is_class: Whether a folder of that name is that of a known class.

    Returns:
        The folders' names, each with its slash (`archive/brain_tumor_dataset/`), or "" where there is none.
    """
    split_up, wrapping = [name.split("/") for name in names], ""
    while any(len(parts) > 2 for parts in split_up):
        tops = {parts[0] for parts in split_up if len(parts) > 1}
        top = tops.pop()
        if tops or split_name(top) is not None or is_class(top):
            break
        wrapping += f"{top}/"
        split_up = [parts[1:] for parts in split_up if len(parts) > 1]
    return wrapping


def names_below(names: Iterable[str], folder: str) -> list[str]:
    """Returns the names that begin with a folder, without it, in natural order.

    Args:
        names: File names with slashes.
        folder: The folder with its slash, or "" for all names.
    """
    return sorted((name.removeprefix(folder) for name in names if name.startswith(folder)), key=natural)


def left_out(count: int, what: str) -> tuple[str, ...]:
    """Writes the note on files that were left out.

    Args:
        count: Number of files that were left out.
        what: What the files are, as it reads after "files that are" ("no image").

    Returns:
        One sentence in a tuple; an empty tuple where `count` is 0.
    """
    return (f"{count} files that are {what} were left out.",) if count else ()
