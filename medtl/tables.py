"""Tables that list images: `labels.csv` beside them, or a manifest given by its own path."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from shared.errors import DataError

COLUMNS = {
    "path": ("path", "image", "file", "filename"),
    "label": ("label", "class"),
    "group": ("group",),
    "patient": ("patient", "patient_id", "subject"),
    "domain": ("domain",),
    "scanner": ("scanner", "manufacturer"),
    "split": ("split",),
    "mask": ("mask",),
    "slice": ("slice", "frame"),
}
"""What medtl reads, and the headings under which it looks for it; other columns are left alone."""

_SPLITS = {
    "train": "train training",
    "validation": "validation val valid dev",
    "test": "test testing",
}
_SPLIT_NAMES = {spelling: name for name, spellings in _SPLITS.items() for spelling in spellings.split()}


@dataclass(frozen=True)
class Row:
    """One line of a table, or one file of a folder by class: what is said of an image, nothing of it checked yet.

    Attributes:
        place: Where it is said ("row 17"), for messages; identifies nobody.
        path: File name relative to the table.
        slice: Which slice of a volume, from 0, or None for all.
    """

    place: str
    path: str
    label: str
    group: str = ""
    patient: str = ""
    domain: str = ""
    scanner: str = ""
    split: str = ""
    mask: str = ""
    slice: str = ""


def split_name(name: str) -> str | None:
    """The split that a word such as `Training` or `val` means, or None."""
    return _SPLIT_NAMES.get(name.strip().lower())


def read_table(data: bytes) -> list[Row]:
    """Reads a table: comma or semicolon, UTF-8, one heading line.

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
        headings = {name.strip().lower(): name for name in reader.fieldnames or ()}
        found = _find_columns(headings)
        lines = list(reader)
    except csv.Error as error:
        raise DataError(f"the table is damaged: {error}") from None
    if not lines:
        raise DataError("the table has no row below its heading")
    wide = [number for number, line in enumerate(lines, start=2) if None in line]
    if wide:
        raise DataError(f"{len(wide)} rows of the table have more fields than its heading, row {wide[0]} first")
    return [
        Row(place=f"row {number}", **{field: line[name].strip() for field, name in found.items()})
        for number, line in enumerate(lines, start=2)
    ]


def _find_columns(headings: dict[str, str]) -> dict[str, str]:
    found = {}
    for field, names in COLUMNS.items():
        present = [headings[name] for name in names if name in headings]
        if len(present) > 1:
            raise DataError(f"the table has the columns {' and '.join(present)} for one thing; keep one of them")
        if present:
            found[field] = present[0]
    for field in ("path", "label"):
        if field not in found:
            raise DataError(
                f"the table has no column {' or '.join(COLUMNS[field])}; "
                f"its heading is {', '.join(headings) or 'empty'}"
            )
    return found
