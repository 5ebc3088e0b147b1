"""Measures the memory of `medtl listen` under peers that take what they can, and a good peer beside 500 silent ones.

    python -m benchmarks.greedy_peers [--model RUN] [--seconds 20]

Peers state PDUs of 4 GiB, or send one object without end, one alone and 16 of both kinds at once; each begins again
when it was turned away. What is printed is the peak of the listener and its children (VmHWM), reset before each case.
"""

from __future__ import annotations

import argparse
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.sop_class import MRImageStorage

from benchmarks.node_site import Archive, free_port, node, phantom_series, renamed, send
from benchmarks.process_tree import peak, reset_peak, resident

ANSWERED_S, SILENT, GOOD, GREEDY, SLICES = 120.0, 500, 20, 16, 4
PIECE_BYTES = 16_000
"""Of data in one PDU: pynetdicom negotiates 16,382 bytes."""
LONG = 0xFFFFFFFF
OWN_ADDRESS = "127.0.0.2"
"""Of the good peer: each scanner has an address of its own, and the node bounds what one address may take."""


@dataclass(frozen=True)
class Peer:
    """A peer that sends without end.

    Attributes:
        is_associated: Whether it asks for an association first.
        begins: What it sends then.
        goes_on: What it sends after that, again and again.
    """

    is_associated: bool
    begins: bytes
    goes_on: bytes


def main() -> None:
    """Runs the cases one after another and prints a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.greedy_peers")
    parser.add_argument("--model", default="brain-mri")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each case of greedy peers")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Archive().running() as archive:
        port, template = free_port(), phantom_series(SLICES)
        words = ["--model", given.model, "--series-timeout", "1", "--forward", f"ARCHIVE@127.0.0.1:{archive.port}"]
        with node(Path(folder) / "spool", port, *words) as process:
            good = _Good(port, archive, template)
            good.send(1)  # the process that judges has opened the model
            cases: dict[str, Sequence[Peer]] = {
                "no greedy peer": (),
                "a PDU of 4 GiB before an association": (Peer(False, pdu_head(1, LONG), ZEROS),),
                "a PDU of 4 GiB of data": (LONG_PDU,),
                "a C-STORE without end": (ENDLESS,),
                f"{GREEDY} of the last two at once": (LONG_PDU, ENDLESS) * GREEDY,
            }
            for name, peers in cases.items():
                reset_peak(process.pid)
                with _greedy(port, peers) as counts:
                    time.sleep(given.seconds / 2)
                    took_s = good.send(1)
                    time.sleep(given.seconds / 2)
                sent, turned_away = counts
                time.sleep(2)
                now = resident(process.pid) / 2**20
                print(
                    f"{name}: peak {peak(process.pid) / 2**20:.0f} MiB; {sent / 2**20:.0f} MiB sent, turned away "
                    f"{turned_away} times; a good series "
                    f"answered in {took_s:.1f} s meanwhile, after {good.refused} refusals; now {now:.0f} MiB",
                    flush=True,
                )
            reset_peak(process.pid)
            with ExitStack() as stack:
                for _ in range(SILENT):
                    stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
                took_s = good.send(GOOD)
            print(
                f"{GOOD} series beside {SILENT} silent connections: all answered in {took_s:.1f} s; "
                f"peak {peak(process.pid) / 2**20:.0f} MiB"
            )


class _Good:
    """A sender of series, each as another patient."""

    def __init__(self, port: int, archive: Archive, template: Sequence[Dataset]) -> None:
        self._port, self._archive, self._template, self._sent = port, archive, template, 0
        self.refused = 0

    def send(self, count: int) -> float:
        """Sends series and waits until the archive has the answers; returns the seconds that took."""
        begun = time.monotonic()
        for _ in range(count):
            self._sent += 1
            series = renamed(self._template, self._sent)
            while send(self._port, series, OWN_ADDRESS):
                self.refused += 1
                if time.monotonic() - begun > ANSWERED_S:
                    raise RuntimeError(f"series {self._sent} was not acknowledged")
                time.sleep(0.5)
        while len(self._archive.patients) < self._sent:
            if time.monotonic() - begun > ANSWERED_S:
                raise RuntimeError(f"{len(self._archive.patients)} of {self._sent} series were answered")
            time.sleep(0.1)
        return time.monotonic() - begun


@contextmanager
def _greedy(port: int, peers: Sequence[Peer]) -> Iterator[list[int]]:
    """Lets peers send while the body runs; counts the bytes that they sent, and how often one was turned away."""
    stop, counts, guard = threading.Event(), [0, 0], threading.Lock()

    def repeat(peer: Peer) -> None:
        while not stop.wait(0.05):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
                for data in _sent(peer, connection):
                    connection.sendall(data)
                    with guard:
                        counts[0] += len(data)
                    if stop.is_set():
                        return
            with guard:
                counts[1] += 1

    threads = [threading.Thread(target=repeat, args=(peer,)) for peer in peers]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _sent(peer: Peer, connection: socket.socket) -> Iterator[bytes]:
    """What a peer sends, after it was let in where it asks for that."""
    if peer.is_associated:
        yield association_request()
        if connection.recv(1 << 16)[:1] != b"\2":
            return  # rejected
    yield peer.begins
    while True:
        yield peer.goes_on


def pdu_head(kind: int, length: int) -> bytes:
    """The head of a PDU. Source: DICOM PS3.8, 9.3."""
    return struct.pack(">BBL", kind, 0, length)


def association_request() -> bytes:
    """A request for an association to store MR images. Source: DICOM PS3.8, 9.3.2 and annex D.1."""

    def item(kind: int, value: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(value)) + value

    syntaxes = item(0x30, MRImageStorage.encode()) + item(0x40, ExplicitVRLittleEndian.encode())
    user = item(0x51, struct.pack(">L", 16_382)) + item(0x52, b"1.2.3")
    body = struct.pack(">HH16s16s32x", 1, 0, b"MEDTL".ljust(16), b"GREEDY".ljust(16))
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x20, b"\1\0\0\0" + syntaxes) + item(0x50, user)
    return pdu_head(1, len(body)) + body


def store_command() -> bytes:
    """The PDU with the command of a C-STORE whose object follows. Source: DICOM PS3.7, table 9.3-1."""

    def element(number: int, value: bytes) -> bytes:
        return struct.pack("<HHL", 0, number, len(value)) + value

    kind = MRImageStorage.encode()
    command = element(0x0002, kind + b"\0" * (len(kind) % 2)) + element(0x0100, b"\1\0") + element(0x0110, b"\1\0")
    command += element(0x0700, b"\0\0") + element(0x0800, b"\1\0") + element(0x1000, b"1.2.34")
    return fragment(element(0x0000, struct.pack("<L", len(command))) + command, 3)


def fragment(value: bytes, control: int = 0) -> bytes:
    """A PDU of data with one fragment, of an object where `control` is 0. Source: DICOM PS3.8, 9.3.5 and annex E."""
    return pdu_head(4, len(value) + 6) + struct.pack(">LBB", len(value) + 2, 1, control) + value


ZEROS = b"\0" * 65_536
LONG_PDU = Peer(True, pdu_head(4, LONG), ZEROS)
ENDLESS = Peer(True, store_command(), fragment(b"\0" * PIECE_BYTES))


if __name__ == "__main__":
    main()
