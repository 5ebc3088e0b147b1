"""Peers that take what they can, beside one that means it."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from pynetdicom import AE, evt
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.sop_class import MRImageStorage, Verification

from medtl.node import transport
from medtl.node.transport import Entity
from tests.medtl.node.test_listener import series_of, until

ABORT = 7


@contextmanager
def node(stored: list[int] | None = None, network_s: float = 60) -> Iterator[tuple[Entity, int]]:
    """An entity that takes MR images and says how long they were."""
    entity = Entity(ae_title="NODE")
    entity.maximum_associations = transport.MAX_ASSOCIATIONS
    entity.acse_timeout, entity.network_timeout = 5, network_s
    for kind in (Verification, MRImageStorage):
        entity.add_supported_context(kind)

    def take(event: Any) -> int:
        if stored is not None:
            stored.append(len(event.encoded_dataset()))
        return 0

    server: Any = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, take)])
    try:
        yield entity, server.server_address[1]
    finally:
        for one in server.active_associations:
            one.kill()
        server.shutdown()


def requested() -> bytes:
    """The bytes of a request for an association, as pynetdicom sends them."""
    taken: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            connection, _ = server.accept()
            with connection:
                taken.append(connection.recv(1 << 16))

        thread = threading.Thread(target=take)
        thread.start()
        sender = AE(ae_title="SENDER")
        sender.acse_timeout = 1
        sender.add_requested_context(MRImageStorage)
        sender.associate("127.0.0.1", server.getsockname()[1])
        thread.join()
    A_ASSOCIATE_RQ().decode(taken[0])
    return taken[0]


@contextmanager
def associated(port: int, request: bytes) -> Iterator[socket.socket]:
    """A connection on which an association was accepted."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request)
        assert connection.recv(1 << 16)[0] == 2
        yield connection


def answer(connection: socket.socket) -> int | None:
    """The type of the PDU that comes; None where the connection is closed without one."""
    connection.settimeout(10)
    try:
        return (connection.recv(1) or b"\0")[0] or None
    except ConnectionResetError:
        return None


def echoes(port: int) -> bool:
    entity = AE()
    entity.add_requested_context(Verification)
    association = entity.associate("127.0.0.1", port)
    status = association.send_c_echo() if association.is_established else None
    association.release()
    return status is not None and status.get("Status") == 0


@pytest.mark.parametrize("kind", [1, 4, 5, 7])
@pytest.mark.parametrize("first", [False, True])
def test_a_pdu_that_states_4_gib_is_not_read(kind: int, first: bool) -> None:
    with node() as (_, port), ExitStack() as stack:
        if first:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        else:
            connection = stack.enter_context(associated(port, requested()))
        connection.sendall(struct.pack(">BBL", kind, 0, 0xFFFFFFFF))
        assert answer(connection) in (ABORT, None)
        with pytest.raises(OSError):  # noqa: PT011
            for _ in range(1000):
                connection.sendall(b"\0" * 65536)
        assert echoes(port)


def fragment(size: int, *, is_command: bool = False, is_last: bool = False) -> bytes:
    """A PDU of data with one fragment. Source: DICOM PS3.8, 9.3.5 and annex E."""
    value = bytes([1, is_command | is_last << 1]) + b"\0" * size
    return struct.pack(">BBLL", 4, 0, len(value) + 4, len(value)) + value


def test_an_object_without_end_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_OBJECT_BYTES", 1 << 20)
    with node() as (_, port), associated(port, requested()) as connection:
        with suppress(OSError):
            for _ in range(4000):
                connection.sendall(fragment(16000))
            pytest.fail("64 MB of one object were taken")
        assert echoes(port)


def test_objects_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_BYTES", 1 << 20)
    request = requested()
    with node() as (_, port), ExitStack() as stack:
        connections = [stack.enter_context(associated(port, request)) for _ in range(4)]
        lost = 0
        for connection in connections:
            try:
                for _ in range(24):  # 0.4 MB
                    connection.sendall(fragment(16000))
                    time.sleep(0.002)
                connection.sendall(fragment(16000))
            except OSError:
                lost += 1
        time.sleep(0.5)
        alive = 0
        for connection in connections:
            connection.setblocking(False)
            try:
                alive += connection.recv(1) not in (b"", bytes([ABORT]))
            except BlockingIOError:
                alive += 1
            except OSError:
                pass
        assert alive == 2
        assert lost <= 2
        assert echoes(port)


def test_a_peer_that_holds_most_and_stops_makes_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_BYTES", 400_000)
    stored: list[int] = []
    with node(stored) as (_, port), associated(port, requested()) as greedy:
        for _ in range(24):
            greedy.sendall(fragment(16000))
        entity = AE()
        entity.add_requested_context(MRImageStorage)
        association = entity.associate("127.0.0.1", port)
        for one in series_of(1, 5):
            one.ImageComments = one.PatientComments = "x" * 10_000
            assert association.send_c_store(one).get("Status") == 0
        association.release()
        assert answer(greedy) in (ABORT, None)
    assert len(stored) == 5


@pytest.mark.parametrize("begun", [b"", b"\4\0\0\0\x10\0\0\0", b"\4\0"])
def test_an_association_that_stops_is_closed_also_within_a_pdu(begun: bytes) -> None:
    with node(network_s=0.5) as (entity, port), associated(port, requested()) as connection:
        connection.sendall(begun)
        assert answer(connection) in (ABORT, None)
        assert until(lambda: not entity.active_associations)


def test_nothing_of_an_ended_association_is_kept() -> None:
    with node() as (entity, port):
        with associated(port, requested()) as connection:
            (association,) = entity.active_associations
            connection.sendall(fragment(16000))
            assert until(lambda: association.dimse.message is not None)
        (server,) = entity._servers
        assert until(lambda: not server._received and not server._since)
        assert association.dimse.message is None


def test_a_connection_costs_little_before_it_speaks() -> None:
    with node() as (entity, port):
        (server,) = entity._servers
        with socket.create_connection(("127.0.0.1", port), 10) as silent:
            assert until(lambda: bool(server._since))
            (association,) = server._since
            assert association.dul._run_loop_delay == transport.SILENT_POLL_S
            assert association.acceptor.supported_contexts[0] is server.offered[0]  # not a copy of all that is offered
            silent.sendall(requested())
            assert silent.recv(1) == b"\2"
            assert association.dul._run_loop_delay == transport.POLL_S


def test_many_objects_of_one_association_are_no_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_OBJECT_BYTES", 200_000)
    monkeypatch.setattr(transport, "MAX_BYTES", 200_000)
    stored: list[int] = []
    with node(stored) as (_, port):
        entity = AE()
        entity.add_requested_context(MRImageStorage)
        association = entity.associate("127.0.0.1", port)
        for one in series_of(1, 20):
            one.ImageComments = "x" * 10_000
            one.PatientComments = "y" * 10_000
            assert association.send_c_store(one).get("Status") == 0
        association.release()
    assert len(stored) == 20
    assert sum(stored) > 200_000


def test_silent_connections_keep_nobody_out() -> None:
    with node() as (_, port), ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(200)]
        assert all(echoes(port) for _ in range(5))
        assert answer(silent[0]) is None
        assert until(lambda: sum("AcceptorThread" in one.name for one in threading.enumerate()) <= transport.MAX_SILENT)


def test_one_peer_does_not_take_every_association() -> None:
    request = requested()
    with node() as (_, port), ExitStack() as stack:
        for _ in range(transport.MAX_OF_PEER):
            stack.enter_context(associated(port, request))
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(request)
            assert answer(connection) == 3
