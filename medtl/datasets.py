"""From the layouts in which people keep brain MRI to samples; and the pixels of one sample.

The layout is recognised (`shared.data.layouts`), in a folder or a `.zip`, below at most one wrapping folder:

- folders by class, with or without Training and Testing above them: PNG, JPEG, TIFF, BMP, WebP or DICOM files;
- folders by site, in each folders by class; the site is the domain;
- a tree with `labels.csv`: DICOM files, pictures, NIfTI volumes;
- such a table given by its own path, file names relative to it.

Columns of a table: path (or image), label, and where known group, patient, domain, scanner, split, mask, slice, and
auxiliary labels under headings such as `label:plane`. The tags of a DICOM file say who and where: a column `patient` or
`scanner` that contradicts them is outvoted and a note says so. `group`, `domain` and the folder of a site are the
person's own choice and stand. A volume gives one sample a slice; with a column `slice` (from 0, from the feet up) only
that one, else all slices under the label of the volume.
"""

from __future__ import annotations

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
from medtl.dicom.reader import read_dicom, read_header
from medtl.dicom.rules import check_suitable
from medtl.foreign import kind_of_no_image
from medtl.nifti import Pixels, is_volume, read_volume, volume_shape
from medtl.scanners import scanner_name, scanner_of_header
from medtl.settings import Settings
from medtl.transforms import preprocess_mask
from shared.data.layouts import (
    COLUMNS,
    ImageEntry,
    Layout,
    Search,
    collect,
    find_layout,
    normal_path,
    parse_split,
    split_name,
    synthetic_mark,
)
from shared.data.pseudonyms import Pseudonymiser
from shared.errors import DataError, InputRefused
from shared.io.archives import faults_error, hash_sources, naming, read_source
from shared.io.pictures import is_picture, read_picture
from shared.samples import UNKNOWN_DOMAIN, Dataset, Sample
from shared.task import Preprocessing

SYNTHETIC_MARK = "phantom.json"
_DECODING = threading.Lock()
"""One volume at a time: two threads would decode the same one twice, and warnings are silenced for all threads."""


@dataclass(frozen=True)
class _Origin:
    """What a file itself says: its number of frames, and for DICOM the patient, series and scanner."""

    frames: int = 1
    volume: bool = False
    patient: str = ""
    series: str = ""
    scanner: str = ""


def _may_be_image(name: str) -> bool:
    suffix = PurePosixPath(name).suffix.lower()
    # DICOM files often have no suffix, or end in a number: IM0001, 1.2.840.10008.
    return is_picture(name) or is_volume(name) or suffix in ("", ".dcm", ".dicom", ".ima") or suffix[1:].isdigit()


def _is_class_name(folder: str) -> bool:
    try:
        return labels.is_known(labels.canonical(folder))
    except DataError:
        return False


SEARCH = Search(
    columns=COLUMNS
    | {
        "patient": ("patient", "patient_id", "subject"),
        "scanner": ("scanner", "manufacturer"),
        "mask": ("mask",),
        "slice": ("slice", "frame"),
    },
    is_image=_may_be_image,
    is_class=_is_class_name,
    example="glioma/, no_tumour/",
)


def load(source: Path, options: Mapping[str, Any], *, unlabelled: bool = False) -> Dataset:
    """Finds the samples in a folder, zip or table; reads headers, and no pixels.

    Args:
        source: The folder, `.zip`, or CSV table.
        options: Preprocessing options, the fields of `medtl.settings.Settings`.
        unlabelled: Whether all images count, and labels are not read; the samples then have none.

    Returns:
        The samples, their classes in the order of a network's outputs, and notes for the user.

    Raises:
        DataError: No layout is recognised, or something is missing or contradictory; all faults are counted.
        ConfigError: An option is unknown or its value is not allowed.
    """
    settings = Settings.of(options)
    layout = find_layout(source, SEARCH, unlabelled=unlabelled)
    _refuse_nested_classes(layout.entries)
    pseudonym = Pseudonymiser.of_this_user()
    counts = Counter[str]()
    samples = collect(layout, lambda entry: _samples(entry, layout, pseudonym, counts))
    notes = [*layout.notes, *(text.format(count=count) for text, count in counts.items()), *_unknown_classes(samples)]
    if settings.labels == "binary" and not unlabelled:
        samples = [_without_type(sample) for sample in samples]
    masks = dict.fromkeys(sample.mask for sample in samples if sample.mask)
    return Dataset(
        samples=tuple(samples),
        classes=labels.ordered(sample.label for sample in samples if sample.label),
        content_hash=hash_sources([*dict.fromkeys(sample.source for sample in samples), *masks]),
        synthetic=synthetic_mark(layout, SYNTHETIC_MARK) is not None,
        notes=tuple(notes),
    )


def read(sample: Sample) -> Pixels:
    """Reads the raw pixels of one sample, float32 [rows, columns], or [rows, columns, 3] of a colour picture.

    Raises:
        DataError: The file is damaged; the message names it.
    """
    return _pixels(sample.source, sample.frame)


def read_mask(sample: Sample, spec: Preprocessing) -> NDArray[np.bool_] | None:
    """Reads a sample's mask, cut and resized as its image.

    Args:
        sample: The sample.
        spec: Preprocessing of its image.

    Returns:
        bool [size, size], true in the finding; None where the sample has no mask.

    Raises:
        DataError: Mask or image is damaged, or they differ in shape; the message names the file.
    """
    if sample.mask is None:
        return None
    pixels = _pixels(sample.mask, sample.frame)
    # JPEG leaves a grey fringe around what was black and white; other files mean every value but 0.
    level = 127.5 if sample.mask.lower().endswith((".jpg", ".jpeg")) else 0.0
    mask = (pixels.max(axis=2) if pixels.ndim == 3 else pixels) > level
    image = read(sample)
    with naming(sample.mask):
        return preprocess_mask(np.asarray(mask), image, spec)


def _pixels(source: str, frame: int) -> Pixels:
    with naming(source):
        if is_picture(source):
            return read_picture(read_source(source))
        with _DECODING:
            slices = _slices(source)
        if frame >= len(slices):
            raise DataError(f"slice {frame} does not exist; the file has {len(slices)}")
        return slices[frame]


@lru_cache(maxsize=2)
def _slices(source: str) -> Sequence[Pixels]:
    """Decodes all slices of a file; the last files are kept, so that a volume is decoded once, not once a slice."""
    data = read_source(source)
    if is_volume(source):
        return list(read_volume(data))
    try:
        # A series may have slices outside the head, without any contrast.
        return list(read_dicom(data, allow_blank=True).frames)
    except InputRefused as refusal:
        raise DataError(str(refusal)) from None


def _without_type(sample: Sample) -> Sample:
    """Makes the label binary; the type of tumour becomes the auxiliary label `type`, where it is known."""
    label = sample.label or ""
    binary = labels.binary(label)
    auxiliary = sample.auxiliary if label == binary else {"type": label, **sample.auxiliary}
    return replace(sample, label=binary, auxiliary=auxiliary)


def _refuse_nested_classes(entries: Sequence[ImageEntry]) -> None:
    """Refuses a class within a class: the tree is another one than was thought, and the labels would be wrong."""
    faults = {}
    for entry in entries:
        for folder in entry.folders[1:]:
            if folder != entry.label and (split_name(folder) or _is_class_name(folder)):
                faults[entry.label, folder] = f"folder {folder} lies within what looks like the class {entry.label}"
    if faults:
        raise faults_error("folders contradict each other; give the folder right above the classes", [*faults.values()])


def _samples(entry: ImageEntry, layout: Layout, pseudonym: Pseudonymiser, notes: Counter[str]) -> Iterable[Sample]:
    """Makes the samples of one entry: one, or one a slice.

    Raises:
        DataError: The entry is inconsistent, for example names a slice that the file does not have.
    """
    label, split = None if layout.unlabelled else labels.canonical(entry.label), parse_split(entry.split)
    source = layout.file(entry.path)
    mask = layout.file(normal_path(entry.cell("mask")), "mask") if entry.cell("mask") else None
    origin = _origin(source)
    _note_contradictions(entry, origin, notes)
    group = _group(entry, origin)
    series = _series(entry, origin)
    for frame in _frames(entry, origin, Counter() if layout.unlabelled else notes):
        yield Sample(
            id=pseudonym("image", f"{entry.path}#{frame}" if frame else entry.path),
            source=source,
            label=label,
            group=None if group is None else pseudonym(*group),
            domain=entry.domain or origin.scanner or scanner_name(entry.cell("scanner")) or UNKNOWN_DOMAIN,
            split=split,
            mask=mask,
            frame=frame,
            series=None if series is None else pseudonym(*series),
            has_global_group_id=bool(origin.patient) and not entry.group,
            auxiliary=entry.auxiliary,
        )


def _patient(entry: ImageEntry) -> str:
    """Returns the patient by the table, or by the folder right below that of the class; empty where neither says."""
    return entry.cell("patient") or entry.within_domain("".join(entry.folders[1:2]))


def _origin(source: str) -> _Origin:
    if is_picture(source):
        return _Origin()
    data = read_source(source)
    if (kind := kind_of_no_image(data)) is not None:
        raise DataError(f"the file {kind.reason}")
    if is_volume(source):
        return _Origin(frames=volume_shape(data)[2], volume=True)
    try:
        header = read_header(data)
        check_suitable(header)
    except InputRefused as refusal:
        raise DataError(str(refusal)) from None
    return _Origin(
        frames=header.layout.slices,
        patient=header.identifiers.patient_id.strip(),
        series=header.identifiers.series_uid,
        scanner=scanner_of_header(header.equipment.manufacturer, header.equipment.model),
    )


def _group(entry: ImageEntry, origin: _Origin) -> tuple[str, str] | None:
    """Returns kind and identifier of what must stay together: the group that is given, else the patient or series."""
    if patient := entry.group or origin.patient or _patient(entry):
        return "patient", patient
    return _series(entry, origin)


def _series(entry: ImageEntry, origin: _Origin) -> tuple[str, str] | None:
    """Returns kind and identifier of what `predict` judges as one: DICOM series or volume; None for a picture."""
    if origin.series:
        return "series", origin.series
    return ("file", entry.path) if origin.volume else None


def _frames(entry: ImageEntry, origin: _Origin, notes: Counter[str]) -> Sequence[int]:
    if origin.frames == 1 and not origin.volume:
        return (0,)  # the column `slice` of a series in single files counts the files
    text = entry.cell("slice")
    if not text:
        notes["{count} volumes have one label for all slices, also for those that do not cut the finding."] += 1
        return range(origin.frames)
    if not text.isdecimal() or int(text) >= origin.frames:
        raise DataError(f"the slice is {text!r}; the volume has 0 to {origin.frames - 1}")
    return (int(text),)


def _note_contradictions(entry: ImageEntry, origin: _Origin, notes: Counter[str]) -> None:
    patient = _patient(entry)
    if entry.folders:
        if patient and not origin.patient:
            notes["{count} images take the folder below their class for the patient."] += 1
        return
    if patient and origin.patient and patient != origin.patient and not entry.group:
        notes["{count} files carry another PatientID than the table says; the files were believed."] += 1
    claimed = set(scanner_name(entry.cell("scanner")).split())
    if claimed and origin.scanner and not entry.domain and not claimed & set(origin.scanner.split()):
        notes["{count} files carry another scanner than the table says; the files were believed."] += 1


def _unknown_classes(samples: Sequence[Sample]) -> list[str]:
    unknown = sorted({sample.label for sample in samples if sample.label and not labels.is_known(sample.label)})
    return [f"Class {name!r} is not one that medtl knows; it counts as tumour." for name in unknown]
