"""The series that `medtl listen` has received, judged and sent, read from its spool while it works there.

Only what lies there is read and nothing is written, so no lock is needed: each step of the spool is one rename.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pydicom

from medtl.dicom.reader import untrusted_decoding
from medtl.node.spool import FORWARDED, RECORD, RESULT_SUFFIX
from medtl.results.text import DECISIONS
from shared.errors import DataError, MedtlError

FINDINGS = (*DECISIONS.values(), "Not assessed:")
"""How the sentence begins that tells a finding in our reports."""
MAX_SERIES = 200
"""Shown at most, the latest ones."""
SHORT = 8
"""Digits of a series' name that are shown."""


@dataclass(frozen=True)
class Entry:
    """One series.

    Attributes:
        series: Its name in the spool, a keyed hash.
        state: "waiting", "judged", "sent on" or "not judged".
        at: When that was.
        instances: How many it has.
        finding: Of its last judgement in a sentence, or why there is none; "" while it waits.
        can_open: Whether its images still lie there.
    """

    series: str
    state: str
    at: datetime
    instances: int
    finding: str
    can_open: bool

    @property
    def short(self) -> str:
        """The name as it is shown."""
        return self.series[:SHORT]


class Worklist:
    """What lies in a spool.

    Args:
        spool: Its folder; it need not exist yet.
    """

    def __init__(self, spool: Path) -> None:
        self.spool = spool

    def entries(self) -> list[Entry]:
        """The series, the latest first."""
        names = {path.name for folder in ("series", "results", "failures") for path in _inside(self.spool / folder)}
        found = []
        for name in names:
            with suppress(OSError, ValueError, KeyError):  # it is cleared away at this moment
                found.append(self._entry(name))
        return sorted(found, key=lambda entry: entry.at, reverse=True)[:MAX_SERIES]

    def copy_instances(self, series: str, to: Path) -> None:
        """Copies the images of a series into a folder.

        Raises:
            DataError: There is no such series, or its images were deleted.
        """
        held = next((path for path in _inside(self.spool / "series") if path.name == series), None)
        files = [path for path in _inside(held) if path.is_file() and not path.is_symlink()] if held else []
        if not files:
            raise DataError("the images of this series do not lie in the spool any more; send it again")
        to.mkdir(mode=0o700)
        for path in files:
            shutil.copyfile(path, to / f"{path.name}{RESULT_SUFFIX}")

    def _entry(self, name: str) -> Entry:
        held = len(list(_inside(self.spool / "series" / name)))
        failure, revision = self.spool / "failures" / name, self._last(name)
        if failure.exists():
            reason = str(_read(failure)["reason"])
            return Entry(name, "not judged", _time(failure), held, reason, held > 0)
        if revision is None:
            return Entry(name, "waiting", _time(self.spool / "series" / name), held, "", held > 0)
        count = len(_read(revision / RECORD)["instances"])
        marker = revision / FORWARDED
        state, at = ("sent on", _time(marker)) if marker.exists() else ("judged", _time(revision))
        return Entry(name, state, at, count, _finding(revision), held > 0)

    def _last(self, name: str) -> Path | None:
        numbered = [path for path in _inside(self.spool / "results" / name) if path.name.isdecimal()]
        return max(numbered, key=lambda path: int(path.name), default=None)


def _inside(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from list(folder.iterdir())


def _time(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _read(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(path.read_bytes())
    return tree


@lru_cache(maxsize=4 * MAX_SERIES)
def _finding(revision: Path) -> str:
    """The finding in the reports of a revision, which never changes once it has its name."""
    for path in sorted(revision.glob(f"*{RESULT_SUFFIX}")):
        with suppress(MedtlError), untrusted_decoding():
            said = _said(pydicom.dcmread(path, stop_before_pixels=True))
            if said is not None:
                return said
    return "the results were deleted after they were sent on"


def _said(node: pydicom.Dataset) -> str | None:
    text = str(node.get("TextValue", ""))
    if text.startswith(FINDINGS):
        return text
    return next((said for one in node.get("ContentSequence", ()) if (said := _said(one)) is not None), None)
