"""Sending results by C-STORE until the target has taken them."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.association import Association

from medtl.node.spool import Revision, Spool
from shared.errors import MedtlError, UsageError

LOGGER = logging.getLogger(__name__)
POLL_S = 0.2
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
"""Between attempts on a target that does not take results; doubled each time up to the longest."""
TIMEOUT_S = 30.0
WARNINGS = {0x0001, 0x0107, 0x0116}
"""Statuses other than 0xBxxx that say the target took an object. Source: DICOM PS3.7, annex C."""
AE_TITLE = re.compile(r"(?=.*[^ ])[\x20-\x5b\x5d-\x7e]{1,16}")
"""Up to 16 characters without backslash, not only spaces. Source: DICOM PS3.5, table 6.2-1."""
MAX_PORT = 65535


class NotTaken(MedtlError):
    """A target did not take a result; the message says why."""


@dataclass(frozen=True)
class Target:
    """An application entity to which results are sent."""

    ae_title: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Target:
        """Reads `AE@host:port`; an IPv6 address stands in brackets.

        Raises:
            UsageError: It is not of this form.
        """
        found = re.fullmatch(r"(?P<title>[^@]+)@(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^@:\s]+)):(?P<port>\d+)", text)
        if found is None:
            raise UsageError(f"--forward {text!r} is not of the form AE@host:port, for example ARCHIVE@127.0.0.1:104")
        title, host = check_ae_title(found["title"], "--forward"), found["six"] or found["host"]
        return cls(title, host, check_port(int(found["port"]), "--forward"))

    def __str__(self) -> str:
        return f"{self.ae_title}@{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def check_ae_title(title: str, option: str) -> str:
    """An AE title that DICOM allows.

    Raises:
        UsageError: It is not one.
    """
    if not AE_TITLE.fullmatch(title):
        raise UsageError(
            f"{option}: the AE title {title!r} is not allowed; it has 1 to 16 ASCII characters, not only spaces, "
            "and no backslash"
        )
    return title


def check_port(port: int, option: str) -> int:
    """A TCP port.

    Raises:
        UsageError: It is not one.
    """
    if not 1 <= port <= MAX_PORT:
        raise UsageError(f"{option}: the port {port} is not allowed; it is 1 to {MAX_PORT}")
    return port


class Forwarder(threading.Thread):
    """Sends every revision that was not taken yet, oldest first, until it is stopped.

    One that the target refuses does not hold up the others; all are tried again, ever more slowly.
    """

    def __init__(self, spool: Spool, target: Target, ae_title: str, stop: threading.Event) -> None:
        super().__init__(name="forwarder", daemon=True)
        self._spool, self._target, self._ae_title, self._stopping = spool, target, ae_title, stop

    def run(self) -> None:
        """Sends until it is stopped."""
        wait_s = FIRST_WAIT_S
        while not self._stopping.wait(POLL_S):
            if not (waiting := self._spool.unsent()) or self._send_all(waiting):
                wait_s = FIRST_WAIT_S
                continue
            LOGGER.warning("revisions that wait for %s: %d; next attempt in %g s", self._target, len(waiting), wait_s)
            self._stopping.wait(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _send_all(self, revisions: Sequence[Revision]) -> bool:
        """Whether all were taken."""
        try:
            loaded = {revision: self._spool.results(revision) for revision in revisions}
            with self._association([path for paths in loaded.values() for path in paths]) as association:
                taken = [self._send(association, revision, paths) for revision, paths in loaded.items()]
            return all(taken)
        except NotTaken as error:
            LOGGER.warning("%s %s", self._target, error)
        # The thread must not end: what it does not know today may be over tomorrow (a full disk, a host without name).
        except Exception as error:
            LOGGER.warning("results cannot be sent to %s (%s)", self._target, type(error).__name__)
        return False

    def _send(self, association: Association, revision: Revision, paths: Sequence[Path]) -> bool:
        if self._stopping.is_set() or not association.is_established:
            return False
        try:
            for path in paths:
                _store(association, dcmread(path))
        except NotTaken as error:
            LOGGER.warning("series %s: %s %s", revision.series, self._target, error)
            return False
        self._spool.mark_forwarded(revision)
        words = revision.series, revision.number, self._target, len(paths)
        LOGGER.info("series %s, revision %d: forwarded to %s, results %d", *words)
        return True

    @contextmanager
    def _association(self, paths: Sequence[Path]) -> Iterator[Association]:
        entity = AE(ae_title=self._ae_title)
        entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = TIMEOUT_S
        metas = [dcmread(path, stop_before_pixels=True).file_meta for path in paths]
        for kind, syntax in sorted({(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID) for meta in metas}):
            entity.add_requested_context(kind, syntax)
        association = entity.associate(self._target.host, self._target.port, ae_title=self._target.ae_title)
        if not association.is_established:
            raise NotTaken(why_no_association(association))
        try:
            yield association
        finally:
            association.release()


def why_no_association(association: Association) -> str:
    """Why a target could not be spoken to."""
    if association.is_rejected:
        return "refuses the association"
    return "accepts none of these kinds of objects" if association.rejected_contexts else "cannot be reached"


def _store(association: Association, dataset: Dataset) -> None:
    """Sends one object.

    Raises:
        NotTaken: The target did not say that it took it.
    """
    try:
        answer = association.send_c_store(dataset)
    except (ValueError, RuntimeError):  # of pynetdicom: no context accepted, association lost
        raise NotTaken("does not accept this kind of object, or has ended the association") from None
    status = answer.get("Status")
    if status is None:
        raise NotTaken("did not answer")
    if status != 0 and status not in WARNINGS and status >> 12 != 0xB:
        raise NotTaken(f"answers with status 0x{status:04X}")
