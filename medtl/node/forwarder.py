"""Sends results by C-STORE until the target has accepted them."""

from __future__ import annotations

import errno
import logging
import re
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.association import Association

from medtl.node.records import Revision
from medtl.node.spool import Spool
from shared.errors import MedtlError, UsageError, machine_fault
from shared.io.addresses import check_port

LOGGER = logging.getLogger(__name__)
POLL_S = 0.2
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
"""Seconds between attempts to send to a target that does not accept; doubled each time up to the longest."""
TIMEOUT_S = 30.0
WARNINGS = {0x0001, 0x0107, 0x0116}
"""Warning statuses other than 0xBxxx, with which a target has accepted an object. Source: DICOM PS3.7, annex C."""
AE_TITLE = re.compile(r"(?=.*[^ ])[\x20-\x5b\x5d-\x7e]{1,16}")
"""Up to 16 characters without backslash, not only spaces. Source: DICOM PS3.5, table 6.2-1."""
Kind: TypeAlias = tuple[str, str]
"""SOP Class UID and Transfer Syntax UID of an object."""


class NotAccepted(MedtlError):
    """A target did not accept a result; the message is the reason."""


@dataclass(frozen=True)
class Target:
    """An application entity to which results are sent.

    Attributes:
        ae_title: Its application entity title.
        host: Its name or address; an IPv6 address without brackets.
        port: Its TCP port.
    """

    ae_title: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Target:
        """Parses a target from text.

        Args:
            text: `AE@host:port`; an IPv6 address is written in brackets.

        Raises:
            UsageError: The text has another form, or a title or port that is not allowed.
        """
        found = re.fullmatch(r"(?P<title>[^@]+)@(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^@:\s]+)):(?P<port>\d+)", text)
        if found is None:
            raise UsageError(f"--forward {text!r} is not allowed; give AE@host:port, for example ARCHIVE@127.0.0.1:104")
        title, host = check_ae_title(found["title"], "--forward"), found["six"] or found["host"]
        return cls(title, host, check_port(int(found["port"]), "--forward"))

    def __str__(self) -> str:
        return f"{self.ae_title}@{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def check_ae_title(title: str, option: str) -> str:
    """Checks an application entity title, and returns it as it is.

    Args:
        title: The title.
        option: Name of the option that it was given with, for the message.

    Raises:
        UsageError: DICOM does not allow the title.
    """
    if not AE_TITLE.fullmatch(title):
        raise UsageError(
            f"{option}: the AE title {title!r} is not allowed; it has 1 to 16 ASCII characters, not only spaces, "
            "and no backslash"
        )
    return title


class Forwarder(threading.Thread):
    """A thread that sends every revision that was not accepted yet, the oldest first, until it is stopped.

    A refused revision does not delay the others; all are tried again at growing intervals.

    Args:
        spool: The store of the revisions.
        target: Where they are sent.
        ae_title: Application entity title of the sender.
        stop: Ends the thread when it is set.
        tls: Settings of TLS; None: nothing is encrypted.
    """

    def __init__(
        self, spool: Spool, target: Target, ae_title: str, stop: threading.Event, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(name="forwarder", daemon=True)
        self._spool, self._target, self._ae_title, self._stopping = spool, target, ae_title, stop
        self._tls = tls

    def run(self) -> None:
        """Sends revisions until the event `stop` is set; `start` calls it in the thread."""
        wait_s = FIRST_WAIT_S
        while not self._stopping.wait(POLL_S):
            if not (waiting := self._spool.unsent()) or self._send_all(waiting):
                wait_s = FIRST_WAIT_S
                continue
            LOGGER.warning("revisions that wait for %s: %d; next attempt in %g s", self._target, len(waiting), wait_s)
            self._stopping.wait(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _send_all(self, revisions: Sequence[Revision]) -> bool:
        """Sends revisions; returns whether all were accepted."""
        try:
            loaded = {revision: self._spool.results(revision) for revision in revisions}
            kinds = {revision: self._kinds(revision, paths) for revision, paths in loaded.items()}
            sound = {revision: found for revision, found in kinds.items() if found is not None}
            if not sound:
                return True  # their series are judged again
            with self._association(set().union(*sound.values())) as association:
                accepted = [self._send(association, revision, loaded[revision]) for revision in sound]
            return all(accepted)
        except NotAccepted as error:
            LOGGER.warning("%s %s", self._target, error)
        # The thread must not end: an unexpected error may be over tomorrow (a full disk, a host without a name).
        except Exception as error:
            LOGGER.warning("results cannot be sent to %s (%s)", self._target, type(error).__name__)
        return False

    def _send(self, association: Association, revision: Revision, paths: Sequence[Path]) -> bool:
        if self._stopping.is_set() or not association.is_established:
            return False
        try:
            for path in paths:
                _store(association, dcmread(path))
            self._spool.mark_forwarded(revision)
        except NotAccepted as error:
            LOGGER.warning("series %s: %s %s", revision.series, self._target, error)
            return False
        # those that come after it must be sent all the same
        except Exception as error:
            LOGGER.warning("series %s: results cannot be sent (%s)", revision.series, type(error).__name__)
            return False
        words = revision.series, revision.number, self._target, len(paths)
        LOGGER.info("series %s, revision %d: forwarded to %s, results %d", *words)
        return True

    def _kinds(self, revision: Revision, paths: Sequence[Path]) -> set[Kind] | None:
        """The kinds of the results of a revision; None where one cannot be read, and the revision is set aside."""
        try:
            metas = [dcmread(path).file_meta for path in paths]
            return {(str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)) for meta in metas}
        # whatever pydicom raises on bytes that rot: it was no DICOM file, ends too early, or states what is not there
        except Exception as error:
            if machine_fault(error) not in (None, errno.EIO):
                raise
            self._spool.reject(revision)
            return None

    @contextmanager
    def _association(self, kinds: set[Kind]) -> Iterator[Association]:
        entity = AE(ae_title=self._ae_title)
        entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = TIMEOUT_S
        for kind, syntax in sorted(kinds):
            entity.add_requested_context(kind, syntax)
        association = entity.associate(
            self._target.host,
            self._target.port,
            ae_title=self._target.ae_title,
            tls_args=None if self._tls is None else (self._tls, self._target.host),
        )
        if not association.is_established:
            raise NotAccepted(describe_refusal(association))
        try:
            yield association
        finally:
            association.release()


def describe_refusal(association: Association) -> str:
    """Describes in a few words, which follow the name of the target, why no association with it was made.

    Args:
        association: An association of pynetdicom that was not established.
    """
    if association.is_rejected:
        return "refuses the association"
    return "accepts none of these kinds of objects" if association.rejected_contexts else "cannot be reached"


def _store(association: Association, dataset: Dataset) -> None:
    """Sends one object.

    Raises:
        NotAccepted: The target did not confirm that it stored the object.
    """
    try:
        answer = association.send_c_store(dataset)
    except (ValueError, RuntimeError):  # pynetdicom raises them: no context accepted, association lost
        raise NotAccepted("does not accept this kind of object, or has ended the association") from None
    status = answer.get("Status")
    if status is None:
        raise NotAccepted("did not answer")
    if status != 0 and status not in WARNINGS and status >> 12 != 0xB:
        raise NotAccepted(f"answers with status 0x{status:04X}")
