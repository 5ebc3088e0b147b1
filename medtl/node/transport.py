"""Bounds of the listener's network: what pynetdicom takes from a peer before anybody has looked at it.

pynetdicom (3.0) reads a PDU of any stated length into memory, gathers an object without end, and counts a connection
that never speaks as an association. One that stops within a PDU it waits for without end. It copies all that is offered
for each connection (41 ms for all storage), asks each socket a thousand times a second, and keeps what an association
had received until Python collects its cycles. It has no settings for these: the bounds stand around its socket and its
server.
"""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_CANCEL_RQ
from pynetdicom.events import Event
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from medtl.dicom.bounds import MAX_OBJECT_BYTES

LOGGER = logging.getLogger(__name__)
MAX_ASSOCIATIONS = 16
"""Largest number of open associations; each may hold one object in memory."""
MAX_OF_PEER = 12
"""Largest number of open associations with one address, so that one peer cannot keep all others out."""
MAX_SILENT, SILENT_S = 32, 10.0
"""Largest number of connections that have not asked for an association yet, and seconds that one may stay so. Above it
the oldest is closed: a peer that means it asks at once."""
POLL_S, SILENT_POLL_S = 0.001, 0.02
"""Seconds between two looks at an association, as in pynetdicom, and at a silent connection: 32 of them took a fifth of
a core at 0.001."""
MAX_REQUEST_BYTES = 1 << 20
"""Longest PDU other than of data: a request that offers 128 contexts in all transfer syntaxes has 0.2 MB."""
MAX_BYTES = 1 << 30
"""Bytes of all objects that are being received together."""
HEADER_BYTES, DATA_PDU = 6, 0x04
"""Length of the head of a PDU, and its type for data. Source: DICOM PS3.8, 9.3."""
ABORT = bytes.fromhex("07000000000400000206")
"""A-ABORT by the service provider, for an invalid value of a PDU parameter. Source: DICOM PS3.8, 9.3.8."""


class Received:
    """Bytes that were received and not answered yet, of one association.

    Args:
        association: The association, whose socket is read through `recv` from now on.
        make_room: Called when bytes come in; closes the association that holds most where all hold too much.
    """

    def __init__(self, association: Association, make_room: Callable[[], None]) -> None:
        self._association, self._make_room = association, make_room
        self._socket: Any = association.dul.socket
        self._recv: Callable[[int], bytearray] = self._socket.recv
        self._is_data = self._is_aborted = False
        self._unfinished = 0
        self._waiting: deque[int] = deque()
        self._socket.recv = self.recv

    @property
    def held(self) -> int:
        """Bytes of the unfinished message, and of those that wait for their answers; none once it was aborted."""
        return 0 if self._is_aborted else self._unfinished + sum(self._waiting)

    @property
    def is_stuck(self) -> bool:
        """Whether nothing came for `network_timeout`, though it is the peer's turn: also within a PDU."""
        return not self._waiting and bool(self._association.dul.idle_timer_expired())

    def recv(self, count: int) -> bytearray:
        """Reads bytes of the peer, the head of a PDU or all that follows it.

        Args:
            count: Number of bytes.

        Raises:
            OSError: The peer goes beyond a bound; the association was aborted.
        """
        if count == HEADER_BYTES:
            head = self._recv(count)
            self._is_data = head[:1] == bytes([DATA_PDU])
            return head
        if self._is_data:
            self._check(count <= self._association.ae.maximum_pdu_size, "a PDU is longer than was negotiated")
            self._unfinished += count
            self._check(self._unfinished <= MAX_OBJECT_BYTES, f"an object has more than {MAX_OBJECT_BYTES >> 20} MiB")
            self._make_room()
            self._check(not self._is_aborted, "it held most")
        else:
            self._check(count <= MAX_REQUEST_BYTES, "a request is longer than any")
        return self._recv(count)

    def message(self, event: Event) -> None:
        """Notes the end of a message (EVT_DIMSE_RECV), which then waits for its answer; a C-CANCEL has none."""
        if not isinstance(event.message, C_CANCEL_RQ):
            self._waiting.append(self._unfinished)
        self._unfinished = 0

    def answered(self, event: Event) -> None:
        """Notes that the message that waited longest is answered (EVT_DIMSE_SENT)."""
        if self._waiting:
            self._waiting.popleft()

    def give_way(self) -> None:
        """Closes the connection, from any thread, for the sake of the others; what it holds no longer counts."""
        self._is_aborted = True
        LOGGER.warning("an association was closed: objects have more than %d MiB, and it holds most", MAX_BYTES >> 20)
        _hang_up(self._association)

    def let_go(self) -> None:
        """Drops what an ended association has received; pynetdicom keeps it until Python collects cycles."""
        dimse = self._association.dimse
        dimse.message = None
        with suppress(queue.Empty):
            while True:
                dimse.msg_queue.get_nowait()

    def _check(self, is_within: bool, what: str) -> None:
        if is_within:
            return
        if not self._is_aborted:
            self._is_aborted = True
            LOGGER.warning("an association was aborted: %s", what)
            with suppress(OSError):
                self._socket.socket.sendall(ABORT)
        raise OSError(what)


class Entity(AE):  # type: ignore[misc]
    """An application entity that counts as associations the connections that have asked for one."""

    @property
    def active_associations(self) -> list[Association]:
        """The open associations, without connections that are still silent."""
        return [one for one in super().active_associations if not _is_silent(one)]

    def make_server(self, *arguments: Any, **options: Any) -> Any:
        """Makes a `BoundedServer`, with the arguments of pynetdicom's method; `start_server` calls it."""
        return super().make_server(*arguments, **{**options, "server_class": BoundedServer})


class _Handler(RequestHandler):  # type: ignore[misc]
    def _create_association(self) -> Association:
        association = super()._create_association()
        association.acceptor.supported_contexts = self.server.offered
        self.server.admit(association)
        return association


class BoundedServer(ThreadedAssociationServer):  # type: ignore[misc]
    """A server whose associations are read within bounds, and whose silent connections keep nobody out.

    Args:
        arguments: What pynetdicom's `ThreadedAssociationServer` takes.
        options: What it takes by name.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._received: dict[Association, Received] = {}
        self._since: dict[Association, float] = {}
        self._guard = threading.Lock()
        super().__init__(*arguments, request_handler=_Handler, **options)
        # the request handler of pynetdicom copies `contexts`; to negotiate changes none of them
        self.offered: list[Any] = self.contexts
        self.contexts: list[Any] = []

    def admit(self, association: Association) -> None:
        """Bounds what a new connection may send, and closes the oldest silent ones above `MAX_SILENT`.

        Args:
            association: The connection, before it has said anything.
        """
        received = Received(association, self.make_room)
        association.bind(evt.EVT_DIMSE_RECV, received.message)
        association.bind(evt.EVT_DIMSE_SENT, received.answered)
        association.bind(evt.EVT_REQUESTED, self._bound_peer)
        association.dul._run_loop_delay = SILENT_POLL_S
        with self._guard:
            self._received[association], self._since[association] = received, time.monotonic()
        self.close_silent()

    def get_request(self) -> tuple[Any, Any]:
        """Accepts a connection; with TLS its own thread shakes hands, lest a silent peer keep the others waiting."""
        connection, address = self.socket.accept()
        if self.ssl_context is not None:
            connection = self.ssl_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def service_actions(self) -> None:
        """Lets go of what has ended and closes what is silent, twice a second (`socketserver` calls it)."""
        super().service_actions()
        with self._guard:
            self._forget_ended()
            stuck = [one for one, received in self._received.items() if received.is_stuck]
        for one in stuck:
            _hang_up(one)
        self.close_silent()

    def make_room(self) -> None:
        """Closes the association that holds most where all together hold more than `MAX_BYTES`.

        The one that asks is often another: a peer that holds much and sends nothing keeps nobody out.
        """
        with self._guard:
            held = [(one.held, one) for one in self._received.values()]
        if sum(size for size, _ in held) > MAX_BYTES:
            max(held, key=lambda pair: pair[0])[1].give_way()

    def close_silent(self) -> None:
        """Closes connections that have been silent for `SILENT_S`, and the oldest ones above `MAX_SILENT`."""
        with self._guard:
            silent = [one for one in self._since if _is_silent(one)]  # the oldest first
            late = time.monotonic() - SILENT_S
            for number, one in enumerate(silent):
                if number < len(silent) - MAX_SILENT or self._since[one] < late:
                    del self._since[one]
                    _hang_up(one)
                    one.dul.to_user_queue.put(None)  # wakes the thread, as the end of its waiting time does

    def _bound_peer(self, event: Event) -> None:
        """Rejects an association (EVT_REQUESTED) with a peer that has as many as it may."""
        event.assoc.dul._run_loop_delay = POLL_S
        peer = event.assoc.requestor.address
        same = [one for one in self.active_associations if not _is_silent(one) and one.requestor.address == peer]
        if len(same) > MAX_OF_PEER:
            LOGGER.warning("an association was rejected: its peer has %d open ones", MAX_OF_PEER)
            event.assoc.acse.send_reject(0x02, 0x03, 0x02)  # local limit exceeded, PS3.8, 9.3.4
            event.assoc.kill()  # once the rejection was sent

    def _forget_ended(self) -> None:
        for ended in [one for one in self._received if one.ident is not None and not one.is_alive()]:
            self._received.pop(ended).let_go()
            self._since.pop(ended, None)


def _is_silent(association: Association) -> bool:
    """Whether a connection has not asked for an association yet."""
    return bool(association.is_acceptor) and association.requestor.primitive is None


def _hang_up(association: Association) -> None:
    """Closes the connection of an association; its threads end by themselves."""
    with suppress(OSError, AttributeError):  # it ends at this moment
        association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
