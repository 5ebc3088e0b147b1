"""The layouts in which people keep character images, turned into samples; and the pixels of one sample.

Found without being told which it is, in a folder or a `.zip`, below at most one wrapping folder:

- DHCD as UCI ships it: Train and Test, in them a folder for each class (`character_1_ka`, `digit_0`);
- NHCD: `consonants`, `numerals` and `vowels`, in them numbered classes; a file name begins with its writer (`001_`);
- any folders by class, with or without Training and Testing above them;
- a tree with `labels.csv` or `manifest.csv`, or such a table given by its own path, file names relative to it.

Columns of a table: path (or image), label, and where known group (or writer), domain, split.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handwriting import labels
from handwriting.settings import Settings
from shared.errors import DataError
from shared.images import is_picture, read_picture
from shared.layouts import Placed, class_folders, natural, read_table, table_path, table_split, wrapping_folder
from shared.privacy import Pseudonymiser
from shared.samples import Dataset, Sample
from shared.sources import exists, faults_error, hash_sources, join, list_sources, read_source, relative_name

TABLE_NAMES = ("labels.csv", "manifest.csv")
COLUMNS = {
    "path": ("path", "image", "file", "filename"),
    "label": ("label", "class"),
    "group": ("group", "writer"),
    "domain": ("domain",),
    "split": ("split",),
}
"""What is read of a table, and the headings under which it is looked for."""
UNKNOWN_DOMAIN = "unknown"


def load(source: Path, options: Mapping[str, Any]) -> Dataset:
    """Finds the samples in a folder, zip or table; no pixel is decoded.

    Raises:
        DataError: No layout is recognised, or anything is missing or contradictory; all faults are counted.
        ConfigError: `options` are not those of handwriting's preprocessing.
    """
    Settings.of(options)
    pseudonym = Pseudonymiser.of_this_user()
    samples, notes = _find(source, pseudonym)
    unknown = sorted({str(sample.label) for sample in samples if not labels.is_known(str(sample.label))})
    notes += [f"Class {name!r} is no Devanagari character that handwriting knows." for name in unknown]
    return Dataset(
        samples=tuple(samples),
        classes=labels.ordered(str(sample.label) for sample in samples),
        content_hash=hash_sources(sample.source for sample in samples),
        notes=tuple(notes),
    )


def read(sample: Sample) -> NDArray[np.float32]:
    """Raw pixels of one sample, float32 [rows, columns], or [rows, columns, 3] of a colour picture.

    Raises:
        DataError: The file is damaged.
    """
    return read_picture(read_source(sample.source))


def _find(source: Path, pseudonym: Pseudonymiser) -> tuple[list[Sample], list[str]]:
    if source.suffix.lower() == ".csv":
        if not source.is_file():
            raise DataError(f"{source} does not exist; give a folder, a .zip or a manifest .csv")
        return _by_table(source.parent, "", source.name, pseudonym), []
    names = {str(relative_name(name, source)): name for name in list_sources(source)}
    tables = [name for name in names if name.count("/") <= 1 and PurePosixPath(name).name.lower() in TABLE_NAMES]
    shallow = [name for name in tables if name.count("/") == min(table.count("/") for table in tables)]
    if len(shallow) > 1:
        raise DataError(f"{source.name} has several tables: {', '.join(shallow)}; give the path of one of them")
    if shallow:
        folder, _, table = shallow[0].rpartition("/")
        return _by_table(source, f"{folder}/" if folder else "", table, pseudonym), []
    return _by_class(source, names, pseudonym)


def _by_table(root: Path, folder: str, table: str, pseudonym: Pseudonymiser) -> list[Sample]:
    faults: list[str] = []
    rows: dict[str, str] = {}
    samples: dict[str, Sample] = {}
    for row in read_table(read_source(join(root, f"{folder}{table}")), COLUMNS):
        try:
            path = table_path(row["path"])
            if path in samples:
                raise DataError(f"it names the same image as {rows[path]}")
            if not row["label"]:
                raise DataError("the label is empty; give a class such as ka, digit_0 or क")
            place = join(root, f"{folder}{path}")
            if not exists(place):
                raise DataError("the file does not exist")
            rows[path] = row["place"]
            samples[path] = Sample(
                id=pseudonym("image", path),
                source=place,
                label=labels.canonical(row["label"]),
                group=pseudonym("writer", row["group"]) if row.get("group") else None,
                domain=row.get("domain") or UNKNOWN_DOMAIN,
                split=table_split(row.get("split", "")),
            )
        except DataError as error:
            faults.append(f"{row['place']}: {error}")
    if faults:
        raise faults_error(f"faults in {table}", faults)
    return [samples[path] for path in sorted(samples, key=natural)]


def _by_class(source: Path, names: Mapping[str, str], pseudonym: Pseudonymiser) -> tuple[list[Sample], list[str]]:
    """Folders by class; what lies in no such folder, or is no picture, is left out with a note."""
    pictures = [name for name in names if is_picture(name)]
    folder = wrapping_folder(pictures, _is_class_name)
    placed = class_folders(pictures, folder)
    if not placed:
        raise DataError(
            f"{source.name} has no layout that is known: give folders by class (character_1_ka/, digit_0/), "
            f"a tree with labels.csv, or a manifest .csv with the columns path and label"
        )
    _refuse_nested(placed)
    samples = [_sample(one, names[f"{folder}{one.path}"], pseudonym) for one in placed]
    skipped = len(names) - len(samples)
    notes = [f"{skipped} files that are no picture in a class folder were left out."] if skipped else []
    return samples, notes


def _is_class_name(folder: str) -> bool:
    return labels.is_nhcd_family(folder) or labels.is_known(labels.canonical(folder))


def _sample(one: Placed, source: str, pseudonym: Pseudonymiser) -> Sample:
    if labels.is_nhcd_family(one.folders[0]):
        label, domain, writer = labels.nhcd_label(*one.folders), "nhcd", _nhcd_writer(one.path)
    else:
        label, writer = labels.canonical(one.folders[0]), None
        domain = "dhcd" if labels.dhcd_label(one.folders[0]) else UNKNOWN_DOMAIN
    return Sample(
        id=pseudonym("image", one.path),
        source=source,
        label=label,
        group=None if writer is None else pseudonym("writer", writer),
        domain=domain,
        split=one.split,
    )


def _nhcd_writer(path: str) -> str | None:
    match = re.match(r"([0-9]+)_", PurePosixPath(path).name)
    return match.group(1) if match else None


def _refuse_nested(placed: Iterable[Placed]) -> None:
    """A folder within a class means that the tree is another one than was thought, and the labels would be wrong."""
    faults = {}
    for folders in {one.folders for one in placed}:
        family = labels.is_nhcd_family(folders[0])
        if len(folders) != (2 if family else 1) or (family and labels.nhcd_label(*folders) is None):
            faults[folders] = f"{'/'.join(folders)} is not a folder of one class"
    if faults:
        raise faults_error(
            "folders fit no layout; give the folder right above the classes", [faults[key] for key in sorted(faults)]
        )
