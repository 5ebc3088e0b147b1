"""Silent and greedy connections keep nobody out of the web server."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared.io.tls import TlsFiles
from shared.web import connections
from shared.web.connections import MAX_SILENT, BoundedProtocol
from shared.web.serving import listening, make_server
from tests.certificates import made, needs_openssl

ADDRESS = "127.0.0.1"
OTHER_ADDRESS = "127.0.0.2"
"""Another peer: the whole of 127.0.0.0/8 is this machine."""


LARGE = 64 << 20


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        if scope["path"] == "/large":
            await PlainTextResponse("x" * LARGE)(scope, receive, send)
            return
        if scope["path"] == "/slow":
            await asyncio.sleep(20)
        await PlainTextResponse("here")(scope, receive, send)


@pytest.fixture
def port() -> Iterator[int]:
    with running() as number:
        yield number


@contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    with listening(ADDRESS, 0) as opened:
        server = make_server(answer, tls)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        try:
            yield opened.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


def begin(port: int, data: bytes, address: str = ADDRESS) -> socket.socket:
    opened = socket.create_connection((ADDRESS, port), 20, source_address=(address, 0))
    opened.sendall(data)
    return opened


def status(port: int, address: str = ADDRESS) -> int:
    with closing(HTTPConnection(ADDRESS, port, 20, source_address=(address, 0))) as client:
        client.request("GET", "/")
        return client.getresponse().status


def is_closed(one: socket.socket, seconds: float = 0.05) -> bool:
    one.settimeout(seconds)
    try:
        return one.recv(1, socket.MSG_PEEK) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_silent_connections_keep_nobody_out(port: int, said: bytes) -> None:
    with ExitStack() as held:
        silent = [held.enter_context(begin(port, said)) for _ in range(200)]
        assert [status(port) for _ in range(5)] == [200] * 5
        assert sum(is_closed(one) for one in silent) >= 200 - MAX_SILENT


@needs_openssl
def test_silent_connections_keep_nobody_out_over_tls(tmp_path: Path) -> None:
    files = made(tmp_path, "ours")
    trusted = files.for_client()
    with running(TlsFiles(files.certificate, files.key).for_server()) as port, ExitStack() as held:
        silent = [held.enter_context(begin(port, b"")) for _ in range(200)]
        for _ in range(5):
            with closing(HTTPSConnection(ADDRESS, port, timeout=20, context=trusted)) as client:
                client.request("GET", "/")
                assert client.getresponse().read() == b"here"
        assert sum(is_closed(one) for one in silent) >= 200 - MAX_SILENT
        with begin(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") as plain:  # is not answered
            assert is_closed(plain, 20.0) or plain.recv(100)[:1] != b"H"


def test_who_reads_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    lost, forget = threading.Event(), BoundedProtocol.connection_lost
    monkeypatch.setattr(connections, "UNREAD_S", 0.3)
    monkeypatch.setattr(BoundedProtocol, "connection_lost", lambda one, error: (forget(one, error), lost.set()))
    with running() as port, begin(port, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n") as slow:
        assert lost.wait(20)
        assert status(port) == 200
        slow.settimeout(20)
        read = 0
        with suppress(ConnectionError):
            while chunk := slow.recv(1 << 20):
                read += len(chunk)
        assert read < LARGE


def test_another_peer_is_not_closed_for_them(port: int) -> None:
    with begin(port, b"GET / HTTP/1.1\r\n", OTHER_ADDRESS) as slow, ExitStack() as held:
        for _ in range(2 * MAX_SILENT):
            held.enter_context(begin(port, b""))
        assert status(port) == 200
        slow.sendall(b"Host: x\r\n\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"


def test_what_sends_its_head_too_slowly_is_closed_and_an_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 1)
    with running() as port, begin(port, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n") as slow, begin(port, b"GET") as late:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(100):
                late.sendall(b" ")
                time.sleep(0.1)
        slow.settimeout(0.5)
        with pytest.raises(TimeoutError):
            slow.recv(1)  # still at work


def test_a_peer_with_many_requests_leaves_room_for_others(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_OF_PEER", 3)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(begin(port, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"))
        time.sleep(0.5)
        assert status(port) == 503
        assert status(port, OTHER_ADDRESS) == 200
