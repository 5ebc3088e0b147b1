"""From one entry of a layout, a file with what a table or folders say of it, to its samples: one, or one a slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from medtl import labels
from medtl.dicom.view import AXES
from medtl.dicom.weighting import weighting_of_name
from medtl.origin import Origin, origin_of
from medtl.scanners import scanner_name
from medtl.volume_name import BY_NAME, contrast_of_volume
from shared.data.layouts import (
    ImageEntry,
    Layout,
    normal_path,
    parse_split,
)
from shared.data.pseudonyms import Pseudonymiser
from shared.errors import DataError
from shared.samples import NOT_STATED, UNKNOWN_DOMAIN, Position, Sample


def samples_of(entry: ImageEntry, layout: Layout, pseudonym: Pseudonymiser, notes: Counter[str]) -> Iterable[Sample]:
    """Makes the samples of one entry: one, or one a slice.

    Raises:
        DataError: The entry is inconsistent, for example names a slice that the file does not have.
    """
    label, split = None if layout.unlabelled else labels.canonical(entry.label), parse_split(entry.split)
    source = layout.file(entry.path)
    mask = layout.file(normal_path(entry.cell("mask")), "mask") if entry.cell("mask") else None
    origin = origin_of(source)
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


def _group(entry: ImageEntry, origin: Origin) -> tuple[str, str] | None:
    """Returns kind and identifier of what must stay together: the group that is given, else the patient or series."""
    if patient := entry.group or origin.patient or _patient(entry):
        return "patient", patient
    return _series(entry, origin)


def _series(entry: ImageEntry, origin: Origin) -> tuple[str, str] | None:
    """Returns kind and identifier of what `predict` judges as one: DICOM series, volume, or series of the table."""
    if origin.series:
        return "series", origin.series
    if origin.volume:
        return "file", entry.path
    if not entry.cell("series"):
        return None
    # "1" of two patients are two series
    return "series", "/".join((entry.within_domain(entry.group or _patient(entry)), entry.cell("series")))


def _position(entry: ImageEntry, origin: Origin, frame: int) -> Position | None:
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


def _acquisition(entry: ImageEntry, origin: Origin, notes: Counter[str]) -> Mapping[str, str | float]:
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


def _frames(entry: ImageEntry, origin: Origin, notes: Counter[str]) -> Sequence[int]:
    if origin.frames == 1 and not origin.volume:
        return (0,)  # the column `slice` of a series in single files counts the files
    text = entry.cell("slice")
    if not text:
        notes["{count} volumes have one label for all slices, also for those that do not cut the finding."] += 1
        return range(origin.frames)
    if not text.isdecimal() or int(text) >= origin.frames:
        raise DataError(f"the slice is {text!r}; the volume has 0 to {origin.frames - 1}")
    return (int(text),)


def _note_contradictions(entry: ImageEntry, origin: Origin, notes: Counter[str]) -> None:
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
