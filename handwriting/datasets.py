"""From the layouts in which people keep character images to samples; and the pixels of one sample.

The layout is recognised (`shared.data.layouts`), in a folder or a `.zip`, below folders that wrap it all:

- DHCD as UCI ships it: Train and Test, in them a folder for each class (`character_1_ka`, `digit_0`);
- NHCD: `consonants`, `numerals` and `vowels`, in them numbered classes; a file name begins with its writer (`001_`);
- any folders by class, with or without Training and Testing above them;
- folders by site or writer, in each folders by class or NHCD's; the configuration says which of the two they are;
- a tree with `labels.csv` or `manifest.csv`, or such a table given by its own path, file names relative to it.

Columns of a table: path (or image), label, and where known group (or writer), domain, split, and auxiliary labels under
headings such as `label:hand`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handwriting import labels
from handwriting.blocks import blocks, file_number
from handwriting.settings import Settings
from shared.data.layouts import (
    COLUMNS,
    ImageEntry,
    Layout,
    Search,
    collect,
    find_layout,
    parse_split,
    synthetic_mark,
)
from shared.data.pseudonyms import Pseudonymiser
from shared.errors import DataError
from shared.io.archives import faults_error, hash_sources, naming, read_source
from shared.io.pictures import is_picture, read_picture
from shared.samples import NO_MEANINGS, UNKNOWN_DOMAIN, Dataset, Meanings, Sample

SYNTHETIC_MARK = "glyphs.json"


def _is_class_name(folder: str) -> bool:
    return labels.is_nhcd_family(folder) or labels.is_known(labels.canonical(folder))


SEARCH = Search(
    columns=COLUMNS | {"group": ("group", "writer")},
    is_image=is_picture,
    is_class=_is_class_name,
    example="character_1_ka/, digit_0/",
    classes=tuple(labels.CHARACTERS),
)


def load(
    source: Path, options: Mapping[str, Any], *, unlabelled: bool = False, meanings: Meanings = NO_MEANINGS
) -> Dataset:
    """Finds the samples in a folder, zip or table; decodes no pixel.

    Args:
        source: The folder, `.zip`, or CSV table.
        options: Preprocessing options, the fields of `handwriting.settings.Settings`.
        unlabelled: Whether all images count, and labels are not read; blocks are then not known either.
        meanings: What the configuration says of folders and labels.

    Returns:
        The samples, their classes in the order of a network's outputs, and notes for the user.

    Raises:
        DataError: No layout is recognised, or something is missing or contradictory; all faults are counted.
        ConfigError: An option is unknown or its value is not allowed.
        MeaningError: It is not said what folders above those of the classes are.
    """
    settings = Settings.of(options)
    layout = find_layout(source, SEARCH, unlabelled=unlabelled, meanings=meanings)
    _refuse_nested(layout.entries)
    pseudonym = Pseudonymiser.of_this_user()
    samples = collect(layout, lambda entry: [_sample(entry, layout, pseudonym)])
    if settings.blocks and not unlabelled:
        samples = _in_blocks(samples, pseudonym)
    named = {sample.label for sample in samples if sample.label is not None}
    unknown = sorted(name for name in named if not labels.is_known(name))
    notes = [f"Class {name!r} is no Devanagari character that handwriting knows." for name in unknown]
    mark = synthetic_mark(layout, SYNTHETIC_MARK)
    if mark is not None:
        notes.append(f"The images are synthetic, made from {mark.get('fonts')} printed fonts: no hand wrote them.")
    return Dataset(
        samples=tuple(samples),
        classes=labels.ordered(named),
        content_hash=hash_sources(sample.source for sample in samples),
        synthetic=mark is not None,
        notes=(*layout.notes, *notes),
        used=layout.used,
    )


def read(sample: Sample) -> NDArray[np.float32]:
    """Reads the raw pixels of one sample, float32 [rows, columns], or [rows, columns, 3] of a colour picture.

    Raises:
        DataError: The file is damaged; the message names it.
    """
    with naming(sample.source):
        return read_picture(read_source(sample.source), ground="white")


def _sample(entry: ImageEntry, layout: Layout, pseudonym: Pseudonymiser) -> Sample:
    """Makes the sample of one entry.

    Raises:
        DataError: The entry is inconsistent, for example has an empty label.
    """
    source = layout.file(entry.path)
    is_nhcd = bool(entry.folders) and labels.is_nhcd_family(entry.label)
    writer = entry.group or (entry.within_domain(_nhcd_writer(entry.path)) if is_nhcd else "")
    collection = "nhcd" if is_nhcd else "dhcd" if entry.folders and labels.dhcd_label(entry.label) else UNKNOWN_DOMAIN
    return Sample(
        id=pseudonym("image", entry.path),
        source=source,
        label=None if layout.unlabelled else _label(entry, is_nhcd),
        group=pseudonym("writer", writer) if writer else None,
        domain=entry.domain or collection,
        split=parse_split(entry.split),
        auxiliary=entry.auxiliary,
    )


def _label(entry: ImageEntry, is_nhcd: bool) -> str | None:
    if is_nhcd:
        return labels.nhcd_label(*entry.folders)
    if not entry.label:
        raise DataError("the label is empty; give a class such as ka, digit_0 or क")
    return labels.canonical(entry.label)


def _in_blocks(samples: Sequence[Sample], pseudonym: Pseudonymiser) -> list[Sample]:
    """Groups DHCD's samples by blocks of file numbers and drops its own split, which cuts through them.

    Raises:
        DataError: A file's name is not its number, as it is in DHCD.
    """
    numbers = [file_number(sample.source) for sample in samples]
    known = [number for number in numbers if number is not None]
    if len(known) < len(samples):
        raise DataError(
            f"blocks are derived from DHCD's file numbers (10962.png); {len(samples) - len(known)} of {len(samples)} "
            "files have names that are none; set data.options.blocks=false"
        )
    found = blocks(known, [str(sample.label) for sample in samples])
    return [
        replace(sample, group=pseudonym("block", str(block)), split=None)
        for sample, block in zip(samples, found, strict=True)
    ]


def _nhcd_writer(path: str) -> str:
    match = re.match(r"([0-9]+)_", PurePosixPath(path).name)
    return match.group(1) if match else ""


def _refuse_nested(entries: Iterable[ImageEntry]) -> None:
    """Refuses a folder within a class: the tree is another one than was thought, and the labels would be wrong."""
    faults = {}
    for folders in {entry.folders for entry in entries if entry.folders}:
        family = labels.is_nhcd_family(folders[0])
        if len(folders) != (2 if family else 1) or (family and labels.nhcd_label(*folders) is None):
            # a folder below, and one of no known class, may have the name of a writer
            home = folders[0] if _is_class_name(folders[0]) else "a folder of no known class"
            faults[folders] = (
                f"within {home} lies another folder" if len(folders) > 1 else f"{home} holds images itself"
            )
    if faults:
        raise faults_error(
            "folders fit no layout; give the folder right above the classes", [faults[key] for key in sorted(faults)]
        )
