"""The spool: keeps received, judged and sent series on disk, so that a crash between any two steps loses nothing.

    key                          key of the hashes that are names
    lock                         held by the one process that works here
    partial/                     unfinished files and folders; emptied at every start
    series/SERIES/INSTANCE       instances as they were received
    results/SERIES/REVISION/     record.json (the judged instances), the results, and `forwarded` once accepted
    failures/SERIES              number of failed attempts to judge a series, and the reason

Names are keyed hashes of UIDs and identify nobody without the key. The files are the whole state, and each step is one
rename: an instance is received when it has its name, a series is judged when its revision has its name, a revision is
forwarded when its marker exists.

A series is judged again, as a new revision, when an instance arrives that no revision has judged. An instance that is
sent again changes nothing, not even when its file was deleted meanwhile. If a new instance arrives after the files of
the others were deleted, the series waits until all of it is sent again: half a series gets no answer.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import UsageError
from shared.io.durable import mkdir_durably, rename_durably, sync_folder, write_durably

KEY_BYTES = 32
NAME_BYTES = 16
"""Length of the hashes, 128 bits: no two instances of any archive share one by chance."""
FOLDERS = ("partial", "series", "results", "failures")
RECORD, FORWARDED, RESULT_SUFFIX = "record.json", "forwarded", ".dcm"


@dataclass(frozen=True, order=True)
class Revision:
    """One judgement of a series: the first, or a later one after further instances arrived.

    Attributes:
        series: Name of the series in the spool.
        number: Number of the judgement, from 1.
    """

    series: str
    number: int


@dataclass(frozen=True)
class Batch:
    """A series to be judged, as it was at one moment.

    Attributes:
        revision: The revision that the results will be.
        instances: Names of the instances.
        folder: Folder with exactly these instances; later ones are not added.
        out: Empty folder for the results, which becomes the revision.
    """

    revision: Revision
    instances: frozenset[str]
    folder: Path
    out: Path


class Spool:
    """A spool on disk; its methods may be called from several threads.

    Args:
        root: A new or empty folder, or a spool.

    Raises:
        UsageError: The folder holds something else, other users can read it, or another process works in it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._guard = threading.Lock()
        _prepare(root)
        self._lock = _locked(root)
        self._key = _key(root)
        for name in FOLDERS:
            mkdir_durably(root / name)
        for leftover in (root / "partial").iterdir():
            _remove(leftover)
        self._arrived = dict.fromkeys(sorted(_names(root / "series")), time.monotonic())
        self._unsent: list[Revision] = []
        self._sent: dict[Revision, float] = {}
        self._own: set[str] = set()
        self._recall()

    def close(self) -> None:
        """Releases the lock, so that another process can use the spool."""
        os.close(self._lock)

    def name(self, *identifiers: str) -> str:
        """Computes the keyed hash that names something in the spool: 32 hexadecimal digits.

        Args:
            *identifiers: Any number of strings, such as UIDs; equal ones in the same order have equal names.
        """
        text = json.dumps(identifiers).encode()
        return hashlib.blake2b(text, key=self._key, digest_size=NAME_BYTES).hexdigest()

    def is_own(self, instance: str) -> bool:
        """Says whether an instance is a result of this spool that its receiver sent back.

        Args:
            instance: Name of the instance, made by `name`.
        """
        with self._guard:
            return instance in self._own

    def store(self, series: str, instance: str, data: bytes) -> bool:
        """Stores an instance; when this returns, it survives a power cut.

        The first instance that arrives under a name stays: a SOP Instance UID never names two contents (PS3.5, section
        9).

        Args:
            series: Name of the series, made by `name`.
            instance: Name of the instance, made by `name`.
            data: The bytes of the DICOM file.

        Returns:
            Whether the instance is new; a stored one is not written again.
        """
        folder, draft = self.root / "series" / series, self._draft()
        place = folder / instance
        if not place.exists():
            write_durably(draft, data)
        with self._guard:
            mkdir_durably(folder)
            if new := not place.exists():
                if not draft.exists():  # the stored one has just been deleted
                    write_durably(draft, data)
                rename_durably(draft, place)
            else:
                draft.unlink(missing_ok=True)
                sync_folder(folder)
            self._arrived[series] = time.monotonic()
        return new

    def take(self, quiet_s: float) -> Batch | None:
        """Takes the next series to judge; the caller then ends it by `commit`, `put_back` or `give_up`.

        `take` and `clean` must be called from one thread.

        Args:
            quiet_s: Seconds without a new instance after which a series counts as complete.

        Returns:
            The series that has waited longest; None where no series is complete.
        """
        while (series := self._next(quiet_s)) is not None:
            try:
                batch = self._batch(series)
            except OSError:
                with self._guard:
                    self._arrived.setdefault(series, time.monotonic())
                raise
            if batch is not None:
                return batch
        return None

    def put_back(self, batch: Batch, delay_s: float = 0.0) -> None:
        """Ends an attempt without a result; the series is taken again later.

        Args:
            batch: The series.
            delay_s: Seconds that it waits at least.
        """
        self._discard(batch)
        with self._guard:
            self._arrived[batch.revision.series] = time.monotonic() + delay_s

    def commit(self, batch: Batch, results: Iterable[str] = ()) -> Revision:
        """Makes the files in `batch.out` the results of the series, in one step, and returns their revision.

        Args:
            batch: The judged series; its files in `out` are synced.
            results: Names of the results, made by `name`.
        """
        own = sorted(results)
        record = {"instances": sorted(batch.instances), "results": own}
        write_durably(batch.out / RECORD, json.dumps(record).encode())
        sync_folder(batch.out)
        place = self._place(batch.revision)
        mkdir_durably(place.parent)
        rename_durably(batch.out, place)
        with self._guard:
            self._unsent.append(batch.revision)
            self._own.update(own)
        (self.root / "failures" / batch.revision.series).unlink(missing_ok=True)
        self._discard(batch)
        return batch.revision

    def fail(self, batch: Batch, reason: str) -> int:
        """Records a failed attempt to judge a series; the caller then calls `put_back` or `give_up`.

        Args:
            batch: The series.
            reason: One line without identifiers.

        Returns:
            Number of failed attempts on these instances.
        """
        attempts = self._attempts(batch) + 1
        self._write_failure(batch.revision.series, batch.instances, attempts, reason)
        return attempts

    def give_up(self, batch: Batch) -> None:
        """Ends the attempts on a series until it receives a new instance.

        Args:
            batch: The series.
        """
        self._discard(batch)

    def given_up(self, batch: Batch, limit: int) -> bool:
        """Says whether `limit` attempts or more on exactly these instances have failed.

        Args:
            batch: The series with its instances.
            limit: Number of attempts.
        """
        return self._attempts(batch) >= limit

    def unsent(self) -> list[Revision]:
        """Lists the revisions that were not forwarded yet, the oldest first; empty where all were."""
        with self._guard:
            return list(self._unsent)

    def results(self, revision: Revision) -> list[Path]:
        """Lists the paths of the result files of a revision, in order; empty where they were deleted.

        Args:
            revision: The revision; one that does not exist has no files.
        """
        return sorted(self._place(revision).glob(f"*{RESULT_SUFFIX}"))

    def mark_forwarded(self, revision: Revision) -> None:
        """Records that the target has accepted a revision; it is never sent again."""
        marker = self._place(revision) / FORWARDED
        if not marker.exists():
            write_durably(marker, b"")
            sync_folder(marker.parent)
        with self._guard:
            self._unsent.remove(revision)
            self._sent[revision] = marker.stat().st_mtime

    def clean(self, keep_s: float) -> int:
        """Deletes instances and results that were forwarded at least `keep_s` seconds ago; their records stay.

        Instances of a series that has a new one stay too.

        Args:
            keep_s: Seconds from forwarding to deletion.

        Returns:
            Number of revisions that were cleaned.
        """
        with self._guard:
            due = [revision for revision, since in self._sent.items() if time.time() - since >= keep_s]
        for revision in sorted(due):
            self._clear(revision)
        return len(due)

    def counts(self) -> tuple[int, int, int]:
        """Counts the series to judge, the revisions to send, and the series that could not be judged, in this order."""
        with self._guard:
            return len(self._arrived), len(self._unsent), len(_names(self.root / "failures"))

    def _recall(self) -> None:
        """Reads from disk which revisions exist, and which were forwarded."""
        unsent = []
        for place in self.root.glob("results/*/*/"):
            revision = Revision(place.parent.name, int(place.name))
            self._own.update(_read(place / RECORD)["results"])
            if (marker := place / FORWARDED).exists():
                self._sent[revision] = marker.stat().st_mtime
            else:
                unsent.append((place.stat().st_mtime, revision))
        self._unsent = [revision for _, revision in sorted(unsent)]

    def _next(self, quiet_s: float) -> str | None:
        with self._guard:
            series = min(self._arrived, key=self._arrived.__getitem__, default=None)
            if series is None or time.monotonic() - self._arrived[series] < quiet_s:
                return None
            del self._arrived[series]
            return series

    def _batch(self, series: str) -> Batch | None:
        """Copies the series as it is now, by links; None: it has no instance to judge."""
        folder = self.root / "series" / series
        try:
            held = _names(folder)
        except FileNotFoundError:
            return None
        last, judged = self._last(series)
        if held <= judged:
            self._resent(last)
            (self.root / "failures" / series).unlink(missing_ok=True)
            return None
        if missing := judged - held:
            self._write_failure(
                series,
                held,
                0,
                f"{len(held - judged)} instances arrived after {len(missing)} of {len(judged)} others were judged and "
                "deleted; send the whole series again",
            )
            return None
        batch = Batch(Revision(series, last.number + 1), held, self._draft(), self._draft())
        batch.folder.mkdir(mode=0o700)
        batch.out.mkdir(mode=0o700)
        for name in held:
            (batch.folder / f"{name}{RESULT_SUFFIX}").hardlink_to(folder / name)
        return batch

    def _last(self, series: str) -> tuple[Revision, frozenset[str]]:
        """Returns the last revision and the instances that it judged; number 0: no revision."""
        numbers = (int(place.name) for place in (self.root / "results" / series).glob("*"))
        last = Revision(series, max(numbers, default=0))
        return last, frozenset(_read(self._place(last) / RECORD)["instances"]) if last.number else frozenset()

    def _resent(self, last: Revision) -> None:
        """Queues instances for deletion again that were deleted and then sent again."""
        marker = self._place(last) / FORWARDED
        if last.number and marker.exists():
            with self._guard:
                self._sent[last] = marker.stat().st_mtime

    def _clear(self, revision: Revision) -> None:
        for path in self.results(revision):
            path.unlink(missing_ok=True)
        last, judged = self._last(revision.series)
        folder = self.root / "series" / revision.series
        with self._guard:
            del self._sent[revision]
            # A series with a new instance keeps all instances: the next revision needs them.
            if last == revision and folder.exists() and _names(folder) <= judged:
                shutil.rmtree(folder)
                self._arrived.pop(revision.series, None)

    def _attempts(self, batch: Batch) -> int:
        path = self.root / "failures" / batch.revision.series
        failure = _read(path) if path.exists() else {}
        return int(failure["attempts"]) if failure.get("instances") == _digest(batch.instances) else 0

    def _write_failure(self, series: str, instances: Iterable[str], attempts: int, reason: str) -> None:
        tree = {"instances": _digest(instances), "attempts": attempts, "reason": reason}
        draft = self._draft()
        write_durably(draft, json.dumps(tree).encode())
        rename_durably(draft, self.root / "failures" / series)

    def _discard(self, batch: Batch) -> None:
        _remove(batch.folder)
        _remove(batch.out)

    def _draft(self) -> Path:
        return self.root / "partial" / secrets.token_hex(8)

    def _place(self, revision: Revision) -> Path:
        return self.root / "results" / revision.series / f"{revision.number}"


def _prepare(root: Path) -> None:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (root / "lock").exists() and any(root.iterdir()):
        raise UsageError(f"the folder {root} is not empty and no spool; give another --spool")
    mode = root.stat().st_mode & 0o777
    if mode & 0o077:
        raise UsageError(f"the spool {root} has mode {mode:o}, so other users can read it; run: chmod 700 {root}")


def _locked(root: Path) -> int:
    handle = os.open(root / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise UsageError(f"the spool {root} is in use by another process; give another --spool") from None
    return handle


def _key(root: Path) -> bytes:
    path, draft = root / "key", root / "key.draft"
    if not path.exists():
        draft.unlink(missing_ok=True)
        write_durably(draft, secrets.token_bytes(KEY_BYTES))
        rename_durably(draft, path)
    return path.read_bytes()


def _names(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.iterdir())


def _digest(instances: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(instances)).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(path.read_bytes())
    return tree


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
