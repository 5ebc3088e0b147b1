"""What the web service holds in memory while senders do their worst."""

from __future__ import annotations

import http.client
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from medtl.node.dicomweb.stow import MAX_PARTS
from tests.medtl.node.dicomweb.test_server import BOUNDARY, STOW, TOKEN, file_of
from tests.medtl.node.test_listener import free_port, series_of, until

SERVER = """
import sys, threading
from pathlib import Path
from medtl.node.dicomweb.server import DicomwebServer
from medtl.node.spool import Spool
from shared.web.guard import Access
door = DicomwebServer(Spool(Path(sys.argv[1])), "127.0.0.1", int(sys.argv[2]), Access(sys.argv[3], frozenset()))
door.start()
print("listening", flush=True)
threading.Event().wait()
"""
MIB = 1 << 20
HEAD = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
END = f"\r\n--{BOUNDARY}--\r\n".encode()


def image(number: int, mebibytes: int) -> Iterator[bytes]:
    """A request with one image of so many MiB."""
    yield HEAD + file_of(series_of(number)[0])
    yield bytes.fromhex("e07f10004f570000") + struct.pack("<I", mebibytes * MIB)
    for _ in range(mebibytes):
        yield bytes(MIB)
    yield END


def empty(count: int) -> Iterator[bytes]:
    """A request with so many empty parts."""
    for _ in range(count // 1000):
        yield (HEAD + b"\r\n") * 1000
    yield END[2:]


def answered(port: int, body: Iterator[bytes]) -> int:
    """The status of the answer; 0 where the connection was closed while the body was sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request("POST", "/dicom-web/studies", body, {**STOW, "Authorization": f"Bearer {TOKEN}"})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def peak_mebibytes(process: subprocess.Popen[str]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux, which tells what a process held")
def test_the_service_holds_one_object_whatever_is_sent(tmp_path: Path) -> None:
    port, spool = free_port(), tmp_path / "spool"
    words = [sys.executable, "-c", SERVER, str(spool), str(port), TOKEN]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process, ThreadPoolExecutor(6) as pool:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        before = peak_mebibytes(process)
        assert answered(port, empty(10 * MAX_PARTS)) in (413, 0)
        assert answered(port, image(1, 1024)) in (413, 0)
        after_refusals = peak_mebibytes(process)
        assert list(pool.map(lambda number: answered(port, image(number, 200)), range(2, 8))) == [200] * 6
        after = peak_mebibytes(process)
        process.kill()
    sys.stderr.write(
        f"peak of memory: {before} MiB at the start, {after_refusals} after refusals, {after} at the end\n"
    )
    assert after_refusals - before < 100
    assert after - before < 5 * 200  # an object, and copies of it while it is read and stored
    assert until(lambda: len(list(spool.glob("series/*/*"))) == 6)
