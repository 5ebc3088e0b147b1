"""Downloads against a server on this machine that breaks off, knows no ranges, or has another file."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shared.errors import DataError
from shared.io.download import download

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """What it does, and which ranges it was asked for."""

    breaks_after: int | None = None
    knows_ranges = True
    content = CONTENT

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.knows_ranges else 0
        if self.path != "/file.bin":
            self.send_error(404)
            return
        if start >= len(self.server.content):
            self.send_error(416)
            return
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.breaks_after])

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _url(server: Server, name: str = "file.bin") -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/{name}"


def test_a_file_comes_whole_and_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    to = tmp_path / "new" / "file.bin"
    for _ in range(2):
        download(_url(server), to, size=len(CONTENT), sha256=SHA256, progress=lambda *now: told.append(now))
    assert to.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert server.asked == [None]
    assert list(to.parent.iterdir()) == [to]


def test_what_broke_off_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.breaks_after = 300_000
    to = tmp_path / "file.bin"
    with pytest.raises(DataError, match="to continue"):
        download(_url(server), to, sha256=SHA256)
    assert not to.exists()
    server.breaks_after = None
    download(_url(server), to, sha256=SHA256)
    assert to.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]


def test_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.partial").write_bytes(b"x" * 500)
    server.knows_ranges = False
    assert download(_url(server), tmp_path / "file.bin", sha256=SHA256).read_bytes() == CONTENT


def test_a_partial_file_that_is_too_long_is_dropped(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.partial").write_bytes(CONTENT + b"more")
    assert download(_url(server), tmp_path / "file.bin", sha256=SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize(("size", "sha256", "said"), [(7, None, "7 were expected"), (None, "0" * 64, "SHA-256")])
def test_another_file_is_refused_and_nothing_stays(
    server: Server, tmp_path: Path, size: int | None, sha256: str | None, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        download(_url(server), tmp_path / "file.bin", size=size, sha256=sha256)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file.bin").write_bytes(b"what was there")
    with pytest.raises(DataError, match=f"{said}.*delete it"):
        download(_url(server), tmp_path / "file.bin", size=size, sha256=sha256)
    assert (tmp_path / "file.bin").read_bytes() == b"what was there"


def test_a_file_that_is_not_there_and_a_server_that_is_not_there_are_said(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"404.*by hand as .*file\.bin"):
        download(_url(server, "other"), tmp_path / "file.bin")
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError, match=r"could not be fetched \(Connection refused\)"):
        download(_url(server), tmp_path / "file.bin")
    assert list(tmp_path.iterdir()) == []
