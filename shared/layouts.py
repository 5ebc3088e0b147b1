"""How image collections are laid out on disk, whatever they show: a folder for each class, or a table that lists files.

Names only: nothing here opens an image or knows a class. The application says which names are classes to it.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from shared.errors import DataError

_SPLITS = {
    "train": "train training",
    "validation": "validation val valid dev",
    "test": "test testing",
}
_SPLIT_NAMES = {spelling: name for name, spellings in _SPLITS.items() for spelling in spellings.split()}


@dataclass(frozen=True)
class Placed:
    """A file below the folder of its class.

    Attributes:
        path: Its name below the wrapping folder, if there is one.
        split: What the folder above the class says ("train", "validation", "test"), or None.
        folders: The folders from the class down to the file; at least one.
        place: Where it lies, for messages, without its own name, which may be a patient's.
    """

    path: str
    split: str | None
    folders: tuple[str, ...]
    place: str


def split_name(name: str) -> str | None:
    """The split that a word such as `Training` or `val` means, or None."""
    return _SPLIT_NAMES.get(name.strip().lower())


def natural(path: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts `image 10` behind `image 9`."""
    parts = re.split(r"([0-9]+)", path)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)


def wrapping_folder(names: Iterable[str], is_class: Callable[[str], bool]) -> str:
    """The one folder above everything, with its slash (`brain_tumor_dataset/`); empty where the classes are on top."""
    split_up = [name.split("/") for name in names]
    tops = {parts[0] for parts in split_up if len(parts) > 1}
    if len(tops) != 1 or not any(len(parts) > 2 for parts in split_up):
        return ""
    top = tops.pop()
    return "" if split_name(top) is not None or is_class(top) else f"{top}/"


def class_folders(names: Sequence[str], folder: str) -> list[Placed]:
    """Files in a folder for each class, with or without folders such as Training and Testing above the classes.

    Args:
        names: File names below the source, with slashes.
        folder: What `wrapping_folder` found; files outside of it, and files in no class, are left out.

    Returns:
        In natural order of their names.
    """
    found, numbers = [], Counter[str]()
    for name in sorted((name.removeprefix(folder) for name in names if name.startswith(folder)), key=natural):
        folders = PurePosixPath(name).parts[:-1]
        split = split_name(folders[0]) if folders else None
        rest = folders[1:] if split else folders
        if rest:
            home = "/".join(rest if split is None else (folders[0], *rest))
            numbers[home] += 1
            found.append(Placed(name, split, rest, f"file {numbers[home]} (by name) in {home}"))
    return found


def read_table(data: bytes, columns: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Reads a table that lists files: comma or semicolon, UTF-8, one heading line.

    Args:
        data: The bytes of the file.
        columns: What is read, and the headings under which to look for it; `path` and `label` must be among them
            and in the table. Other columns are left alone.

    Returns:
        A dictionary a row, with the keys of `columns` that the table has, and `place` ("row 17") for messages.

    Raises:
        DataError: It is no such table, lacks a column for path or label, or has no row.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("the table is not UTF-8 text; save it as CSV in UTF-8") from None
    heading = text.partition("\n")[0]
    delimiter = ";" if heading.count(";") > heading.count(",") else ","
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
        found = _find_columns({name.strip().lower(): name for name in reader.fieldnames or ()}, columns)
        lines = list(reader)
    except csv.Error as error:
        raise DataError(f"the table is damaged: {error}") from None
    if not lines:
        raise DataError("the table has no row below its heading")
    wide = [number for number, line in enumerate(lines, start=2) if None in line]
    if wide:
        raise DataError(f"{len(wide)} rows of the table have more fields than its heading, row {wide[0]} first")
    return [
        {"place": f"row {number}"} | {field: line[name].strip() for field, name in found.items()}
        for number, line in enumerate(lines, start=2)
    ]


def table_path(path: str) -> str:
    """A path as a table gives it, with slashes and without detours.

    Raises:
        DataError: It is empty.
    """
    if not path:
        raise DataError("the path is empty")
    return posixpath.normpath(path.replace("\\", "/"))


def table_split(text: str) -> str | None:
    """The split that a table gives; None where the field is empty.

    Raises:
        DataError: It is another word.
    """
    if text and split_name(text) is None:
        raise DataError(f"the split is {text!r}; allowed are train, validation, test or nothing")
    return split_name(text) if text else None


def _find_columns(headings: Mapping[str, str], columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    found = {}
    for field, names in columns.items():
        present = [headings[name] for name in names if name in headings]
        if len(present) > 1:
            raise DataError(f"the table has the columns {' and '.join(present)} for one thing; keep one of them")
        if present:
            found[field] = present[0]
    for field in ("path", "label"):
        if field not in found:
            wanted = " or ".join(columns[field])
            raise DataError(f"the table has no column {wanted}; its heading is {', '.join(headings) or 'empty'}")
    return found
