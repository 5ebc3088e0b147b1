"""A spool on a small disk of its own, which other programs fill and free again while the listener works."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.medtl.node.test_listener import Node, Receiver, free_port, send, series_of, until

MOMENTS, SLICES, DISK, PAGE_BYTES = 20, 3, "16m", 4096
FIRST_SLOW = 5000
"""Series from here on are judged slowly by the judge that stands for the model."""
FAULTS = {
    "receiving": "an object could not be stored (No space left on device)",
    "judging, or writing results": "No space left on device on this machine); the attempt does not count",
    "taking or committing": "the spool cannot be worked on (OSError)",
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here: it needs Linux, and root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def filled(disk: Path, pages: int) -> Iterator[None]:
    """Only so many pages are free while the body runs: what is written then may be cut off in its middle."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(b"\0" * PAGE_BYTES)
            except OSError as error:
                assert error.errno == errno.ENOSPC
            stream.truncate(max(0, stream.tell() - pages * PAGE_BYTES))
        yield
    finally:
        filler.unlink()


def send_until_acknowledged(port: int, number: int) -> None:
    """Sends a series as often as it takes, as a scanner does."""
    instances = series_of(number, SLICES, ImageComments="x" * 10_000, PatientComments="y" * 10_000)
    while any(status != 0 for status in send(port, instances)):
        time.sleep(0.1)


@pytest.mark.slow
def test_a_disk_that_fills_at_random_moments_loses_nothing(tmp_path: Path, disk: Path) -> None:
    seed = int(os.environ.get("MEDTL_TEST_SEED") or time.time_ns() % 1_000_000)
    draw, stop = random.Random(seed), threading.Event()
    receiver, sent = Receiver(free_port()), list[int]()
    node = Node.with_fake(tmp_path, receiver.port, quiet_s=0.5, keep_days=0.0)
    node.command[node.command.index(str(tmp_path / "spool"))] = str(disk / "spool")

    def send_all() -> None:
        number = FIRST_SLOW
        while not stop.wait(0.1):
            send_until_acknowledged(node.port, number)
            sent.append(number)
            number += 1

    sender = threading.Thread(target=send_all)
    with receiver.running():
        node.start()
        sender.start()
        for _ in range(MOMENTS):
            time.sleep(draw.uniform(0.1, 1.5))
            with filled(disk, draw.choice((0, 0, 1, 3))):
                time.sleep(draw.uniform(0.1, 1.5))
        stop.set()
        sender.join()
        answered = until(lambda: {one.PatientID for one in receiver.deliveries} == {f"PID-{n:04d}" for n in sent}, 60)
        told = node.log.read_text()
        assert node.process is not None
        assert node.process.poll() is None
        emptied = until(lambda: not list((disk / "spool" / "series").iterdir()), 30)
        assert node.end(signal.SIGTERM) == 0
    counts = {what: told.count(line) for what, line in FAULTS.items()}
    sys.stderr.write(f"seed {seed}: {len(sent)} series, full while {counts}\n")
    assert answered, f"MEDTL_TEST_SEED={seed}: {told}"
    assert all(max(one.InstanceNumber for one in receiver.of(number)) == SLICES for number in sent), seed
    assert emptied, seed
    assert " failed: " not in told, seed  # a full disk is no fault of a series
    assert counts["receiving"], seed
