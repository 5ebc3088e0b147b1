"""How image collections are laid out on disk, whatever they show: a folder for each class, or a table that lists files.

Names only: nothing here opens an image or knows a class. The application says what it looks for, and makes samples of
the rows that are found.
"""

from __future__ import annotations

import csv
import io
import json
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from shared.errors import DataError
from shared.io.archives import exists, faults_error, join, list_sources, read_source, relative_name
from shared.samples import Sample

TABLE_NAMES = ("labels.csv", "manifest.csv")
COLUMNS = {
    "path": ("path", "image", "file", "filename"),
    "label": ("label", "class"),
    "group": ("group",),
    "domain": ("domain",),
    "split": ("split",),
}
"""What every application reads of a table, and the headings under which it is looked for."""
AUXILIARY = re.compile(r"label:\s*([a-z][a-z0-9_]*)")
"""Lower-case headings of auxiliary labels: `label:plane`. No other column can become one by accident."""

_SPLITS = {
    "train": "train training",
    "validation": "validation val valid dev",
    "test": "test testing",
}
_SPLIT_NAMES = {spelling: name for name, spellings in _SPLITS.items() for spelling in spellings.split()}


@dataclass(frozen=True)
class Search:
    """What an application looks for.

    Attributes:
        columns: What is read of a table, and the headings under which it is looked for: `COLUMNS` and its own. Other
            columns are left alone.
        is_image: Whether a file may be an image, by its name.
        is_class: Whether a folder is that of a class, by its name.
        example: Folders by class, as advice shows them.
    """

    columns: Mapping[str, Sequence[str]]
    is_image: Callable[[str], bool]
    is_class: Callable[[str], bool]
    example: str


@dataclass(frozen=True)
class Row:
    """What is said of one image by a line of a table, or by the folders above it; nothing of it checked yet.

    Attributes:
        place: Where it is said ("row 17", "file 2 (by name) in Train/glioma"), for messages; identifies nobody.
        path: File name relative to the table, or to the folder by class, with slashes and without detours.
        label: As the table or the folder spells the class.
        split: As the table spells it; of folders "train", "validation" or "test"; empty where nothing is said.
        folders: The folders from the class down to the file; none of a table.
        cells: All that the table says, by the keys of `Search.columns`.
        auxiliary: What the table says under headings such as `label:plane`, by their names; no empty fields.
    """

    place: str
    path: str
    label: str
    split: str = ""
    folders: tuple[str, ...] = ()
    cells: Mapping[str, str] = field(default_factory=dict)
    auxiliary: Mapping[str, str] = field(default_factory=dict)

    def cell(self, column: str) -> str:
        """What the table says under a column, empty where it says nothing."""
        return self.cells.get(column, "")


@dataclass(frozen=True)
class Layout:
    """A layout as recognised: what it says of each image, and how to reach files by name.

    Attributes:
        rows: A row an image.
        root: The folder or zip that file names are relative to.
        folder: The folder in `root` that they begin at, with its slash; empty where it is `root` itself.
        table: Name of the table below `root`, or None of folders by class.
        notes: What was left out, in plain sentences.
        listed: The sources below `root` by name, as far as they were listed.
        unlabelled: Whether labels were neither asked for nor taken.
    """

    rows: Sequence[Row]
    root: Path
    folder: str = ""
    table: str | None = None
    notes: tuple[str, ...] = ()
    listed: Mapping[str, str] = field(default_factory=dict)
    unlabelled: bool = False

    def source(self, path: str) -> str:
        """The source of a file, whether it is there or not."""
        name = f"{self.folder}{path}"
        return self.listed.get(name) or join(self.root, name)

    def file(self, path: str, what: str = "file") -> str:
        """The source of a file that must be there.

        Raises:
            DataError: It is not, or no path is given; the message says `what`, and not its name.
        """
        if not path:
            raise DataError("the path is empty")
        source = self.source(path)
        if f"{self.folder}{path}" not in self.listed and not exists(source):
            raise DataError(f"the {what} does not exist")
        return source


def find_layout(source: Path, search: Search, *, unlabelled: bool = False) -> Layout:
    """Recognises a table given by its path, a tree with a table at most one folder down, or else folders by class.

    Args:
        source: Folder, zip or table.
        search: What is looked for.
        unlabelled: Whether no label is asked for: a table needs no column of them, and without a table every image
            counts, whatever its folder is called.

    Raises:
        DataError: It is none of these, or the table is damaged.
    """
    if source.suffix.lower() == ".csv":
        if not source.is_file():
            raise DataError(f"{source} does not exist; give a folder, a .zip or a manifest .csv")
        rows = read_table(read_source(str(source)), search.columns, unlabelled=unlabelled)
        return Layout(rows, source.parent, table=source.name, unlabelled=unlabelled)
    listed = {str(relative_name(name, source)): name for name in list_sources(source)}
    tables = [name for name in listed if name.count("/") <= 1 and PurePosixPath(name).name.lower() in TABLE_NAMES]
    shallow = [name for name in tables if name.count("/") == min(table.count("/") for table in tables)]
    if len(shallow) > 1:
        raise DataError(f"{source.name} has several tables: {', '.join(shallow)}; give the path of one of them")
    if not shallow:
        return (_all_images if unlabelled else _by_class)(source, listed, search)
    table = shallow[0]
    rows = read_table(read_source(listed[table]), search.columns, unlabelled=unlabelled)
    return Layout(rows, source, table[: table.rfind("/") + 1], table, listed=listed, unlabelled=unlabelled)


def collect(layout: Layout, samples_of: Callable[[Row], Iterable[Sample]]) -> list[Sample]:
    """The samples of all rows, in natural order of their paths.

    Args:
        layout: The rows.
        samples_of: Makes the samples of one row; raises DataError where what the row says cannot be.

    Raises:
        DataError: Rows are faulty or name the same image twice; all of them are counted.
    """
    faults: list[str] = []
    found: dict[tuple[str, int], tuple[Row, Sample]] = {}
    for row in layout.rows:
        try:
            for sample in samples_of(row):
                first, _ = found.setdefault((sample.source, sample.frame), (row, sample))
                if first is not row:
                    raise DataError(f"it names the same image as {first.place}")
        except DataError as error:
            faults.append(f"{row.place}: {error}")
    if faults:
        raise faults_error(f"faults in {layout.table or layout.root.name}", faults)
    ordered = sorted(found.values(), key=lambda pair: (natural(pair[0].path), pair[1].frame))
    return [sample for _, sample in ordered]


def synthetic_mark(layout: Layout, name: str) -> Mapping[str, object] | None:
    """What the file `name`, beside the table or the classes, says of a synthetic dataset; None where it marks none.

    Raises:
        DataError: The file is damaged.
    """
    mark = layout.source(name)
    if not exists(mark):
        return None
    try:
        content = json.loads(read_source(mark))
    except ValueError:
        raise DataError(f"{name} is damaged; make the synthetic data again") from None
    return content if isinstance(content, dict) and content.get("synthetic") is True else None


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


def class_folders(names: Iterable[str], folder: str) -> list[Row]:
    """Files in a folder for each class, with or without folders such as Training and Testing above the classes.

    Args:
        names: File names below the source, with slashes.
        folder: What `wrapping_folder` found; files outside of it, and files in no class, are left out.

    Returns:
        In natural order of their names.
    """
    found, numbers = [], Counter[str]()
    for name in sorted((name.removeprefix(folder) for name in names if name.startswith(folder)), key=natural):
        folders = tuple(name.split("/")[:-1])
        split = split_name(folders[0]) if folders else None
        rest = folders[1:] if split else folders
        if rest:
            # A folder below that of the class may have a patient's name, so the place ends at the class.
            home = f"{folders[0]}/{rest[0]}" if split else rest[0]
            numbers[home] += 1
            found.append(Row(f"file {numbers[home]} (by name) in {home}", name, rest[0], split or "", rest))
    return found


def read_table(data: bytes, columns: Mapping[str, Sequence[str]], *, unlabelled: bool = False) -> list[Row]:
    """Reads a table that lists files: comma or semicolon, UTF-8, one heading line.

    Args:
        data: The bytes of the file.
        columns: What is read, and the headings under which to look for it; `path` and `label` must be among them
            and in the table. Other columns are left alone, but for auxiliary labels (`label:plane`).
        unlabelled: Whether `label` is neither needed nor read.

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
        if unlabelled:
            columns = {column: names for column, names in columns.items() if column != "label"}
        found = _find_columns(headings, columns)
        auxiliary = {match[1]: name for low, name in headings.items() if (match := AUXILIARY.fullmatch(low))}
        lines = list(reader)
    except csv.Error as error:
        raise DataError(f"the table is damaged: {error}") from None
    if not lines:
        raise DataError("the table has no row below its heading")
    wide = [number for number, line in enumerate(lines, start=2) if None in line]
    if wide:
        raise DataError(f"{len(wide)} rows of the table have more fields than its heading, row {wide[0]} first")
    return [_row(number, _cells(line, found), _cells(line, auxiliary)) for number, line in enumerate(lines, start=2)]


def _row(number: int, cells: Mapping[str, str], auxiliary: Mapping[str, str]) -> Row:
    said = {name: text for name, text in auxiliary.items() if text}
    path, split = table_path(cells["path"]), cells.get("split", "")
    return Row(f"row {number}", path, cells.get("label", ""), split, cells=cells, auxiliary=said)


def _cells(line: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, str]:
    return {column: line[heading].strip() for column, heading in columns.items()}


def table_path(path: str) -> str:
    """A path as a table gives it, with slashes and without detours; empty where it is empty."""
    return posixpath.normpath(path.replace("\\", "/")) if path else ""


def table_split(text: str) -> str | None:
    """The split that a table gives; None where the field is empty.

    Raises:
        DataError: It is another word.
    """
    if text and split_name(text) is None:
        raise DataError(f"the split is {text!r}; allowed are train, validation, test or nothing")
    return split_name(text)


def _all_images(source: Path, listed: Mapping[str, str], search: Search) -> Layout:
    names = sorted((name for name in listed if search.is_image(name)), key=natural)
    if not names:
        raise DataError(f"{source.name} has no image; give a folder, a zip or a manifest .csv with the column path")
    rows = [Row(f"file {number} (by name)", name, "") for number, name in enumerate(names, start=1)]
    skipped = len(listed) - len(rows)
    notes = (f"{skipped} files that are no image were left out.",) if skipped else ()
    return Layout(rows, source, notes=notes, listed=listed, unlabelled=True)


def _by_class(source: Path, listed: Mapping[str, str], search: Search) -> Layout:
    """Folders by class; what lies in no such folder, or is no image, is left out with a note."""
    images = [name for name in listed if search.is_image(name)]
    folder = wrapping_folder(images, search.is_class)
    rows = class_folders(images, folder)
    if not rows:
        raise DataError(
            f"{source.name} has no layout that is known: give folders by class ({search.example}), "
            f"a tree with labels.csv, or a manifest .csv with the columns path and label"
        )
    skipped = len(listed) - len(rows)
    notes = (f"{skipped} files that are no image in a class folder were left out.",) if skipped else ()
    return Layout(rows, source, folder, notes=notes, listed=listed)


def _find_columns(headings: Mapping[str, str], columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    found = {}
    for column, names in columns.items():
        present = [headings[name] for name in names if name in headings]
        if len(present) > 1:
            raise DataError(f"the table has the columns {' and '.join(present)} for one thing; keep one of them")
        if present:
            found[column] = present[0]
    for column in ("path", "label"):
        if column in columns and column not in found:
            wanted = " or ".join(columns[column])
            raise DataError(f"the table has no column {wanted}; its heading is {', '.join(headings) or 'empty'}")
    return found
