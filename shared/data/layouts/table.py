"""A table that lists files: a .csv given by its own path, or `labels.csv` in a tree, at most one folder down."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from shared.data.layouts._layout import COLUMNS, LAYOUTS, ImageEntry, Layout, LayoutRule, Listing, Search
from shared.data.layouts._names import normal_path
from shared.errors import DataError
from shared.io.archives import read_source

TABLE_NAMES = ("labels.csv", "manifest.csv")
MAX_BYTES = 1 << 28
"""256 MiB: some million rows."""
SHOWN = 200
"""Characters of a heading that a message shows."""
AUXILIARY = re.compile(r"label:\s*([a-z][a-z0-9_]*)")
"""Lower-case headings of auxiliary labels: `label:plane`. No other column can become one by accident."""


def recognise(listing: Listing, search: Search) -> Layout | None:
    """Recognises the table that was given, or the only table in the tree that is nearest to its root.

    Args:
        listing: The files of the dataset.
        search: What the application looks for; its `columns` are read.

    Returns:
        The layout, with an entry for each row; None where there is no table.

    Raises:
        DataError: There are several, or the table is damaged.
    """
    table = listing.given_file or _table_in_tree(listing)
    if table is None:
        return None
    entries = read_table(read_source(listing.files[table]), search.columns, unlabelled=listing.unlabelled)
    folder = table[: table.rfind("/") + 1]
    return Layout(entries, listing.root, folder, table, files=listing.files, unlabelled=listing.unlabelled)


def read_table(data: bytes, columns: Mapping[str, Sequence[str]], *, unlabelled: bool = False) -> list[ImageEntry]:
    """Reads a table that lists files: comma or semicolon, UTF-8, one heading line.

    Args:
        data: The bytes of the file.
        columns: The columns that are read, each with the headings under which to look for it; `path` and `label` must
            be among them and in the table. Other columns are left alone, but for auxiliary labels (`label:plane`).
        unlabelled: Whether `label` is neither needed nor read.

    Returns:
        One entry for each row below the heading, in order.

    Raises:
        DataError: It is no such table, lacks a column for path or label, or has no row.
    """
    if len(data) > MAX_BYTES:
        raise DataError(f"the table has {len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("the table is not UTF-8 text; save it as CSV in UTF-8") from None
    heading = text.partition("\n")[0]
    delimiter = ";" if heading.count(";") > heading.count(",") else ","
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        names = next(rows, [])
        headings = {name.strip().lower(): at for at, name in enumerate(names)}
        if unlabelled:
            columns = {column: wanted for column, wanted in columns.items() if column != "label"}
        found = _find_columns(headings, columns)
        auxiliary = {match[1]: at for low, at in headings.items() if (match := AUXILIARY.fullmatch(low))}
        # only the cells that are read: a short row stands for as many as the heading has
        lines = [(len(row), _cells(row, found), _cells(row, auxiliary)) for row in rows if row]
    except csv.Error as error:
        raise DataError(f"the table is no valid CSV ({error}); save it again as UTF-8 CSV") from None
    if not lines:
        raise DataError("the table has no row below its heading")
    wide = [number for number, (length, *_) in enumerate(lines, start=2) if length > len(names)]
    if wide:
        raise DataError(
            f"{len(wide)} rows of the table have more fields than its heading, row {wide[0]} first; put fields that "
            "contain a comma in quotes"
        )
    return [_entry(number, cells, others) for number, (_, cells, others) in enumerate(lines, start=2)]


def _table_in_tree(listing: Listing) -> str | None:
    tables = [name for name in listing.files if name.count("/") <= 1 and _file_name(name).lower() in TABLE_NAMES]
    highest = [name for name in tables if name.count("/") == min(table.count("/") for table in tables)]
    if len(highest) > 1:
        names = ", ".join(sorted({_file_name(name) for name in highest}))  # a folder may have a patient's name
        raise DataError(f"{listing.root.name} has {len(highest)} tables ({names}); give the path of one of them")
    return highest[0] if highest else None


def _file_name(path: str) -> str:
    return PurePosixPath(path).name


def _find_columns(headings: Mapping[str, int], columns: Mapping[str, Sequence[str]]) -> dict[str, int]:
    found = {}
    for column, names in columns.items():
        present = [name for name in names if name in headings]
        if len(present) > 1:
            raise DataError(f"the table has the columns {' and '.join(present)} for one thing; keep one of them")
        if present:
            found[column] = headings[present[0]]
    for column in ("path", "label"):
        if column in columns and column not in found:
            wanted = " or ".join(columns[column])
            shown = ", ".join(headings)[:SHOWN] or "empty"
            raise DataError(f"the table has no column {wanted}; its heading is {shown}")
    return found


def _cells(row: Sequence[str], columns: Mapping[str, int]) -> dict[str, str]:
    return {column: row[at].strip() if at < len(row) else "" for column, at in columns.items()}


def _entry(number: int, cells: Mapping[str, str], auxiliary: Mapping[str, str]) -> ImageEntry:
    return ImageEntry(
        place=f"row {number}",
        path=normal_path(cells["path"]),
        label=cells.get("label", ""),
        split=cells.get("split", ""),
        group=cells.get("group", ""),
        domain=cells.get("domain", ""),
        cells={column: text for column, text in cells.items() if column not in COLUMNS},
        auxiliary={name: text for name, text in auxiliary.items() if text},
    )


LAYOUTS.add(
    "table",
    LayoutRule(
        recognise,
        priority=30,  # a table says more than the folders that it lies in
        advice="a tree with labels.csv, or a manifest .csv, with the columns path and label",
        file_suffixes=(".csv",),
    ),
)
