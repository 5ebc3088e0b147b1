"""From the layouts in which people keep brain MRI to samples; and the pixels of one sample.

The layout is recognised (`shared.data.layouts`), in a folder or a `.zip`, below folders that wrap it all:

- folders by class, with or without Training and Testing above them: PNG, JPEG, TIFF, BMP, WebP or DICOM files;
- folders by site or patient, in each folders by class; the configuration says which of the two they are;
- a tree with `labels.csv`: DICOM files, pictures, NIfTI volumes;
- such a table given by its own path, file names relative to it.

Columns of a table: path (or image), label, and where known group, patient, domain, scanner, split, mask, slice, series,
number (order of a slice in its series), plane, contrast, and auxiliary labels under headings such as `label:plane`. A
file that states its series, place, plane or contrast is believed before the table; the contrast of a NIfTI volume that
the table does not state is read from its name (`medtl.volume_name`). The tags of a DICOM file say who and
where: a column `patient` or `scanner` that contradicts them is outvoted and a note says so. `group`, `domain` and the
folder of a site are the person's own choice and stand. A volume gives one sample a slice of the plane that was
acquired; with a column `slice` (from 0, from the feet up, from front to back or from left to right) only that one, else
all slices under the label of the volume. Slices are read in the view of `medtl.dicom.view`, as `predict` reads them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtl import labels
from medtl.class_words import nearest_class
from medtl.dicom.properties import PIXEL_SPACING, properties
from medtl.dicom.reader import read_dicom, read_header
from medtl.dicom.rules import check_suitable
from medtl.dicom.view import AXES, View, view_of
from medtl.dicom.weighting import weighting_of_name
from medtl.foreign import foreign_kind, kind_of_no_image
from medtl.masks import is_mask
from medtl.measured import GROUND, measured
from medtl.nifti import Pixels, is_volume, read_placement, read_volume
from medtl.scanners import scanner_name, scanner_of_header
from medtl.settings import Settings
from medtl.transforms import crop_box, preprocess_mask
from medtl.volume_name import BY_NAME, contrast_of_volume
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
from shared.samples import NO_MEANINGS, NOT_STATED, UNKNOWN_DOMAIN, Dataset, Meanings, Position, Sample
from shared.task import Preprocessing

SYNTHETIC_MARK = "phantom.json"
_DECODING = threading.Lock()
"""One volume at a time: two threads would decode the same one twice, and warnings are silenced for all threads."""


@dataclass(frozen=True)
class _Origin:
    """What a file itself says: its frames, how they were acquired, and for DICOM the patient, series and scanner."""

    frames: int = 1
    volume: bool = False
    patient: str = ""
    series: str = ""
    scanner: str = ""
    acquisition: Mapping[str, str | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    synthetic: bool = False
    positions: tuple[Position, ...] = ()


def _may_be_image(name: str) -> bool:
    suffix = PurePosixPath(name).suffix.lower()
    # DICOM files often have no suffix, or end in a number: IM0001, 1.2.840.10008.
    return is_picture(name) or is_volume(name) or suffix in ("", ".dcm", ".dicom", ".ima") or suffix[1:].isdigit()


SEARCH = Search(
    columns=COLUMNS
    | {
        "patient": ("patient", "patient_id", "subject"),
        "scanner": ("scanner", "manufacturer"),
        "mask": ("mask",),
        "slice": ("slice", "frame"),
        "series": ("series",),
        "number": ("number", "slice_number", "slice number"),
        "plane": ("plane",),
        "contrast": ("contrast",),
    },
    is_image=_may_be_image,
    is_class=labels.is_known,
    example="glioma/, no_tumour/",
    classes=labels.KNOWN_CLASSES,
    nearest=nearest_class,
    is_mask=is_mask,
    kind=foreign_kind,
)


def load(
    source: Path, options: Mapping[str, Any], *, unlabelled: bool = False, meanings: Meanings = NO_MEANINGS
) -> Dataset:
    """Finds the samples in a folder, zip or table; reads headers, and no pixels.

    Args:
        source: The folder, `.zip`, or CSV table.
        options: Preprocessing options, the fields of `medtl.settings.Settings`.
        unlabelled: Whether all images count, and labels are not read; the samples then have none.
        meanings: What the configuration says of folders and labels that medtl does not know.

    Returns:
        The samples, their classes in the order of a network's outputs, and notes for the user.

    Raises:
        DataError: No layout is recognised, or something is missing or contradictory; all faults are counted.
        ConfigError: An option is unknown or its value is not allowed.
        MeaningError: A folder or label is not known, and `meanings` does not say what it is.
    """
    settings = Settings.of(options)
    layout = find_layout(source, SEARCH, unlabelled=unlabelled, meanings=meanings)
    _refuse_nested_classes(layout.entries)
    pseudonym = Pseudonymiser.of_this_user()
    counts = Counter[str]()
    samples = collect(layout, lambda entry: _samples(entry, layout, pseudonym, counts))
    notes = [*layout.notes, *(text.format(count=count) for text, count in counts.items())]
    if settings.labels == "binary" and not unlabelled:
        samples = [_without_type(sample) for sample in samples]
    masks = dict.fromkeys(sample.mask for sample in samples if sample.mask)
    return Dataset(
        samples=tuple(samples),
        classes=labels.ordered(sample.label for sample in samples if sample.label),
        content_hash=hash_sources([*dict.fromkeys(sample.source for sample in samples), *masks]),
        synthetic=synthetic_mark(layout, SYNTHETIC_MARK) is not None or any(one.synthetic for one in samples),
        notes=tuple(notes),
        used=layout.used,
    )


def read(sample: Sample) -> Pixels:
    """Reads the raw pixels of one sample as prediction does, in the view in which they are judged.

    Returns:
        float32 [rows, columns], or [rows, columns, 3] of a colour picture; finite.

    Raises:
        DataError: The file is damaged, in false colours, or has values within the head that are no numbers; the message
            names it.
    """
    with naming(sample.source):
        stored, view = _stored(sample.source, sample.frame)
        try:
            (pixels,), _ = measured([stored])
        except InputRefused as refusal:
            raise DataError(str(refusal)) from None
        return pixels if view is None else view.apply(pixels)


def read_mask(sample: Sample, spec: Preprocessing) -> NDArray[np.bool_] | None:
    """Reads a sample's mask, turned, cut and resized as its image.

    A mask that is a picture, or does not say how it lies in space, lies on the stored pixels of its image.

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
    # JPEG leaves a grey fringe around what was black and white; other files mean every value but 0.
    level = 127.5 if sample.mask.lower().endswith((".jpg", ".jpeg")) else 0.0
    image = read(sample)
    with naming(sample.mask):
        pixels, view = _mask_pixels(sample)
        drawn = ((pixels.max(axis=2) if pixels.ndim == 3 else pixels) > level).astype(np.float32)
        return preprocess_mask((drawn if view is None else view.apply(drawn)) >= 0.5, image, spec)


def pixel_mm(sample: Sample, spec: Preprocessing) -> float | None:
    """Computes the side of one pixel of a sample's preprocessed image.

    Args:
        sample: The sample; its pixels are read where its spacing is stated, as the head that is cut out decides.
        spec: Preprocessing of its image.

    Returns:
        The side in mm; None where the header does not state the spacing of the pixels.

    Raises:
        DataError: The image is damaged; the message names the file.
    """
    spacing_mm = sample.acquisition.get(PIXEL_SPACING)
    if not isinstance(spacing_mm, (int, float)):
        return None
    return spacing_mm * crop_box(read(sample), spec).side / spec.size


def _mask_pixels(sample: Sample) -> tuple[Pixels, View | None]:
    """The stored pixels of a mask, and the view that brings them onto the image of the sample."""
    pixels, own = _stored(str(sample.mask), sample.frame)
    if own is not None and own.plane is not None:
        return pixels, own
    if is_picture(sample.source):
        return pixels, None
    with _DECODING:
        return pixels, _slices(sample.source)[1]


def _stored(source: str, frame: int) -> tuple[Pixels, View | None]:
    """A picture, or one slice of a DICOM file or volume, as it is stored; and its view, None for a picture."""
    if is_picture(source):
        return read_picture(read_source(source), ground=GROUND), None
    with _DECODING:
        slices, view = _slices(source)
    if frame >= len(slices):
        raise DataError(f"slice {frame} does not exist; the file has {len(slices)}")
    return slices[frame], view


@lru_cache(maxsize=2)
def _slices(source: str) -> tuple[Sequence[Pixels], View]:
    """Decodes all slices of a file, in the order of their view.

    The last files are kept, so that a volume is decoded once, not once a slice.
    """
    data = read_source(source)
    if is_volume(source):
        slices, placement = read_volume(data)
        return list(slices), placement.view
    try:
        # A series may have slices outside the head, without any contrast.
        image = read_dicom(data, allow_blank=True)
        planes = image.header.geometry.planes
        view = view_of(planes)
        return [image.frames[index] for index in view.order([one.position_mm for one in planes])], view
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
            if folder != entry.label and (split_name(folder) or labels.is_known(folder)):
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
    notes.update(f"{{count}} files: {note}." for note in origin.notes)
    group = _group(entry, origin)
    series = _series(entry, origin)
    acquisition = _acquisition(entry, origin, notes)
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
            acquisition=acquisition,
            synthetic=origin.synthetic,
            position=None if series is None else _position(entry, origin, frame),
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
        placement = read_placement(data)
        return _Origin(
            frames=placement.count,
            volume=True,
            acquisition=properties(placement.view),
            notes=(*placement.view.unstated, *placement.notes),
            positions=placement.positions,
        )
    try:
        header = read_header(data)
        check_suitable(header)
        view = view_of(header.geometry.planes)
    except InputRefused as refusal:
        raise DataError(str(refusal)) from None
    places = [one.position_mm for one in header.geometry.planes]
    return _Origin(
        frames=header.layout.slices,
        patient=header.identifiers.patient_id.strip(),
        series=header.identifiers.series_uid,
        scanner=scanner_of_header(header.equipment.manufacturer, header.equipment.model),
        acquisition=properties(view, [header]),
        notes=view.unstated,
        synthetic=header.synthetic,
        positions=view.positions([places[index] for index in view.order(places)]),
    )


def _group(entry: ImageEntry, origin: _Origin) -> tuple[str, str] | None:
    """Returns kind and identifier of what must stay together: the group that is given, else the patient or series."""
    if patient := entry.group or origin.patient or _patient(entry):
        return "patient", patient
    return _series(entry, origin)


def _series(entry: ImageEntry, origin: _Origin) -> tuple[str, str] | None:
    """Returns kind and identifier of what `predict` judges as one: DICOM series, volume, or series of the table."""
    if origin.series:
        return "series", origin.series
    if origin.volume:
        return "file", entry.path
    if not entry.cell("series"):
        return None
    # "1" of two patients are two series
    return "series", "/".join((entry.within_domain(entry.group or _patient(entry)), entry.cell("series")))


def _position(entry: ImageEntry, origin: _Origin, frame: int) -> Position | None:
    """The place of a slice in its series, by the geometry of its file, else by the number in the table.

    Raises:
        DataError: The number is none.
    """
    if origin.positions:
        return origin.positions[frame]
    if not (text := entry.cell("number")) or origin.frames > 1:
        return None
    try:
        return Position(float(int(text)), "slices")
    except ValueError:
        raise DataError(f"the number of the slice is {text!r}; allowed is a whole number") from None


def _acquisition(entry: ImageEntry, origin: _Origin, notes: Counter[str]) -> Mapping[str, str | float]:
    """How an image was acquired, by its file; by the table where that states no plane or contrast.

    The contrast of a volume that neither states is that of its name.
    """
    plane, contrast = entry.cell("plane").lower(), entry.cell("contrast")
    told = {"plane": plane if plane in AXES else "", "contrast": weighting_of_name(contrast)}
    for name, text in (("plane", plane), ("contrast", contrast)):
        if text and not told[name]:
            notes[
                f"{{count}} images have a {name} in the table that has no meaning here: it counts as {NOT_STATED}."
            ] += 1
    if origin.volume and not contrast and (named := contrast_of_volume(entry.path)):
        told["contrast"] = named
        notes[f"{{count}} files: {BY_NAME.format(named)}."] += 1
    stated = {name: value for name, value in origin.acquisition.items() if value != NOT_STATED}
    return {**origin.acquisition, **{name: value for name, value in told.items() if value}, **stated}


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
