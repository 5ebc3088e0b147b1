"""The spool: keeps received, judged and sent series on disk, so that a crash between any two steps loses nothing.

    key                          key of the hashes that are names
    lock                         held by the one process that works here
    partial/                     unfinished files and folders; emptied at every start
    series/SERIES/INSTANCE       instances as they were received
    results/SERIES/REVISION/     record.json (the judged instances), the results, and `forwarded` once accepted
    failures/SERIES              number of failed attempts to judge a series, and the reason
    others/SERIES/INSTANCE       what is received and not judged: no images, and answers
    damaged/                     what could not be read here, or does not belong here

Names are keyed hashes of UIDs and identify nobody without the key. The files are the whole state, and each step is one
rename: an instance is received when it has its name, a series is judged when its revision has its name, a revision is
forwarded when its marker exists.

A series is judged again, as a new revision, when an instance arrives that no revision has judged. An instance that is
sent again changes nothing, not even when its file was deleted meanwhile. If a new instance arrives after the files of
the others were deleted, the series waits until all of it is sent again: half a series gets no answer.

Each entry is read by itself. One that is damaged is set aside (`medtl.node.damaged`); where it was a judgement, the
series is judged again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from medtl.node.damaged import FOLDER as DAMAGED
from medtl.node.damaged import Damaged
from medtl.node.place import check_room, locked, prepare, read_key
from medtl.node.records import Failure, Record, Revision, digest
from shared.errors import machine_fault
from shared.io.durable import mkdir_durably, rename_durably, sync_folder, write_durably

NAME_BYTES = 16
"""Length of the hashes, 128 bits: no two instances of any archive share one by chance."""
FOLDERS = ("partial", "series", "results", "failures", "others", DAMAGED)
RECORD, FORWARDED, RESULT_SUFFIX = "record.json", "forwarded", ".dcm"

Stored: TypeAlias = Literal["new", "again", "other", "replaced"]
"""What became of an instance: it is new; it is known, with the same bytes; it is known with other bytes, and the stored
one stays; or it took the place of a stored one that is not whole."""


@dataclass(frozen=True)
class Batch:
    """A series to be judged, as it was at one moment; who took it ends it by `Spool.end`, whatever came of it.

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
        UsageError: The folder holds something else, other users can read it, another process works in it, or its key
            is damaged.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._guard = threading.Lock()
        prepare(root)
        self._lock = locked(root)
        self._key = read_key(root)
        for name in FOLDERS:
            mkdir_durably(root / name)
        self._damaged = Damaged(root)
        for leftover in (root / "partial").iterdir():
            with suppress(OSError):  # a foreign entry; nothing there is read
                _remove(leftover)
        series = self._damaged.sound(root / "series", Path.is_dir)
        self._arrived = {path.name: time.monotonic() for path in series}
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

    def store(
        self, series: str, instance: str, data: bytes, is_whole: Callable[[bytes], bool] = lambda _: True
    ) -> Stored:
        """Stores an instance; when this returns, it survives a power cut.

        The first instance that arrives under a name stays, for a SOP Instance UID never names two contents (PS3.5,
        section 9), unless it is not whole and the new one is. Its series is then judged again.

        Args:
            series: Name of the series, made by `name`.
            instance: Name of the instance, made by `name`.
            data: The bytes of the DICOM file.
            is_whole: Says of the bytes of a file whether they can be decoded; asked where the two differ.

        Returns:
            What became of it.

        Raises:
            OSError: The disk has no room for it, or refuses it; nothing of it is left.
        """
        place = self.root / "series" / series / instance
        with self._drafted(data, needed=not place.exists()) as draft, self._guard:
            mkdir_durably(place.parent)
            stored = self._stored(place, data, is_whole)
            if stored in ("new", "replaced"):
                if not draft.exists():  # the stored one has just been deleted, or is replaced
                    write_durably(draft, data)
                if stored == "replaced":
                    self._forget(series, instance)
                rename_durably(draft, place)
            else:
                sync_folder(place.parent)
            self._arrived[series] = time.monotonic()
        return stored

    def keep(self, series: str, instance: str, data: bytes) -> None:
        """Stores an instance that is not judged; when this returns, it survives a power cut.

        Args:
            series: Name of the series, made by `name`.
            instance: Name of the instance, made by `name`.
            data: The bytes of the DICOM file.

        Raises:
            OSError: The disk has no room for it, or refuses it; nothing of it is left.
        """
        place = self.root / "others" / series / instance
        with self._drafted(data, needed=True) as draft, self._guard:
            mkdir_durably(place.parent)
            rename_durably(draft, place)

    def take(self, quiet_s: float) -> Batch | None:
        """Takes the next series to judge; the caller then ends the attempt by `end`, whatever came of it.

        `take` and `clean` must be called from one thread.

        Args:
            quiet_s: Seconds without a new instance after which a series counts as complete.

        Returns:
            The series that has waited longest; None where no series is complete.
        """
        while (series := self._next(quiet_s)) is not None:
            try:
                batch = self._batch(series)
            except BaseException:
                self._queue(series, 0.0)
                raise
            if batch is not None:
                return batch
        return None

    def end(self, batch: Batch, wait_s: float | None) -> None:
        """Ends an attempt to judge a series; it never fails.

        Args:
            batch: The series.
            wait_s: Seconds after which it is taken again at the earliest; None: not before it receives a new instance.
        """
        for folder in (batch.folder, batch.out):
            with suppress(OSError):  # emptied at the next start
                _remove(folder)
        if wait_s is not None:
            self._queue(batch.revision.series, wait_s)

    def commit(self, batch: Batch, results: Iterable[str] = ()) -> Revision:
        """Makes the files in `batch.out` the results of the series, in one step, and returns their revision.

        An instance that was replaced since the batch was taken does not count as judged.

        Args:
            batch: The judged series; its files in `out` are synced.
            results: Names of the results, made by `name`.

        Raises:
            OSError: The disk refuses it; the series then has no results.
        """
        own = tuple(sorted(results))
        place = self._place(batch.revision)
        mkdir_durably(place.parent)
        with self._guard:
            judged = tuple(sorted(name for name in batch.instances if not self._is_replaced(batch, name)))
            write_durably(batch.out / RECORD, Record(judged, own).to_bytes())
            sync_folder(batch.out)
            try:
                rename_durably(batch.out, place)
            finally:
                if not batch.out.exists():  # also where its new name is not known to be on disk
                    self._unsent.append(batch.revision)
                    self._own.update(own)
        with suppress(OSError):  # it is removed when the series is looked at again
            (self.root / "failures" / batch.revision.series).unlink(missing_ok=True)
        return batch.revision

    def fail(self, batch: Batch, reason: str) -> int:
        """Records a failed attempt to judge a series.

        Args:
            batch: The series.
            reason: One line without identifiers.

        Returns:
            Number of failed attempts on these instances.

        Raises:
            OSError: The disk refuses it; the attempt does not count.
        """
        attempts = self._attempts(batch) + 1
        self._write_failure(batch.revision.series, batch.instances, attempts, reason)
        return attempts

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

    def reject(self, revision: Revision) -> None:
        """Sets a revision aside whose results cannot be read; its series is judged again.

        Args:
            revision: A revision that was not forwarded.
        """
        self._damaged.add(self._place(revision), "has results that cannot be read")
        with self._guard, suppress(ValueError):
            self._unsent.remove(revision)
        if (self.root / "series" / revision.series).is_dir():
            self._queue(revision.series, 0.0)

    def clean(self, keep_s: float) -> int:
        """Deletes instances and results that were forwarded at least `keep_s` seconds ago; their records stay.

        Instances of a series that has a new one stay too. What is not judged is deleted so long after it arrived.

        Args:
            keep_s: Seconds from forwarding to deletion.

        Returns:
            Number of revisions that were cleaned.
        """
        with self._guard:
            due = [revision for revision, since in self._sent.items() if time.time() - since >= keep_s]
        for revision in sorted(due):
            self._clear(revision)
        for folder in self._damaged.sound(self.root / "others", Path.is_dir):
            with self._guard:
                for path in self._damaged.sound(folder, Path.is_file):
                    if time.time() - path.stat().st_mtime >= keep_s:
                        path.unlink()
                with suppress(OSError):  # it is not empty
                    folder.rmdir()
        return len(due)

    def counts(self) -> tuple[int, int, int, int]:
        """Counts series to judge, revisions to send, series that could not be judged, and what was set aside."""
        failures = len(list(self._damaged.sound(self.root / "failures", Path.is_file)))
        with self._guard:
            return len(self._arrived), len(self._unsent), failures, self._damaged.count()

    def _recall(self) -> None:
        """Reads from disk which revisions exist, and which were forwarded."""
        unsent = []
        for folder in self._damaged.sound(self.root / "results", Path.is_dir):
            for revision, record in self._revisions(folder.name):
                place = self._place(revision)
                self._own.update(record.results)
                if (marker := place / FORWARDED).exists():
                    self._sent[revision] = marker.stat().st_mtime
                else:
                    unsent.append((place.stat().st_mtime, revision))
        self._unsent = [revision for _, revision in sorted(unsent)]

    def _revisions(self, series: str) -> list[tuple[Revision, Record]]:
        """The revisions of a series with their records, the first one first; a damaged one is set aside."""
        found = []
        for place in self._damaged.sound(self.root / "results" / series, _is_numbered_folder):
            try:
                record = Record.read(place / RECORD)
            except (OSError, ValueError) as error:
                if machine_fault(error) not in (None, errno.EIO):
                    raise  # too many open files say nothing of this one
                self._damaged.add(place, "has a record that cannot be read")
            else:
                found.append((Revision(series, int(place.name)), record))
        return sorted(found, key=lambda pair: pair[0])

    def _stored(self, place: Path, data: bytes, is_whole: Callable[[bytes], bool]) -> Stored:
        """What becomes of an instance whose place is `place`."""
        if not place.exists():
            return "new"
        stored = place.read_bytes()
        if stored == data:
            return "again"
        return "replaced" if is_whole(data) and not is_whole(stored) else "other"

    def _forget(self, series: str, instance: str) -> None:
        """Takes an instance out of the record of the last revision, so that the series is judged again."""
        # its name stays, so attempts that failed on the bytes of before would count against the new ones
        (self.root / "failures" / series).unlink(missing_ok=True)
        last, judged = self._last(series)
        if instance not in judged:
            return
        path = self._place(last) / RECORD
        record = Record.read(path)
        left = replace(record, instances=tuple(name for name in record.instances if name != instance))
        with self._drafted(left.to_bytes(), needed=True) as draft:
            rename_durably(draft, path)

    def _is_replaced(self, batch: Batch, instance: str) -> bool:
        """Whether another file stands in the place of an instance than the one that was judged."""
        held = self.root / "series" / batch.revision.series / instance
        return held.exists() and not held.samefile(batch.folder / f"{instance}{RESULT_SUFFIX}")

    def _queue(self, series: str, wait_s: float) -> None:
        with self._guard:
            self._arrived[series] = time.monotonic() + wait_s

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
        held = frozenset(path.name for path in self._damaged.sound(folder, Path.is_file))
        if not held:
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
        try:
            batch.folder.mkdir(mode=0o700)
            batch.out.mkdir(mode=0o700)
            for name in held:
                (batch.folder / f"{name}{RESULT_SUFFIX}").hardlink_to(folder / name)
        except BaseException:
            self.end(batch, None)
            raise
        return batch

    def _last(self, series: str) -> tuple[Revision, frozenset[str]]:
        """Returns the last revision and the instances that it judged; number 0: no revision."""
        revisions = self._revisions(series)
        if not revisions:
            return Revision(series, 0), frozenset()
        last, record = revisions[-1]
        return last, frozenset(record.instances)

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
        done = self._draft()
        with self._guard:
            # A series with a new instance keeps all instances: the next revision needs them.
            held = frozenset(path.name for path in self._damaged.sound(folder, Path.is_file))
            if last == revision and folder.exists() and held <= judged:
                folder.rename(done)
                self._arrived.pop(revision.series, None)
            del self._sent[revision]
        with suppress(OSError):  # emptied at the next start
            _remove(done)

    def _attempts(self, batch: Batch) -> int:
        path = self.root / "failures" / batch.revision.series
        if not path.exists():
            return 0
        try:
            failure = Failure.read(path)
        except ValueError:
            self._damaged.add(path, "cannot be read")
            return 0
        return failure.attempts if failure.instances == digest(batch.instances) else 0

    def _write_failure(self, series: str, instances: Iterable[str], attempts: int, reason: str) -> None:
        failure = Failure(digest(instances), attempts, reason)
        with self._drafted(failure.to_bytes(), needed=True) as draft:
            rename_durably(draft, self.root / "failures" / series)

    @contextmanager
    def _drafted(self, data: bytes, *, needed: bool) -> Iterator[Path]:
        """A new file with these bytes, which the body renames; nothing of it is left where it does not.

        Raises:
            OSError: The disk has no room for it.
        """
        draft = self._draft()
        try:
            if needed:
                check_room(self.root, len(data))
                write_durably(draft, data)
            yield draft
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _draft(self) -> Path:
        return self.root / "partial" / secrets.token_hex(8)

    def _place(self, revision: Revision) -> Path:
        return self.root / "results" / revision.series / f"{revision.number}"


def _is_numbered_folder(path: Path) -> bool:
    return path.name.isdecimal() and path.is_dir()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
