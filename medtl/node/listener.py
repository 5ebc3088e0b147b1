"""A DICOM node: receives series by C-STORE, judges them when they are complete, and sends the results on.

Logs hold counts and keyed hashes, never values of an object.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AllStoragePresentationContexts, evt
from pynetdicom.events import Event

from medtl.node.forwarder import Forwarder, Target, check_ae_title
from medtl.node.intake import Intake
from medtl.node.judge import Judge
from medtl.node.spool import Batch, Spool
from medtl.node.transport import MAX_ASSOCIATIONS, SILENT_S, BoundedServer, Entity
from shared.errors import UsageError, cannot_listen
from shared.io.addresses import check_port
from shared.io.quiet import quiet_loggers
from shared.io.tls import TlsFiles
from shared.processes.worker import ITEM_CPU_S, MEMORY_BYTES, MachineFailed, Worker, WorkFailed

LOGGER = logging.getLogger(__name__)
VERIFICATION = "1.2.840.10008.1.1"
NETWORK_TIMEOUT_S = 60.0
ATTEMPTS = 3
RETRY_S = 30.0
"""Seconds between attempts to judge a series: a lack of memory is over by then, a damaged file is not."""
POLL_S = 0.2
CLEAN_EVERY_S = 1.0
GRACE_S = 10.0
"""Seconds that open associations and the running judgement may take when the listener stops."""
DAY_S = 86_400.0
STATE = "%d series to judge, %d results to send, %d failures, %d damaged entries"
"""What `Spool.counts` says, in words."""
TIMEOUT_S = 900.0
"""For one series: more than the longest takes on a slow machine; a call that takes longer hangs."""


@dataclass(frozen=True)
class ListenerSettings:
    """Settings of a listener.

    Attributes:
        port: TCP port to listen on.
        host: Address to listen on.
        ae_title: Application entity title of the listener, for senders and the target.
        target: Application entity to which results are sent; None: they stay in the spool, and nothing is deleted.
        quiet_s: Seconds without a new instance after which a series counts as complete.
        keep_days: Days from forwarding to the deletion of instances and results.
        retry_s: Seconds between attempts to judge a series.
        tls: Certificate of the node, for its ports and for the target; None: nothing is encrypted.
        called_title_only: Whether an association is rejected that calls another title than `ae_title`.
    """

    port: int
    host: str = "127.0.0.1"
    ae_title: str = "MEDTL"
    target: Target | None = None
    quiet_s: float = 10.0
    keep_days: float = 1.0
    retry_s: float = RETRY_S
    tls: TlsFiles | None = None
    called_title_only: bool = False

    @classmethod
    def checked(
        cls,
        port: int,
        host: str,
        ae_title: str,
        forward: str | None,
        quiet_s: float,
        keep_days: float | None,
        *,
        tls: TlsFiles | None = None,
        called_title_only: bool = False,
    ) -> ListenerSettings:
        """Checks the values of the command line, and returns the settings made of them.

        Args:
            port: Value of `--port`.
            host: Value of `--host`.
            ae_title: Value of `--ae-title`.
            forward: Value of `--forward`, `AE@host:port`; None: results are not sent.
            quiet_s: Value of `--series-timeout`, in seconds.
            keep_days: Value of `--keep-days`; None: the default.
            tls: Values of `--tls-certificate`, `--tls-key` and `--tls-authority`.
            called_title_only: Value of `--check-called-title`.

        Raises:
            UsageError: A value is not allowed, or `keep_days` is given without `forward`.
        """
        check_port(port, "--port")
        check_ae_title(ae_title, "--ae-title")
        target = None if forward is None else Target.parse(forward)
        if not 0 < quiet_s < math.inf:
            raise UsageError(
                f"--series-timeout {quiet_s:g} is not allowed; give a number of seconds above 0, for example 10"
            )
        if keep_days is None:
            return cls(port, host, ae_title, target, quiet_s, tls=tls, called_title_only=called_title_only)
        if target is None:
            raise UsageError("--keep-days counts from forwarding; give --forward too (without it nothing is deleted)")
        if not 0 <= keep_days < math.inf:
            raise UsageError(f"--keep-days {keep_days:g} is not allowed; give a number of days, 0 to delete at once")
        return cls(port, host, ae_title, target, quiet_s, keep_days, tls=tls, called_title_only=called_title_only)

    def __str__(self) -> str:
        goes = "results stay in the spool" if self.target is None else f"results go to {self.target}"
        return f"{Target(self.ae_title, self.host, self.port)}, {goes}"


class Door(Protocol):
    """Another way in and out of the spool, beside DICOM's own."""

    def start(self) -> None:
        """Starts to listen, in threads of its own, and returns at once.

        Raises:
            UsageError: The port is in use, or the address does not belong to this machine.
        """

    def stop(self) -> None:
        """Stops to listen, once the open requests had some seconds."""


def listen(
    spool: Spool, judge: Judge, settings: ListenerSettings, ready: Callable[[], None], doors: Sequence[Door] = ()
) -> None:
    """Listens until SIGTERM or SIGINT; unfinished work is continued at the next start.

    Args:
        spool: The store of received instances and results.
        judge: Judges the folder of one series, in a child process.
        settings: Settings of the listener.
        ready: Called when the listener accepts associations.
        doors: Other ways into the same spool, which are open as long.

    Raises:
        UsageError: The port is in use, or the address does not belong to this machine.
    """
    stop = threading.Event()
    with _silent(), _stopped_by_signals(stop):
        listener = Listener(spool, judge, settings)
        listener.start()
        with ExitStack() as opened:
            opened.callback(listener.stop)
            for door in doors:
                door.start()
                opened.callback(door.stop)
            ready()
            stop.wait()


class Listener:
    """Receives, judges and sends series, each in its own threads.

    Args:
        spool: The store of received instances and results.
        judge: Judges the folder of one series, in a child process.
        settings: Settings of the listener.
    """

    def __init__(self, spool: Spool, judge: Judge, settings: ListenerSettings) -> None:
        self._spool, self._settings, self._intake = spool, settings, Intake(spool)
        self._worker = Worker(judge, TIMEOUT_S, MEMORY_BYTES, ITEM_CPU_S)
        self._stopping = threading.Event()
        self._judging = threading.Thread(target=self._judge_all, name="judge", daemon=True)
        self._forwarder = None
        if settings.target is not None:
            tls = None if settings.tls is None else settings.tls.for_client()
            self._forwarder = Forwarder(spool, settings.target, settings.ae_title, self._stopping, tls)
        self._server: BoundedServer | None = None

    def start(self) -> None:
        """Starts to listen, in threads of its own, and returns at once.

        Raises:
            UsageError: The port is in use, or the address does not belong to this machine.
        """
        place = self._settings.host, self._settings.port
        try:
            self._server = _entity(self._settings).start_server(
                place,
                block=False,
                evt_handlers=[(evt.EVT_C_STORE, self._receive)],
                ssl_context=None if self._settings.tls is None else self._settings.tls.for_server(),
            )
        except OSError as error:
            raise cannot_listen(error, *place) from None
        LOGGER.info(f"in the spool: {STATE}", *self._spool.counts())
        self._judging.start()
        if self._forwarder is not None:
            self._forwarder.start()

    def stop(self) -> None:
        """Refuses new associations, waits up to `GRACE_S` for open ones and the running judgement, and stops."""
        self._stopping.set()
        end = time.monotonic() + GRACE_S
        if self._server is not None:
            server, self._server = self._server, None
            server.shutdown()
            while server.active_associations and time.monotonic() < end:
                time.sleep(POLL_S)
            for association in server.active_associations:
                association.abort()
        if self._judging.is_alive():
            self._judging.join(max(0.0, end - time.monotonic()))
        self._worker.kill()
        for thread in (self._judging, self._forwarder):
            if thread is not None and thread.is_alive():
                thread.join(GRACE_S)
        self._worker.stop()
        counts = self._spool.counts()
        level = logging.WARNING if any(counts) else logging.INFO
        LOGGER.log(level, f"stopped; in the spool: {STATE}; the next start continues", *counts)

    def _receive(self, event: Event) -> int:
        """Handles a C-STORE request and returns the status of its response."""
        return self._intake.take(event.encoded_dataset, instance=str(event.request.AffectedSOPInstanceUID)).status

    def _judge_all(self) -> None:
        cleaned = -CLEAN_EVERY_S
        while not self._stopping.wait(POLL_S):
            try:
                while not self._stopping.is_set() and (batch := self._spool.take(self._settings.quiet_s)) is not None:
                    self._judge(batch)
                if self._settings.target is not None and time.monotonic() - cleaned >= CLEAN_EVERY_S:
                    cleaned = time.monotonic()
                    self._spool.clean(self._settings.keep_days * DAY_S)
            # The thread must not end: series would be received and never judged. A full disk may be freed tomorrow.
            except Exception as error:
                LOGGER.error("the spool cannot be worked on (%s)", type(error).__name__)
                self._stopping.wait(self._settings.retry_s)

    def _judge(self, batch: Batch) -> None:
        """Makes one attempt to judge a series; whatever comes of it, the attempt is ended."""
        wait_s: float | None = self._settings.retry_s
        try:
            wait_s = self._attempt(batch)
        finally:
            self._spool.end(batch, wait_s)

    def _attempt(self, batch: Batch) -> float | None:
        """Tries to judge a series; returns the seconds until the next attempt, None where there is to be none."""
        series, begun = batch.revision.series, time.monotonic()
        if self._spool.given_up(batch, ATTEMPTS):
            return None
        try:
            uids: list[str] = self._worker.call("judge", batch.folder, batch.out)
        except MachineFailed as error:
            LOGGER.error("series %s: %s; the attempt does not count", series, error)
            return self._settings.retry_s
        except WorkFailed as error:
            return self._failed(batch, str(error))
        self._spool.commit(batch, [self._spool.name(uid) for uid in uids])
        seconds, count = time.monotonic() - begun, len(batch.instances)
        words = series, batch.revision.number, seconds, count, len(uids)
        LOGGER.info("series %s, revision %d: judged in %.1f s, instances %d, results %d", *words)
        return None

    def _failed(self, batch: Batch, reason: str) -> float | None:
        """Counts a failed attempt; returns as `_attempt` does."""
        if self._stopping.is_set():  # the listener ended the child, not the series
            return 0.0
        attempts = self._spool.fail(batch, reason)
        LOGGER.warning("series %s: attempt %d of %d failed: %s", batch.revision.series, attempts, ATTEMPTS, reason)
        return self._settings.retry_s if attempts < ATTEMPTS else None


def _entity(settings: ListenerSettings) -> Entity:
    """Offers verification and all storage classes in every transfer syntax; a refusal is the result of any but MR."""
    entity = Entity(ae_title=settings.ae_title)
    entity.require_called_aet = settings.called_title_only
    entity.maximum_associations = MAX_ASSOCIATIONS
    entity.network_timeout, entity.acse_timeout = NETWORK_TIMEOUT_S, SILENT_S
    entity.add_supported_context(VERIFICATION)
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax, AllTransferSyntaxes)
    return entity


@contextmanager
def _silent() -> Iterator[None]:
    """Silences what would quote objects: the loggers of pynetdicom and pydicom, warnings, tracebacks of threads."""
    hook = threading.excepthook
    with quiet_loggers("pynetdicom", "pydicom"):
        threading.excepthook = lambda fault: LOGGER.error("a thread ended (%s)", fault.exc_type.__name__)
        try:
            yield
        finally:
            threading.excepthook = hook


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Sets `stop` on SIGTERM and SIGINT."""

    def set_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    previous = {number: signal.signal(number, set_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
