"""Reading what `predict` is asked to judge: named items, each with slices or with the reason for its refusal.

A folder, zip or DICOMDIR is gone through twice: first for the headers, which say what belongs to which series; then,
series by series, for the pixels. So the pixels of at most one series are in memory, and of the files no more than
`medtl.dicom.scan` keeps: what is above is read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medtl.beside import EXAM_SUFFIXES, Reader, holds_exams, pass_over
from medtl.dicom.directory import note_missing
from medtl.dicom.properties import properties
from medtl.dicom.reader import DicomObject, read_file_ids, read_header, untrusted_decoding
from medtl.dicom.rules import MEDIA_DIRECTORY
from medtl.dicom.scan import (
    Contents,
    Refused,
    SeriesFiles,
    decode_series,
    name_series,
    place_damaged,
    resolve_file_ids,
    scan,
)
from medtl.dicom.view import View
from medtl.foreign import foreign_kind, is_nifti
from medtl.judgeable import judgeable
from medtl.little_head import LEAST_OF_PICTURE
from medtl.masks import is_mask
from medtl.measured import GROUND, measured
from medtl.nifti import is_volume, read_volume
from medtl.scanners import scanner_of_header
from medtl.volume_name import BY_NAME, contrast_of_volume
from shared.data.layouts import COLUMNS, left_out, normal_path
from shared.data.layouts.table import TABLE_NAMES, read_table
from shared.errors import DataError, InputRefused
from shared.io.archives import (
    SEPARATOR,
    is_archive,
    is_side_file,
    list_all,
    list_sources,
    nothing_to_judge,
    read_source,
    require_paths,
)
from shared.io.archives import SIDE_FILES as COMMON_SIDE_FILES
from shared.io.kinds import GZIP, gunzipped_head, names_in_zip, suffix_of
from shared.io.kinds import ZIP as ZIP_ARCHIVE
from shared.io.pictures import SUFFIXES as PICTURE_SUFFIXES
from shared.io.pictures import is_picture_data, is_synthetic_picture, read_picture
from shared.samples import UNKNOWN_DOMAIN, Position
from shared.task import Item, Origin

UNSTATED = "the file does not say what it shows: that it is a head MRI was not checked"
UNPLACED_PICTURE = "a picture does not say how it lies in the patient: it is judged as it stands"
DICOM = "DICOM"
"""The `format` of a series that DICOM objects can refer to."""
MIN_SIDE = 32
"""Fewest rows and columns of a slice that is judged; smaller ones are icons and test objects."""
SIDE_FILES = COMMON_SIDE_FILES | {".bval", ".bvec"}
"""Diffusion volumes come with the strength and the direction of their gradients in files of their own."""

NAMES_OF_EXAMS = EXAM_SUFFIXES | {"", *PICTURE_SUFFIXES}
"""Suffixes of members for which an archive in an archive may hold an exam; without suffix are many DICOM files."""

Kind = Literal["dicom", "picture", "volume", "zip", "foreign", "foreign picture", "clutter", "pointer"]
FOREIGN_KINDS: dict[str, Kind] = {
    "picture": "foreign picture",
    "clutter": "clutter",
    "pointer": "pointer",
    "volume": "foreign",
    "archive": "foreign",
}


def read_inputs(paths: Sequence[Path]) -> Iterator[Item]:
    """Reads everything that `predict` was asked to judge, one item at a time.

    A DICOM file, picture (PNG, JPEG, TIFF, BMP, WebP) or NIfTI volume is one item; a folder, zip or DICOMDIR gives one
    item for each DICOM series in it and one for each volume. Pictures are items where there is no series beside them.

    Args:
        paths: Files, folders, zips and DICOMDIRs.

    Returns:
        The items in order. What cannot be judged, and a folder without images, is an item with a refusal.

    Raises:
        UsageError: A path does not exist; nothing has been read then.
    """
    require_paths(paths, "a DICOM file, a folder, a zip, a picture or a NIfTI volume")
    return (item for path in paths for item in _read_path(path))


def _read_path(path: Path) -> Iterator[Item]:
    if path.is_dir() or is_archive(path):
        yield from _read_container(path)
        return
    name = str(path)
    if is_mask(path.name):
        yield Item(name, refusal="is a mask by its name, a drawing of a finding; give the scan that it was drawn on")
        return
    try:
        data = read_source(name)
        is_directory = _is_dicom(data) and read_header(data).sop_class == MEDIA_DIRECTORY
        listed = resolve_file_ids(path.parent, read_file_ids(data)) if is_directory else None
    except (DataError, InputRefused) as error:
        yield Item(name, refusal=str(error))
        return
    except OSError as error:  # of a disc that a DICOMDIR lies on
        yield Item(name, refusal=f"cannot be read ({type(error).__name__})")
        return
    if listed is None:
        yield _read_file(name)
    else:
        yield from _read_dicomdir(name, listed)


def _read_container(path: Path) -> Iterator[Item]:
    """The items of a folder or zip."""
    name = str(path)
    try:
        listed = list_all(path)
    except DataError as error:
        yield Item(name, refusal=str(error))
        return
    contents = _scan(listed.sources, path)
    for source, reason in listed.unread:
        _add_unread(Refused(source, reason), contents)
    for item in _read_contents(name, contents):
        yield item if item.refusal else replace(item, notes=(*item.notes, *contents.notes))


def _add_unread(place: Refused, contents: Contents) -> None:
    """Adds a link or folder that was not read: it is named, and a series that it may be a slice of is not whole."""
    if not Path(place.source).is_dir():
        place_damaged(place, contents)
    if place not in contents.entries:
        contents.entries.append(place)


def _read_dicomdir(name: str, listed: Sequence[str | None]) -> Iterator[Item]:
    """The items among the files that a DICOMDIR lists; None stands for a file that is missing."""
    found = [source for source in listed if source is not None]
    contents = _scan(found, Path(name).parent)
    if missing := len(listed) - len(found):
        lack = f"{missing} of {len(listed)} files that the DICOMDIR lists are missing"
        contents.entries.append(Refused(name, lack))
        for series in contents.series():
            series.notes.append(f"{lack}: a slice may be among them")
    yield from _read_contents(name, contents)


def _scan(sources: Sequence[str], root: Path) -> Contents:
    """Sorts files below a folder or in a zip into series and others; passes over masks and what is no exam."""
    masks = _masks(sources)
    wanted = [source for source in sources if source not in masks and not is_side_file(source, SIDE_FILES)]
    contents = scan(wanted, _kind)
    note_missing(contents.series(), sources)
    contents.passed_over += len(sources) - len(wanted)
    contents.notes = left_out(sum(source in masks for source in sources), "masks by their names or a table")
    side_files = sum(is_side_file(source, SIDE_FILES) for source in sources)
    pass_over(contents, root, side_files, Reader(_why_not_read, _holds_nothing))
    return contents


def _why_not_read(source: str) -> str:
    return _read_file(source).refusal or "is a picture under the name of a DICOM file"


def _holds_nothing(source: str) -> bool:
    """Whether a zip holds nothing that can be judged; of one within an archive only the names are looked at."""
    try:
        if SEPARATOR not in source:
            return not holds_exams(_scan(list_sources(Path(source)), Path(source)))
        return not any(suffix_of(name) in NAMES_OF_EXAMS for name in names_in_zip(read_source(source)))
    except DataError:
        return False


def _masks(sources: Sequence[str]) -> set[str]:
    """The files that are masks by their names, or by a `labels.csv` among them: drawings of findings, and no scans."""
    masks = {source for source in sources if is_mask(_below_folder(source))}
    for table in (source for source in sources if PurePosixPath(source).name in TABLE_NAMES):
        with suppress(DataError):
            rows = read_table(read_source(table), COLUMNS | {"mask": ("mask",)})
            folder = table.removesuffix(PurePosixPath(table).name)
            masks |= {folder + normal_path(row.cell("mask")) for row in rows if row.cell("mask")}
    return masks


def _below_folder(source: str) -> str:
    """The name of a file with the folder that it lies in; folders above may be called anything."""
    return "/".join(PurePosixPath(source.rpartition(SEPARATOR)[2]).parts[-2:])


def _read_contents(name: str, contents: Contents) -> Iterator[Item]:
    names = name_series(name, contents.series())
    for entry in contents.entries:
        if isinstance(entry, Refused):
            yield Item(entry.source, refusal=entry.reason)
        elif isinstance(entry, SeriesFiles):
            yield _read_series(next(names), entry)
        elif entry.kind != "zip":
            yield _read_file(entry.source)
        elif SEPARATOR in entry.source:
            yield Item(entry.source, refusal="is an archive in an archive; unpack it first")
        else:
            yield from _read_container(Path(entry.source))
    if not contents.entries:
        yield Item(name, refusal=nothing_to_judge(contents.passed_over), notes=tuple(contents.notes))


def _read_series(name: str, series: SeriesFiles) -> Item:
    try:
        slices, view, notes = decode_series(series)
        places = tuple(one.origin for one in slices), view.positions([one.plane.position_mm for one in slices])
        item = _judgeable(name, [one.pixels for one in slices], view, notes, *places)
    except InputRefused as error:
        origins = tuple(Origin(source) for source, _ in series.files)
        return Item(name, refusal=str(error), notes=tuple(series.notes), origins=origins, series=_stated(series))
    makers = (header.equipment for _, header in series.files)
    scanners = {scanner_of_header(maker.manufacturer, maker.model) or UNKNOWN_DOMAIN for maker in makers}
    acquired = properties(view, [header for _, header in series.files])
    synthetic = all(header.synthetic for _, header in series.files)
    return replace(
        item,
        domains=tuple(sorted(scanners)),
        acquisition=acquired,
        synthetic=synthetic,
        series={**_stated(series), **item.series},
    )


def _stated(series: SeriesFiles) -> dict[str, str | int]:
    """What the files of a DICOM series say of it as a whole, as `Item.series` has it."""
    number = series.number()
    return {"format": DICOM} if number is None else {"format": DICOM, "series_number": number}


def _read_file(source: str) -> Item:
    """The item of one file: a DICOM object, a picture or a volume."""
    try:
        data = read_source(source)
        kind = _kind(source, data)
        if kind == "dicom":
            read = DicomObject(data)
            return _read_series(source, SeriesFiles([(source, read.header)], {source: read}))
        if kind == "volume":
            return _read_volume(source, data)
        if kind != "picture" and (known := foreign_kind(data)) is not None:
            raise InputRefused(known.reason)
        with untrusted_decoding():
            picture = read_picture(data, ground=GROUND)
        item = _judgeable(source, [picture], None, (UNSTATED, UNPLACED_PICTURE), (Origin(source),))
        return replace(item, series={"format": "picture"}, synthetic=is_synthetic_picture(data))
    except (DataError, InputRefused) as error:
        return Item(source, refusal=str(error))


def _read_volume(source: str, data: bytes) -> Item:
    with untrusted_decoding():
        slices, placement = read_volume(data)
    notes = (UNSTATED, *placement.view.notes, *placement.notes)
    places = [placement.index(number) for number in range(placement.count)]
    origins = tuple(Origin(source, index, {"index": index}) for index in places)
    item = _judgeable(source, list(slices), placement.view, notes, origins, placement.positions)
    contrast = contrast_of_volume(source)
    if contrast:
        acquired = {**item.acquisition, "contrast": contrast}
        item = replace(item, acquisition=acquired, notes=(*item.notes, BY_NAME.format(contrast)))
    return replace(item, series={"format": "NIfTI", "axis": placement.axis, **item.series})


def _kind(source: str, data: bytes) -> Kind:
    """The kind of a file by its bytes; its name counts only where they do not show the kind."""
    if _is_dicom(data):
        return "dicom"
    if is_picture_data(data):
        return "picture"
    if is_nifti(gunzipped_head(data)):
        return "volume"
    known = foreign_kind(data)
    if known is None or known is GZIP:
        return "volume" if is_volume(source) else "foreign" if known else "dicom"
    if known is ZIP_ARCHIVE:
        return "zip"
    return FOREIGN_KINDS[known.group]


def _is_dicom(data: bytes) -> bool:
    return data[128:132] == b"DICM"


def _judgeable(
    name: str,
    slices: Sequence[NDArray[np.float32]],
    view: View | None,
    notes: tuple[str, ...],
    origins: tuple[Origin, ...],
    positions: tuple[Position, ...] = (),
) -> Item:
    """The item, if a head is to be seen on it; its slices that are blank, noise alone or show little head are left out.

    Such a slice says nothing of the patient, but a network answers it all the same, and that answer would go into that
    of the series: scanners and anonymisers add black slices, and these must not change what is found.

    Args:
        name: Name of the item.
        slices: All its slices as they are stored, in order, float32 [rows, columns] or [rows, columns, 3].
        view: The view in which they are judged; None for a picture, which is judged as it stands.
        notes: Warnings that are known so far.
        origins: Where each slice was read from, as many as there are slices.
        positions: Place of each slice along the normal; empty where not known.

    Raises:
        InputRefused: It is too small, in false colours, blank, noise or without enough head throughout, or has values
            within the head that are no numbers.
    """
    small = next((one for one in slices if min(one.shape[:2]) < MIN_SIDE), None)
    if small is not None:
        raise InputRefused(
            f"has {small.shape[0]} x {small.shape[1]} pixels; at least {MIN_SIDE} x {MIN_SIDE} are needed"
        )
    slices, fills = measured(slices)
    for one in slices:
        one.setflags(write=False)  # so that each is measured once
    notes += fills
    seen, left_out_notes = _with_head(slices)
    notes += left_out_notes
    kept = tuple(origins[index] for index in seen)
    if view is None:
        return Item(name, slices=tuple(slices[index] for index in seen), notes=notes, origins=kept)
    shown = tuple(view.apply(slices[index]) for index in seen)
    plane: dict[str, str | int] = {} if view.plane is None else {"plane": view.plane.name}
    return Item(
        name,
        slices=shown,
        notes=notes,
        origins=kept,
        series=plane,
        acquisition=properties(view),
        view=view,
        positions=tuple(positions[index] for index in seen) if positions else (),
    )


def _with_head(slices: Sequence[NDArray[np.float32]]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The indices of slices that show enough head; and notes on the others."""
    found, total = judgeable(slices), len(slices)
    if found.blank == total:
        raise InputRefused("is blank: all pixels have the same value")
    if found.blank + found.noise == total:
        raise InputRefused("shows noise and no head: neighbouring pixels have nothing in common")
    if not found.kept:
        raise InputRefused(
            f"shows too little head to be judged: {found.reference:.1%} of the picture; at least "
            f"{LEAST_OF_PICTURE:.0%} are needed"
        )
    counts = (
        (found.blank, "are blank"),
        (found.noise, "are noise without a head"),
        (found.little, "show little head"),
    )
    return found.kept, tuple(_left_out(count, total, what) for count, what in counts if count)


def _left_out(count: int, total: int, what: str) -> str:
    return f"{count} of {total} slices {what} and were left out: slice numbers do not count them"
