"""Finding DICOM series among files: headers first, which say what belongs together; then, on demand, the pixels.

So a folder of any size is sorted while at most one series is in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

from medtl.dicom.bounds import MAX_PIXELS
from medtl.dicom.header import DicomHeader
from medtl.dicom.header_reader import HeaderReader
from medtl.dicom.reader import LOGGERS_THAT_QUOTE_VALUES, DicomObject, untrusted_decoding
from medtl.dicom.rules import MEDIA_DIRECTORY, check_suitable, warnings_of
from medtl.dicom.series import Slice, order_slices
from medtl.dicom.values import Vector
from medtl.dicom.view import View, view_of
from shared.errors import DataError, InputRefused
from shared.io.archives import read_source
from shared.io.kinds import suffix_of
from shared.io.quiet import quiet_loggers

CUT_OFF = "breaks off before it says what it is; copy it again"
MOST_KEPT_BYTES = 1 << 28
"""Memory in which files are kept between the reading of their headers and of their pixels: most exams fit in it."""
MIN_SCATTERED = 4
"""Parallel series of one slice that may be one series: the three planes of a localizer are fewer, and not parallel."""


@dataclass
class SeriesFiles:
    """The files of one series, their pixels still unread.

    Attributes:
        files: Source and header of each file.
        objects: What is kept in memory of files since their headers were read, by source; others are read again.
        unreadable: Number of damaged files that seem to belong to the series.
        notes: Warnings about the files, for the answer about the series.
    """

    files: list[tuple[str, DicomHeader]] = field(default_factory=list)
    objects: dict[str, DicomObject] = field(default_factory=dict)
    unreadable: int = 0
    notes: list[str] = field(default_factory=list)

    def folders(self) -> set[str]:
        """Lists the folders that the series' files lie in, as `folder_of` returns them."""
        return {folder_of(source) for source, _ in self.files}

    def pixels(self) -> int:
        """Counts the pixels of all files, as their headers state them."""
        return sum(header.layout.pixels for _, header in self.files)

    def number(self) -> int | None:
        """Returns the number of the series within its study; None where the files state none, or several."""
        stated = {header.identifiers.series_number for _, header in self.files}
        return stated.pop() if len(stated) == 1 else None


@dataclass(frozen=True)
class Refused:
    """A file that cannot be read and belongs to no series.

    Attributes:
        source: The file, as `shared.io.archives` names it.
        reason: What is wrong, in one line that names nobody.
    """

    source: str
    reason: str


@dataclass(frozen=True)
class OtherFile:
    """A file that is no DICOM.

    Attributes:
        source: The file, as `shared.io.archives` names it.
        kind: Its kind by `kind_of`, such as "picture".
    """

    source: str
    kind: str


@dataclass
class Contents:
    """The series, pictures and refused files that were found among files, in their order.

    Attributes:
        entries: A series at its first file, a file that is no DICOM, or a damaged file; the last come last.
        passed_over: Number of files that need no answer.
        notes: Warnings for the answer about each item.
    """

    entries: list[SeriesFiles | OtherFile | Refused] = field(default_factory=list)
    passed_over: int = 0
    notes: tuple[str, ...] = ()

    def series(self) -> list[SeriesFiles]:
        """Lists the series among the entries, in their order; empty where there are none."""
        return [entry for entry in self.entries if isinstance(entry, SeriesFiles)]


@quiet_loggers(*LOGGERS_THAT_QUOTE_VALUES)  # once here, which costs less than once for each file
def scan(sources: Iterable[str], kind_of: Callable[[str, bytes], str]) -> Contents:
    """Sorts files into series by their headers.

    A file without a Series Instance UID is a series of its own, for nothing says that it belongs to another; one
    without an image either is cut off in its header. A damaged file counts as unreadable in the series of its folder
    where it can only belong to that one.

    Args:
        sources: The files, as `shared.io.archives` names them.
        kind_of: Says what a source is, by its name and bytes; "dicom" is read here, all else is left to the caller.

    Returns:
        Series, other files and damaged files. DICOMDIRs are only counted, as passed over.
    """
    contents, damaged, kept_bytes, headers = Contents(), list[Refused](), 0, HeaderReader()
    by_key: dict[tuple[str, ...], SeriesFiles] = {}
    for source in sources:
        try:
            data = read_source(source)
            if (kind := kind_of(source, data)) != "dicom":
                contents.entries.append(OtherFile(source, kind))
                continue
            read = DicomObject(data, read=headers.read)
        except (DataError, InputRefused) as error:
            damaged.append(Refused(source, str(error)))
            continue
        header = read.header
        if header.sop_class == MEDIA_DIRECTORY:
            contents.passed_over += 1
            continue
        named = header.identifiers
        if not named.series_uid and not header.layout.rows:
            damaged.append(Refused(source, CUT_OFF))
            continue
        key = named.patient_id, named.study_uid, named.series_uid or source
        if key not in by_key:
            by_key[key] = SeriesFiles()
            contents.entries.append(by_key[key])
        by_key[key].files.append((source, header))
        if kept_bytes + read.size <= MOST_KEPT_BYTES:
            by_key[key].objects[source] = read
            kept_bytes += read.size
    for file in damaged:
        place_damaged(file, contents)
    _note_scattered(contents.series())
    return contents


def place_damaged(file: Refused, contents: Contents) -> None:
    """Adds a file that cannot be read. It may be a slice: the series in its folder is then not whole.

    Args:
        file: The file.
        contents: What was found beside it; it is changed in place.
    """
    neighbours = [series for series in contents.series() if folder_of(file.source) in series.folders()]
    suffixes = {suffix_of(name) for series in neighbours for name, _ in series.files}
    like_dicom = suffix_of(file.source) in suffixes
    if len(neighbours) == 1 and like_dicom:
        neighbours[0].unreadable += 1
        return
    contents.entries.append(file)
    if like_dicom:
        for series in neighbours:
            series.notes.append("a file in the folder of this series cannot be read: a slice may be missing")


def name_series(name: str, series: Sequence[SeriesFiles]) -> Iterator[str]:
    """Names the series that were found in one place.

    A single one has the name of the place; several have those of their folders, or numbers where they share a folder.

    Args:
        name: Name of the folder, archive or DICOMDIR that they were found in.
        series: The series; each has a file.

    Yields:
        The name of each series, in their order.
    """
    if len(series) == 1:
        yield name
        return
    holders = Counter(folder for one in series for folder in one.folders())
    for number, one in enumerate(series, start=1):
        (folder, *others) = sorted(one.folders())
        yield f"{name} (series {number})" if others or holders[folder] > 1 else folder


def decode_series(series: SeriesFiles) -> tuple[list[Slice], View, tuple[str, ...]]:
    """Decodes a series into one stack of slices.

    Args:
        series: The files of the series, at least one.

    Returns:
        The slices as they are stored, in order; the view in which they are judged; the warnings for the answer.

    Raises:
        InputRefused: The series must not be judged, a file of it cannot be read, or it is not one stack.
    """
    _check_headers(series)
    slices, notes = order_slices(_decode_files(series))
    view = view_of([one.plane for one in slices])
    warnings = (note for _, header in series.files for note in warnings_of(header))
    return slices, view, tuple(dict.fromkeys([*series.notes, *warnings, *view.notes, *notes]))


def resolve_file_ids(root: Path, file_ids: Sequence[tuple[str, ...]]) -> list[str | None]:
    """Finds the files that a DICOMDIR lists, in whatever case a copied disc has their names.

    Args:
        root: The folder of the DICOMDIR.
        file_ids: Its Referenced File IDs, as `medtl.dicom.reader.read_file_ids` reads them.

    Returns:
        The path of each file; None where there is none, or where it would lie outside of `root`.
    """
    top = root.resolve()
    found: list[str | None] = []
    for parts in file_ids:
        place: Path | None = root
        for part in parts:
            place = _child(place, part) if place is not None else None
        inside = place is not None and place.is_file() and place.resolve().is_relative_to(top)
        found.append(str(place) if inside else None)
    return found


def folder_of(source: str) -> str:
    """Returns the path of the folder that a source lies in, within its archive where it lies in one.

    Args:
        source: The file, as `shared.io.archives` names it.
    """
    folder, slash, _ = source.rpartition("/")
    return _normal(folder or slash)


@lru_cache(maxsize=64)
def _normal(folder: str) -> str:
    """The name of a folder as `PurePosixPath` writes it; the files of a series ask for few, many times."""
    return str(PurePosixPath(folder))


def _note_scattered(series: Sequence[SeriesFiles]) -> None:
    """Notes at series of one slice that they may be one: some programs give each file a Series Instance UID."""
    stacks: dict[tuple[object, ...], dict[Vector, list[SeriesFiles]]] = {}
    for one in series:
        (_, header), *others = one.files
        plane = header.geometry.planes[0]
        if others or header.layout.slices > 1 or plane.position_mm is None or plane.orientation is None:
            continue
        layout = header.layout
        turned = tuple(round(cosine, 2) for cosine in plane.orientation)
        stack = stacks.setdefault((header.identifiers.patient_id, layout.rows, layout.columns, turned), {})
        stack.setdefault(plane.position_mm, []).append(one)
    for stack in (places for places in stacks.values() if len(places) >= MIN_SCATTERED):
        for one in (member for members in stack.values() for member in members):
            one.notes.append(
                f"this and {len(stack) - 1} other series have one slice each and lie in parallel: they may be one "
                "series whose files have identifiers of their own; the answer is about this slice alone"
            )


def _child(folder: Path, name: str) -> Path | None:
    """The entry of that name, in any case; None where there is none, or where the name leads out of the folder."""
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        return None
    if (folder / name).exists():
        return folder / name
    if not folder.is_dir():
        return None
    return next((child for child in sorted(folder.iterdir()) if child.name.lower() == name.lower()), None)


def _check_headers(series: SeriesFiles) -> None:
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
    if (pixels := series.pixels()) > MAX_PIXELS:
        raise InputRefused(f"has {pixels} pixels in one series; at most {MAX_PIXELS} are read")


def _decode_files(series: SeriesFiles) -> list[Slice]:
    slices: list[Slice] = []
    faults: list[str] = []
    with untrusted_decoding():  # one bound for all files, which have no more pixels than one may have
        for source, header in series.files:
            try:
                slices += _decode_file(source, header, series.objects.pop(source, None))
            except (DataError, InputRefused) as error:
                faults.append(str(error))
    total = len(series.files) + series.unreadable
    if len(faults) == total and len(set(faults)) == 1:
        raise InputRefused(faults[0])
    if lost := len(faults) + series.unreadable:
        # A tumour could be on the very slice that cannot be read: no answer is better than half of one.
        first = f" (the first one {faults[0]})" if faults else ""
        raise InputRefused(f"{lost} of {total} slices cannot be read{first}; export the whole series again")
    return slices


def _decode_file(source: str, header: DicomHeader, read: DicomObject | None) -> Iterator[Slice]:
    frames = (read or DicomObject(read_source(source), header)).decode(allow_blank=True).frames
    number, contrasts, planes = header.identifiers.instance_number, header.acquisition.contrasts, header.geometry.planes
    is_tile = header.layout.mosaic is not None
    for frame, (pixels, plane, contrast) in enumerate(zip(frames, planes, contrasts, strict=True)):
        yield Slice(pixels, plane, source, frame, number, contrast, is_tile)
