"""Lists the series that `medtl listen` has received, judged and sent, read from its spool while it runs.

Nothing is written, so no lock is needed: each step of the spool is one rename.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import pydicom

from medtl.dicom.reader import untrusted_decoding
from medtl.node.records import Failure, Record
from medtl.node.spool import FORWARDED, RECORD, RESULT_SUFFIX
from medtl.results.text import DECISIONS, UNASSESSED, UNDECIDED
from shared.errors import DataError, MedtlError

FINDINGS = (*DECISIONS.values(), UNASSESSED, UNDECIDED)
"""First words of the sentence with the finding in our reports."""
MAX_SERIES = 200
"""Largest number of series that are listed, the latest first."""
SHORT = 8
"""Digits of the name of a series that are shown."""


@dataclass(frozen=True)
class Entry:
    """One series of the worklist.

    Attributes:
        series: Name of the series in the spool, a keyed hash.
        state: "waiting", "judged", "sent on" or "not judged".
        at: Time of the last change of state.
        instances: Number of its instances.
        finding: The finding of its last judgement in a sentence, or why there is none; "" while it waits.
        can_open: Whether its images are still in the spool.
    """

    series: str
    state: str
    at: datetime
    instances: int
    finding: str
    can_open: bool

    @property
    def short(self) -> str:
        """The first eight digits of the name of the series, which pages show."""
        return self.series[:SHORT]


class Worklist:
    """Reads the worklist from a spool.

    Args:
        spool: Folder of the spool; it need not exist yet.
    """

    def __init__(self, spool: Path) -> None:
        self.spool = spool

    def entries(self) -> list[Entry]:
        """Lists up to 200 series, the one with the latest change first; empty where there is no spool."""
        names = {path.name for folder in ("series", "results", "failures") for path in _inside(self.spool / folder)}
        found = []
        for name in names:
            with suppress(OSError, ValueError):  # the listener deletes it at this moment, or it is damaged
                found.append(self._entry(name))
        return sorted(found, key=lambda entry: entry.at, reverse=True)[:MAX_SERIES]

    def copy_instances(self, series: str, to: Path) -> None:
        """Copies the images of a series into a folder, as `.dcm` files.

        Args:
            series: Name of the series in the spool.
            to: The new folder; it must not exist.

        Raises:
            DataError: The spool has no such series, or its images were deleted.
            FileExistsError: `to` exists.
        """
        held = next((path for path in _inside(self.spool / "series") if path.name == series), None)
        files = [path for path in _inside(held) if path.is_file() and not path.is_symlink()] if held else []
        if not files:
            raise DataError("the images of this series are no longer in the spool; send it again")
        to.mkdir(mode=0o700)
        for path in files:
            shutil.copyfile(path, to / f"{path.name}{RESULT_SUFFIX}")

    def _entry(self, name: str) -> Entry:
        held = len(list(_inside(self.spool / "series" / name)))
        failure, revision = self.spool / "failures" / name, self._last(name)
        if failure.exists():
            return Entry(name, "not judged", _time(failure), held, Failure.read(failure).reason, held > 0)
        if revision is None:
            return Entry(name, "waiting", _time(self.spool / "series" / name), held, "", held > 0)
        count = len(Record.read(revision / RECORD).instances)
        marker = revision / FORWARDED
        state, at = ("sent on", _time(marker)) if marker.exists() else ("judged", _time(revision))
        return Entry(name, state, at, count, _finding(revision, _written(revision)), held > 0)

    def _last(self, name: str) -> Path | None:
        numbered = [path for path in _inside(self.spool / "results" / name) if path.name.isdecimal()]
        return max(numbered, key=lambda path: int(path.name), default=None)


def _inside(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from list(folder.iterdir())


def _time(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _written(revision: Path) -> tuple[int, int]:
    """Tells revisions of one name apart: one that cannot be read is set aside, and the next has its number."""
    record = (revision / RECORD).stat()
    return record.st_ino, record.st_mtime_ns


@lru_cache(maxsize=4 * MAX_SERIES)
def _finding(revision: Path, written: tuple[int, int]) -> str:
    """Reads the finding in the reports of a revision, which never changes; it is kept when they are deleted."""
    for path in sorted(revision.glob(f"*{RESULT_SUFFIX}")):
        with suppress(MedtlError), untrusted_decoding():
            text = _finding_text(pydicom.dcmread(path, stop_before_pixels=True))
            if text is not None:
                return text
    return "the results were deleted after they were sent on"


def _finding_text(node: pydicom.Dataset) -> str | None:
    text = str(node.get("TextValue", ""))
    if text.startswith(FINDINGS):
        return text
    return next((found for one in node.get("ContentSequence", ()) if (found := _finding_text(one)) is not None), None)
