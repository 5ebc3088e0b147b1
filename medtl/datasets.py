"""The layouts in which people keep brain MRI, turned into samples; and the pixels of one sample.

Found without being told which it is, in a folder or a `.zip`, below at most one wrapping folder:

- folders by class, with or without Training and Testing above them: PNG, JPEG, TIFF, BMP or DICOM files;
- a tree with `labels.csv`: DICOM files, pictures, NIfTI volumes;
- such a table given by its own path, file names relative to it.

Columns of a table: path (or image), label, and where known group, patient, domain, scanner, split, mask, slice. Of a
DICOM file the tags say who and where: a column `patient` or `scanner` that contradicts them is outvoted and a note says
so. `group` and `domain` are the person's own choice and stand. A volume gives one sample a slice; with a column `slice`
(from 0, from the feet up) only that one, else all slices under the label of the volume.
"""

from __future__ import annotations

import json
import posixpath
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtl import labels
from medtl.dicom_reader import read_dicom, read_header
from medtl.dicom_rules import check_suitable
from medtl.pixels import Pixels, is_volume, read_volume, volume_shape
from medtl.settings import Settings
from medtl.tables import Row, read_table, split_name
from medtl.transforms import preprocess_mask
from shared.errors import DataError, InputRefused
from shared.images import is_picture, read_picture
from shared.privacy import Pseudonymiser
from shared.samples import Dataset, Sample
from shared.sources import exists, faults_error, hash_sources, join, list_sources, read_source, relative_name
from shared.task import Preprocessing

TABLE_NAMES = ("labels.csv", "manifest.csv")
SYNTHETIC_MARK = "phantom.json"
UNKNOWN_DOMAIN = "unknown"
VENDORS = {
    "ge": r"\bge\b|general electric",
    "siemens": r"siemens",
    "philips": r"philips",
    "canon": r"canon|toshiba",
    "hitachi": r"hitachi|fujifilm",
    "united imaging": r"united imaging|\buih\b",
}
"""Makers of MR scanners by what they write into Manufacturer (0008,0070), past names of the same firm included."""


_DECODING = threading.Lock()
"""One volume at a time: two threads would decode the same one twice, and warnings are silenced for all threads."""


@dataclass(frozen=True)
class _Found:
    """A layout as recognised: what it says of each image, and how to reach files by name."""

    rows: list[Row]
    root: Path
    folder: str
    notes: list[str]
    table: str | None = None

    def source(self, name: str) -> str:
        """The source of a file named relative to the table or the folder by class."""
        return join(self.root, f"{self.folder}{name}")


@dataclass(frozen=True)
class _Origin:
    """What a file itself says: frames in it, and for DICOM the patient, series and scanner."""

    frames: int = 1
    volume: bool = False
    patient: str = ""
    series: str = ""
    scanner: str = ""


def load(source: Path, options: Mapping[str, Any]) -> Dataset:
    """Finds the samples in a folder, zip or table. Headers are read, pixels are not.

    Raises:
        DataError: No layout is recognised, or anything is missing or contradictory; all faults are counted.
        ConfigError: `options` are not those of medtl's preprocessing.
    """
    settings = Settings.of(options)
    found = _find(source)
    pseudonym = Pseudonymiser.of_this_user()
    faults: list[str] = []
    notes = Counter[str]()
    samples: dict[tuple[str, int], tuple[Row, Sample]] = {}
    for row in found.rows:
        try:
            for sample in _samples(row, found, pseudonym, notes):
                first, _ = samples.setdefault((sample.source, sample.frame), (row, sample))
                if first is not row:
                    raise DataError(f"it names the same image as {first.place}")
        except DataError as error:
            faults.append(f"{row.place}: {error}")
    if faults:
        raise faults_error(f"faults in {source.name}", faults)
    by_name = sorted(samples.values(), key=lambda pair: (_natural(pair[0].path), pair[1].frame))
    ordered = [sample for _, sample in by_name]
    texts = [*found.notes, *(text.format(count=count) for text, count in notes.items()), *_unknown_classes(ordered)]
    if settings.labels == "binary":
        ordered = [replace(sample, label=labels.binary(sample.label or "")) for sample in ordered]
    masks = dict.fromkeys(sample.mask for sample in ordered if sample.mask)
    return Dataset(
        samples=tuple(ordered),
        classes=labels.ordered(sample.label for sample in ordered if sample.label),
        content_hash=hash_sources([*dict.fromkeys(sample.source for sample in ordered), *masks]),
        synthetic=_is_synthetic(found),
        notes=tuple(texts),
    )


def read(sample: Sample) -> Pixels:
    """Raw pixels of one sample, float32 [rows, columns], or [rows, columns, 3] of a colour picture.

    Raises:
        DataError: The file is damaged.
    """
    return _pixels(sample.source, sample.frame)


def read_mask(sample: Sample, spec: Preprocessing) -> NDArray[np.bool_] | None:
    """The sample's mask [size, size], cut and resized as its image, or None where it has none.

    Raises:
        DataError: Mask or image is damaged, or they differ in shape.
    """
    if sample.mask is None:
        return None
    pixels = _pixels(sample.mask, sample.frame)
    # JPEG leaves a grey fringe around what was black and white; other files mean every value but 0.
    level = 127.5 if sample.mask.lower().endswith((".jpg", ".jpeg")) else 0.0
    mask = (pixels.max(axis=2) if pixels.ndim == 3 else pixels) > level
    return preprocess_mask(np.asarray(mask), read(sample), spec)


def scanner_name(manufacturer: str, model: str = "") -> str:
    """One spelling of a scanner: `siemens` for `SIEMENS` and `Siemens Healthineers`, then the model if known."""
    text = " ".join(manufacturer.lower().split())
    vendor = next((name for name, pattern in VENDORS.items() if re.search(pattern, text)), text)
    return f"{vendor} {' '.join(model.lower().split())}".strip()


def _pixels(source: str, frame: int) -> Pixels:
    if is_picture(source):
        return read_picture(read_source(source))
    with _DECODING:
        slices = _slices(source)
    if frame >= len(slices):
        raise DataError(f"slice {frame} does not exist; the file has {len(slices)}")
    return slices[frame]


@lru_cache(maxsize=2)
def _slices(source: str) -> Sequence[Pixels]:
    """Kept for the slices that are asked for next: a volume is decoded once, not once a slice."""
    data = read_source(source)
    if is_volume(source):
        return list(read_volume(data))
    try:
        return list(read_dicom(data).frames)
    except InputRefused as refusal:
        raise DataError(str(refusal)) from None


def _find(source: Path) -> _Found:
    if source.suffix.lower() == ".csv":
        if not source.is_file():
            raise DataError(f"{source} does not exist; give a folder, a .zip or a manifest .csv")
        return _Found(read_table(read_source(str(source))), source.parent, "", [], source.name)
    names = [str(relative_name(name, source)) for name in list_sources(source)]
    tables = [name for name in names if name.count("/") <= 1 and PurePosixPath(name).name.lower() in TABLE_NAMES]
    shallow = [name for name in tables if name.count("/") == min(table.count("/") for table in tables)]
    if len(shallow) > 1:
        raise DataError(f"{source.name} has several tables: {', '.join(shallow)}; give the path of one of them")
    if shallow:
        table = shallow[0]
        folder = table[: table.rfind("/") + 1]
        return _Found(read_table(read_source(join(source, table))), source, folder, [], table)
    return _by_class(names, source)


def _by_class(names: Sequence[str], source: Path) -> _Found:
    """Folders by class; what lies in no such folder, or is no image, is left out with a note."""
    candidates = [name for name in names if _may_be_image(name)]
    folder = _wrapping_folder(candidates)
    rows, left_out, numbers = [], 0, Counter[str]()
    for name in sorted((name.removeprefix(folder) for name in candidates), key=_natural):
        folders = PurePosixPath(name).parts[:-1]
        split = split_name(folders[0]) if folders else None
        rest = folders[1:] if split else folders
        if not rest:
            left_out += 1
            continue
        numbers[rest[0]] += 1
        rows.append(
            Row(
                place=f"file {numbers[rest[0]]} (by name) of class {rest[0]}" + (f" in {folders[0]}" if split else ""),
                path=name,
                label=rest[0],
                split=split or "",
                patient=rest[1] if len(rest) > 1 else "",
            )
        )
    if not rows:
        raise DataError(
            f"{source.name} has no layout that is known: give folders by class (glioma/, no_tumour/), "
            f"a tree with labels.csv, or a manifest .csv with the columns path and label"
        )
    _refuse_nested_classes(rows)
    skipped = left_out + len(names) - len(candidates)
    notes = [f"{skipped} files that are no image in a class folder were left out."] if skipped else []
    return _Found(rows, source, folder, notes)


def _may_be_image(name: str) -> bool:
    suffix = PurePosixPath(name).suffix.lower()
    # DICOM files often have no suffix, or end in a number: IM0001, 1.2.840.10008.
    return is_picture(name) or is_volume(name) or suffix in ("", ".dcm", ".dicom", ".ima") or suffix[1:].isdigit()


def _wrapping_folder(names: Sequence[str]) -> str:
    """The one folder above everything (`brain_tumor_dataset/`), or nothing where the classes lie at the top."""
    tops = {name.split("/")[0] for name in names if "/" in name}
    if len(tops) != 1:
        return ""
    top = tops.pop()
    is_class = split_name(top) is not None or _is_class_name(top)
    return "" if is_class or not any(name.count("/") > 1 for name in names) else f"{top}/"


def _refuse_nested_classes(rows: Sequence[Row]) -> None:
    """A class within a class means that the tree is another one than was thought, and the labels would be wrong."""
    faults = {}
    for row in rows:
        for folder in PurePosixPath(row.path).parts[1:-1]:
            if folder != row.label and (split_name(folder) or _is_class_name(folder)):
                faults[row.label, folder] = f"folder {folder} lies within what looks like the class {row.label}"
    if faults:
        raise faults_error("folders contradict each other; give the folder right above the classes", [*faults.values()])


def _is_class_name(folder: str) -> bool:
    try:
        return labels.is_known(labels.canonical(folder))
    except DataError:
        return False


def _samples(row: Row, found: _Found, pseudonym: Pseudonymiser, notes: Counter[str]) -> Iterable[Sample]:
    """The samples of one row: one, or one a slice.

    Raises:
        DataError: What the row says cannot be.
    """
    label = labels.canonical(row.label)
    if row.split and split_name(row.split) is None:
        raise DataError(f"the split is {row.split!r}; allowed are train, validation, test or nothing")
    path = _normal(row.path)
    source = found.source(path)
    mask = found.source(_normal(row.mask)) if row.mask else None
    for what, where in (("file", source), ("mask", mask)):
        if where is not None and not exists(where):
            raise DataError(f"the {what} does not exist")
    origin = _origin(source)
    _note_contradictions(row, origin, found, notes)
    group = _group(row, origin, path)
    for frame in _frames(row, origin, notes):
        yield Sample(
            id=pseudonym("image", f"{path}#{frame}" if frame else path),
            source=source,
            label=label,
            group=None if group is None else pseudonym(*group),
            domain=row.domain or origin.scanner or scanner_name(row.scanner) or UNKNOWN_DOMAIN,
            split=split_name(row.split) if row.split else None,
            mask=mask,
            frame=frame,
        )


def _normal(path: str) -> str:
    if not path:
        raise DataError("the path is empty")
    return posixpath.normpath(path.replace("\\", "/"))


def _origin(source: str) -> _Origin:
    if is_picture(source):
        return _Origin()
    data = read_source(source)
    if is_volume(source):
        return _Origin(frames=volume_shape(data)[2], volume=True)
    try:
        header = read_header(data)
        check_suitable(header)
    except InputRefused as refusal:
        raise DataError(str(refusal)) from None
    return _Origin(
        frames=header.frames,
        patient=(header.patient_id or "").strip(),
        series=header.series_uid or "",
        scanner=scanner_name(header.manufacturer or "", header.model or ""),
    )


def _group(row: Row, origin: _Origin, path: str) -> tuple[str, str] | None:
    """Kind and identifier of what must stay together: the person's own grouping, else the patient, else the series."""
    if patient := row.group or origin.patient or row.patient:
        return "patient", patient
    if origin.series:
        return "series", origin.series
    return ("file", path) if origin.volume else None


def _frames(row: Row, origin: _Origin, notes: Counter[str]) -> Sequence[int]:
    if origin.frames == 1 and not origin.volume:
        return (0,)  # the column `slice` of a series in single files counts the files
    if not row.slice:
        notes["{count} volumes have one label for all slices, also for those that do not cut the finding."] += 1
        return range(origin.frames)
    if not row.slice.isdecimal() or int(row.slice) >= origin.frames:
        raise DataError(f"the slice is {row.slice!r}; the volume has 0 to {origin.frames - 1}")
    return (int(row.slice),)


def _note_contradictions(row: Row, origin: _Origin, found: _Found, notes: Counter[str]) -> None:
    if found.table is None:
        if row.patient and not origin.patient:
            notes["{count} images take the folder below their class for the patient."] += 1
        return
    if row.patient and origin.patient and row.patient != origin.patient and not row.group:
        notes["{count} files carry another PatientID than the table says; the files were believed."] += 1
    claimed = set(scanner_name(row.scanner).split())
    if claimed and origin.scanner and not row.domain and not claimed & set(origin.scanner.split()):
        notes["{count} files carry another scanner than the table says; the files were believed."] += 1


def _unknown_classes(samples: Sequence[Sample]) -> list[str]:
    unknown = sorted({sample.label for sample in samples if sample.label and not labels.is_known(sample.label)})
    return [f"Class {name!r} is not one that medtl knows; it counts as tumour." for name in unknown]


def _is_synthetic(found: _Found) -> bool:
    mark = found.source(SYNTHETIC_MARK)
    if not exists(mark):
        return False
    try:
        content = json.loads(read_source(mark))
    except ValueError:
        raise DataError(f"{SYNTHETIC_MARK} is damaged; make the phantom again") from None
    return isinstance(content, dict) and content.get("synthetic") is True


def _natural(path: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts `image 10` behind `image 9`."""
    parts = re.split(r"([0-9]+)", path)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)
