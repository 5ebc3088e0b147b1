"""What lies beside the DICOM series of a folder, zip or disc: passed over and counted, or said where it may be a slice.

A patient's disc holds a viewer, its libraries, icons and help beside the images. Their kind is seen by their bytes; a
name counts only where a file that should be an exam is none (a slice that was overwritten, a login page called `.dcm`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medtl.dicom.reader import NOT_RECOGNISED
from medtl.dicom.scan import Contents, OtherFile, Refused, SeriesFiles, place_damaged
from shared.io.archives import SEPARATOR, read_head, relative_name
from shared.io.kinds import identify, suffix_of
from shared.io.pictures import is_picture

PICTURES = ("picture", "foreign picture")
NO_EXAMS = (*PICTURES, "clutter", "pointer")
"""Kinds of files that are no exam beside a series; `foreign` ones may be exams in a format that is not read."""
DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})
EXAM_SUFFIXES = DICOM_SUFFIXES | {".nii", ".gz", ".zip"}
"""Suffixes of files that were meant to be exams, whatever they turned out to be."""
NUMBER = re.compile(r"[0-9A-F]*[0-9][0-9A-F]*")
"""A number in a file name, hexadecimal too, as on discs: names that differ in their numbers alone are of one series."""


@dataclass(frozen=True)
class Reader:
    """What is asked of the files themselves.

    Attributes:
        reason: Says why a file is not read, by its source; for a refusal.
        holds_nothing: Whether a zip holds nothing that can be judged, by its source.
    """

    reason: Callable[[str], str]
    holds_nothing: Callable[[str], bool]


def pass_over(contents: Contents, root: Path, side_files: int, reader: Reader) -> None:
    """Passes over what is no exam, and notes at each series how many files that were.

    Beside series, pictures are passed over too: they are icons, logos and previews of a viewer. Without a series they
    are what shall be judged, and stay.

    Args:
        contents: What was found; it is changed in place.
        root: The folder or zip that was searched.
        side_files: Number of files that were left out before, by their names.
        reader: What is asked of the files themselves.
    """
    series = bool(contents.series())
    loose = [entry for entry in contents.entries if not isinstance(entry, SeriesFiles)]
    names = _Names.of(contents if loose else Contents(), root)
    kept, damaged, pictures, others = list(contents.entries), list[Refused](), 0, side_files
    for entry in loose:
        if isinstance(entry, OtherFile) and names.says_slice(entry.source, known=True) and entry.kind in NO_EXAMS:
            kept.remove(entry)
            damaged.append(Refused(entry.source, reader.reason(entry.source)))
        elif _stays(entry, names, series, reader):
            continue
        else:
            kept.remove(entry)
            contents.passed_over += 1
            others += 1
            pictures += _is_picture(entry)
    contents.entries[:] = kept
    for file in damaged:
        place_damaged(file, contents)
    if others:
        for one in contents.series():
            one.notes.append(passed_over_note(others, pictures))


def passed_over_note(others: int, pictures: int) -> str:
    """Writes the note on files beside a series that were passed over.

    Args:
        others: Number of files.
        pictures: Number of pictures among them.
    """
    of_them = f"; pictures among them: {pictures} (to have one judged, give it by its own path)" if pictures else ""
    return f"{others} file(s) beside the DICOM series are no DICOM and were passed over{of_them}"


@dataclass(frozen=True)
class _Names:
    """How the files of the series are called, and which top folders they lie in."""

    suffixes: frozenset[str]
    shapes: frozenset[str]
    tops: frozenset[str]
    root: Path

    @classmethod
    def of(cls, contents: Contents, root: Path) -> _Names:
        sources = [source for one in contents.series() for source, _ in one.files]
        return cls(
            frozenset(map(suffix_of, sources)),
            frozenset(map(_shape, sources)),
            frozenset(_top(source, root) for source in sources),
            root,
        )

    def says_slice(self, source: str, *, known: bool) -> bool:
        """Whether a file has the name of a slice: the suffix of the series, or without one a name like theirs.

        Args:
            source: The file.
            known: Whether its bytes show that it is something else; else it may be a slice that was overwritten, and
                among files without suffix any name will do that lies in the same top folder.
        """
        suffix = suffix_of(source)
        if not self.suffixes or suffix not in self.suffixes | DICOM_SUFFIXES:
            return False
        alike = bool(suffix) or _shape(source) in self.shapes
        return alike or (not known and _top(source, self.root) in self.tops)


def _shape(source: str) -> str:
    return NUMBER.sub("0", PurePosixPath(source.rpartition(SEPARATOR)[2]).name.upper())


def _top(source: str, root: Path) -> str:
    """The top folder that a file lies in, below the folder or zip that was searched; empty where it lies in none."""
    parts = relative_name(source, root).parts
    return parts[0] if len(parts) > 1 else ""


def _stays(entry: object, names: _Names, series: bool, reader: Reader) -> bool:
    """Whether an entry is judged, or refused in a line of its own."""
    if isinstance(entry, Refused):
        # what begins like DICOM is a damaged one; of all else the name must say that it was meant to be one
        unknown = entry.reason == NOT_RECOGNISED
        lost = series and (unknown or _is_large_clutter(entry.source))
        return not lost or names.says_slice(entry.source, known=not unknown)
    if not isinstance(entry, OtherFile):
        return True
    if entry.kind == "zip" and series:
        return not reader.holds_nothing(entry.source)
    if entry.kind in ("clutter", "pointer"):
        wanted = suffix_of(entry.source) in EXAM_SUFFIXES or (not series and is_picture(entry.source))
        return wanted or (not series and entry.kind == "pointer" and not suffix_of(entry.source))
    return not (series and entry.kind in PICTURES)


def _is_large_clutter(source: str) -> bool:
    """Whether a file that cannot be read, as it is too large, begins like a program, a video or the like."""
    head = read_head(source)
    kind = identify(head) if head else None
    return kind is not None and kind.group == "clutter"


def _is_picture(entry: object) -> bool:
    if not isinstance(entry, OtherFile):
        return False
    return entry.kind in PICTURES or is_picture(entry.source)


def holds_exams(contents: Contents) -> bool:
    """Whether something beside a series may be an exam of its own: all but pictures, and files of no known kind.

    Args:
        contents: What a zip holds that lies beside the series.
    """
    for entry in contents.entries:
        if isinstance(entry, Refused):
            if entry.reason != NOT_RECOGNISED or suffix_of(entry.source) in EXAM_SUFFIXES:
                return True
        elif not isinstance(entry, OtherFile) or entry.kind not in PICTURES:
            return True
    return False
