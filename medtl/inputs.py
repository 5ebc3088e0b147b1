"""What a person hands to `predict`, brought into one form: named items with slices, or with the reason for refusal.

A folder, zip or DICOMDIR is read twice: first the headers, which say what belongs to which series; then, series by
series, the pixels. So at most one series is in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from medtl.dicom.bounds import MAX_PIXELS
from medtl.dicom.header import DicomHeader
from medtl.dicom.reader import read_dicom, read_file_ids, read_header, untrusted_decoding
from medtl.dicom.rules import MEDIA_DIRECTORY, check_suitable, warnings_of
from medtl.dicom.series import Slice, order_slices
from medtl.nifti import is_volume, read_volume
from medtl.scanners import scanner_of_header
from shared.data.layouts import COLUMNS, TABLE_NAMES, read_table, table_path
from shared.errors import DataError, InputRefused
from shared.io.archives import (
    SEPARATOR,
    is_archive,
    is_side_file,
    list_sources,
    nothing_to_judge,
    read_source,
    require_paths,
)
from shared.io.archives import SIDE_FILES as COMMON_SIDE_FILES
from shared.io.pictures import SIGNATURES, read_picture
from shared.samples import UNKNOWN_DOMAIN
from shared.task import Item

UNSTATED = "the file does not say what it shows: that it is a head MRI was not checked"
MIN_SIDE = 32
"""Rows and columns of the smallest slice that is judged; below that only icons and test objects are found."""
NIFTI_MAGIC = {(344, b"n+1\0"), (4, b"n+2\0")}
"""Where a NIfTI-1 and a NIfTI-2 file say what they are. Source: nifti1.h and nifti2.h of the NIfTI standard."""
SIDE_FILES = COMMON_SIDE_FILES | {".bval", ".bvec"}
"""Beside diffusion volumes also lie the strength and the direction of their gradients."""


@dataclass
class _Series:
    """The files of one series, still unread."""

    files: list[tuple[str, DicomHeader]] = field(default_factory=list)
    unreadable: int = 0
    notes: list[str] = field(default_factory=list)

    def folders(self) -> set[str]:
        return {_folder(source) for source, _ in self.files}


@dataclass
class _Content:
    """What was found in a folder, zip or DICOMDIR, in the order of names."""

    entries: list[_Series | str | Path | Item] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)
    passed_over: int = 0

    def series(self) -> list[_Series]:
        return [entry for entry in self.entries if isinstance(entry, _Series)]


def read_inputs(paths: Sequence[Path]) -> Iterator[Item]:
    """Everything that was asked for, one item at a time; what cannot be judged comes as a refusal.

    A DICOM file, picture (PNG, JPEG, TIFF, BMP) or NIfTI volume is one item; a folder, zip or DICOMDIR gives one item
    for each DICOM series in it and one for each picture or volume.

    Raises:
        UsageError: A path does not exist; nothing has been read then.
    """
    require_paths(paths, "a DICOM file, a folder, a zip, a picture or a NIfTI volume")
    return (item for path in paths for item in _items(path))


def _items(path: Path) -> Iterator[Item]:
    if path.is_dir() or is_archive(path):
        yield from _container(path)
        return
    name = str(path)
    try:
        data = read_source(name)
        directory = _is_dicom(data) and read_header(data).sop_class == MEDIA_DIRECTORY
        files = _resolve(path.parent, read_file_ids(data)) if directory else None
    except (DataError, InputRefused) as error:
        yield Item(name, refusal=str(error))
        return
    except OSError as error:  # of a disc that a DICOMDIR lies on
        yield Item(name, refusal=f"cannot be read ({type(error).__name__})")
        return
    if files is None:
        yield _single(name)
    else:
        yield from _directory(name, files)


def _container(path: Path) -> Iterator[Item]:
    name = str(path)
    try:
        sources = list_sources(path)
    except DataError as error:
        yield Item(name, refusal=str(error))
        return
    yield from _judge_all(name, _scan(sources))


def _directory(name: str, files: Sequence[str | None]) -> Iterator[Item]:
    """A DICOMDIR: the files that it lists."""
    found = [source for source in files if source is not None]
    content = _scan(found)
    if missing := len(files) - len(found):
        lack = f"{missing} of {len(files)} files that the DICOMDIR lists are missing"
        content.entries.append(Item(name, refusal=lack))
        for series in content.series():
            series.notes.append(f"{lack}: a slice may be among them")
    yield from _judge_all(name, content)


def _resolve(root: Path, file_ids: Sequence[tuple[str, ...]]) -> list[str | None]:
    """The file of each id; None where there is none, or where it would lie outside of `root`."""
    top = root.resolve()
    found: list[str | None] = []
    for parts in file_ids:
        place: Path | None = root
        for part in parts:
            place = _child(place, part) if place is not None else None
        inside = place is not None and place.is_file() and place.resolve().is_relative_to(top)
        found.append(str(place) if inside else None)
    return found


def _child(folder: Path, name: str) -> Path | None:
    """The entry of that name, in whatever case a copied disc has it."""
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        return None
    if (folder / name).exists():
        return folder / name
    if not folder.is_dir():
        return None
    return next((child for child in sorted(folder.iterdir()) if child.name.lower() == name.lower()), None)


def _scan(sources: Sequence[str]) -> _Content:
    """Sorts files into series by their headers, and the rest by what they are."""
    content = _Content()
    masks = _masks(sources)
    by_key: dict[tuple[str, ...], _Series] = {}
    for source in sources:
        if source in masks or is_side_file(source, SIDE_FILES):
            content.passed_over += 1
            continue
        try:
            data = read_source(source)
            kind = _kind(source, data)
            if kind != "dicom":
                content.entries.append(_archive_entry(source) if kind == "zip" else source)
                continue
            header = read_header(data)
        except (DataError, InputRefused) as error:
            content.broken.append((source, str(error)))
            continue
        if header.sop_class == MEDIA_DIRECTORY:
            content.passed_over += 1
            continue
        # Without a series UID nothing says that files belong together: each stands for itself.
        uid = header.series_uid or source
        series = by_key.get(key := (header.patient_id, header.study_uid, uid))
        if series is None:
            series = by_key[key] = _Series()
            content.entries.append(series)
        series.files.append((source, header))
    _place_broken(content)
    return content


def _masks(sources: Sequence[str]) -> set[str]:
    """What a `labels.csv` among them names as masks: drawings of findings, and no scans to be judged."""
    masks = set()
    for table in (source for source in sources if PurePosixPath(source).name in TABLE_NAMES):
        with suppress(DataError):
            rows = read_table(read_source(table), COLUMNS | {"mask": ("mask",)})
            beside = table.removesuffix(PurePosixPath(table).name)
            masks |= {beside + table_path(row.cell("mask")) for row in rows if row.cell("mask")}
    return masks


def _archive_entry(source: str) -> Item | Path:
    if SEPARATOR in source:
        return Item(source, refusal="is an archive in an archive; unpack it first")
    return Path(source)


def _place_broken(content: _Content) -> None:
    """A file that cannot be read may be a slice: the series beside it is then not whole."""
    for source, reason in content.broken:
        beside = [series for series in content.series() if _folder(source) in series.folders()]
        suffixes = {PurePosixPath(name).suffix for series in beside for name, _ in series.files}
        like_dicom = PurePosixPath(source).suffix in suffixes
        if len(beside) == 1 and like_dicom:
            beside[0].unreadable += 1
            continue
        content.entries.append(Item(source, refusal=reason))
        if like_dicom:
            for series in beside:
                series.notes.append("a file beside this series cannot be read: a slice may be missing")


def _judge_all(name: str, content: _Content) -> Iterator[Item]:
    names = _series_names(name, content.series())
    for entry in content.entries:
        if isinstance(entry, Item):
            yield entry
        elif isinstance(entry, Path):
            yield from _container(entry)
        elif isinstance(entry, str):
            yield _single(entry)
        else:
            yield _series_item(next(names), entry)
    if not content.entries:
        yield Item(name, refusal=nothing_to_judge(content.passed_over))


def _series_names(name: str, series: Sequence[_Series]) -> Iterator[str]:
    """One alone goes by the name of what was given; several by their folders, and by number where they share one."""
    if len(series) == 1:
        yield name
        return
    holders = Counter(folder for one in series for folder in one.folders())
    for number, one in enumerate(series, start=1):
        (folder, *others) = sorted(one.folders())
        yield f"{name} (series {number})" if others or holders[folder] > 1 else folder


def _series_item(name: str, series: _Series) -> Item:
    try:
        _check_series(series)
        slices, notes = order_slices(_read_series(series))
        warned = (note for _, header in series.files for note in warnings_of(header))
        scanners = {scanner_of_header(header.manufacturer, header.model) for _, header in series.files}
        pixels, origins = [one.pixels for one in slices], tuple(one.origin for one in slices)
        item = _judgeable(name, pixels, tuple(dict.fromkeys([*series.notes, *warned, *notes])), origins)
        return replace(item, domains=tuple(sorted(scanner or UNKNOWN_DOMAIN for scanner in scanners)))
    except InputRefused as error:
        return Item(name, refusal=str(error), origins=tuple((source, 0) for source, _ in series.files))


def _check_series(series: _Series) -> None:
    """Refuses by headers alone, before any pixel is decoded."""
    reasons = Counter[str]()
    for _, header in series.files:
        try:
            check_suitable(header)
        except InputRefused as error:
            reasons[str(error)] += 1
    total = len(series.files)
    for reason, count in reasons.most_common(1):
        raise InputRefused(reason if count == total else f"{count} of {total} files of the series: {reason}")
    pixels = sum(header.rows * header.columns * header.frames for _, header in series.files)
    if pixels > MAX_PIXELS:
        raise InputRefused(f"has {pixels} pixels in one series; at most {MAX_PIXELS} are read")


def _read_series(series: _Series) -> list[Slice]:
    slices: list[Slice] = []
    faults: list[str] = []
    for source, header in series.files:
        try:
            frames = read_dicom(read_source(source), header=header, allow_blank=True).frames
        except (DataError, InputRefused) as error:
            faults.append(str(error))
            continue
        for index, pixels in enumerate(frames):
            place = header.positions[index], header.orientations[index]
            number, origin = (header.instance_number, index), (source, index)
            slices.append(Slice(pixels, *place, number, origin, header.contrasts[index]))
    total = len(series.files) + series.unreadable
    if len(faults) == total and len(set(faults)) == 1:
        raise InputRefused(faults[0])
    if lost := len(faults) + series.unreadable:
        # A tumour could be on the very slice that cannot be read: no answer is better than half of one.
        more = f" (the first one {faults[0]})" if faults else ""
        raise InputRefused(f"{lost} of {total} slices cannot be read{more}")
    return slices


def _single(source: str) -> Item:
    """One file: a DICOM object, a picture or a volume."""
    try:
        data = read_source(source)
        kind = _kind(source, data)
        if kind == "dicom":
            return _series_item(source, _Series([(source, read_header(data))]))
        if kind == "gzip":
            raise InputRefused("is compressed by gzip; unpack it first (NIfTI may stay compressed as .nii.gz)")
        with untrusted_decoding():
            slices = [read_picture(data)] if kind == "picture" else list(read_volume(data))
        return _judgeable(source, slices, (UNSTATED,))
    except (DataError, InputRefused) as error:
        return Item(source, refusal=str(error))


def _kind(source: str, data: bytes) -> str:
    """What the bytes are; a name counts only where they cannot tell."""
    if _is_dicom(data):
        return "dicom"
    if data.startswith(SIGNATURES):
        return "picture"
    if is_volume(source) or any(data[at : at + len(magic)] == magic for at, magic in NIFTI_MAGIC):
        return "volume"
    if data.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zip" if data.startswith(b"PK\x03\x04") else "dicom"


def _is_dicom(data: bytes) -> bool:
    return data[128:132] == b"DICM"


def _judgeable(
    name: str, slices: Sequence[NDArray[np.float32]], notes: tuple[str, ...], origins: tuple[tuple[str, int], ...] = ()
) -> Item:
    """The item, if there is anything to be seen on it; its blank slices are left out.

    A slice of one value says nothing of the patient, but a network answers it all the same, and that answer would go
    into that of the series: scanners and anonymisers add black slices, and these must not change what is found.

    Args:
        name: Of the item.
        slices: All of them, in order.
        notes: What is known so far.
        origins: Whence each slice comes; empty where that is not known.

    Raises:
        InputRefused: It is too small, blank throughout, or has values that are no numbers.
    """
    small = next((one for one in slices if min(one.shape[:2]) < MIN_SIDE), None)
    if small is not None:
        raise InputRefused(
            f"has {small.shape[0]} x {small.shape[1]} pixels; at least {MIN_SIDE} x {MIN_SIDE} are needed"
        )
    if not all(np.isfinite(one).all() for one in slices):
        raise InputRefused("has pixel values that are not finite")
    shown = [index for index, one in enumerate(slices) if one.min() != one.max()]
    if not shown:
        raise InputRefused("is blank: all pixels have the same value")
    if blank := len(slices) - len(shown):
        notes += (f"{blank} of {len(slices)} slices are blank and were left out: slice numbers do not count them",)
    kept = tuple(origins[index] for index in shown) if origins else ()
    return Item(name, slices=tuple(slices[index] for index in shown), notes=notes, origins=kept)


def _folder(source: str) -> str:
    return str(PurePosixPath(source).parent)
