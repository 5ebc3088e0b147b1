"""Runs the node and its pages for half an hour under a modest load, and says whether what they hold grows.

    python -m benchmarks.soak [--model RUN] [--minutes 30] [--pause 20]

Four senders send phantom series to `medtl listen`, whose results an archive takes; two clients of `medtl serve` look at
the worklist and upload a series each time. Memory, descriptors and threads of both trees of processes are sampled every
10 s and written to standard error; the means of the first and the last third are printed. What is made is synthetic.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset

from benchmarks.bench_serve import ask, form, upload_once
from benchmarks.node_site import Archive, free_port, node, phantom_series, renamed, running, send
from benchmarks.process_tree import Held, cpu_seconds, held, thirds

SENDERS, CLIENTS, SLICES = 4, 2, 8
SAMPLE_S, DRAIN_S = 10.0, 120.0
KEEP_DAYS = "0.001"
"""A minute and a half: what is received is deleted, as after a day in earnest."""


@dataclass
class Load:
    """What the senders and clients did, and what failed."""

    sent: list[int] = field(default_factory=list)
    pages: int = 0
    uploads: int = 0
    faults: list[str] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)


def main() -> None:
    """Runs the load and prints what was held."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--model", default="brain-mri")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--pause", type=float, default=20.0, help="seconds between two series of one sender")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Archive().running() as archive:
        spool, port = Path(folder) / "spool", free_port()
        words = ["--model", given.model, "--series-timeout", "2", "--keep-days", KEEP_DAYS]
        target = ["--forward", f"ARCHIVE@127.0.0.1:{archive.port}"]
        pages = ["serve", "--model", given.model, "--port", "0", "--spool", str(spool)]
        with (
            node(spool, port, *words, *target) as listening,
            running(pages, "open http://", Path(folder) / "serve.log") as (serving, line),
        ):
            trees = {"listen": listening.pid, "serve": serving.pid}
            load, samples = Load(), {name: list[Held]() for name in trees}
            with loaded(load, port, int(line.split("/")[2].rpartition(":")[2]), given.pause):
                end = time.monotonic() + 60 * given.minutes
                while time.monotonic() < end:
                    time.sleep(SAMPLE_S)
                    for name, pid in trees.items():
                        samples[name].append(held(pid))
                        print(name, samples[name][-1], file=sys.stderr)
            end = time.monotonic() + DRAIN_S
            while time.monotonic() < end and len(archive.patients) < len(load.sent):
                time.sleep(1)
            used = {name: cpu_seconds(pid) for name, pid in trees.items()}
        twice = sum(count > 1 for count in archive.taken.values())
        print(
            f"{len(load.sent)} series of {SLICES} slices acknowledged, {len(archive.patients)} answered, {twice} "
            f"results delivered twice; {load.pages} pages of the worklist, {load.uploads} uploads answered; "
            f"faults: {dict(Counter(load.faults)) or 'none'}"
        )
        if len(archive.patients) < len(load.sent):
            print("".join(spool.with_suffix(".log").read_text().splitlines(keepends=True)[-40:]))
        for name, found in samples.items():
            print(f"{name}: {len(found)} samples, {used[name]:.0f} s of computing")
            for what, first, last, most in thirds(found):
                print(f"  {what}: first third {first:.1f}, last third {last:.1f}, largest {most:.1f}")


@contextmanager
def loaded(load: Load, dicom: int, http_port: int, pause_s: float) -> Iterator[None]:
    """Loads the node and its pages while the body runs."""
    stop, template = threading.Event(), phantom_series(SLICES)

    def repeat(work: Callable[[int], None], first: int) -> None:
        number = first
        while not stop.wait(pause_s):
            try:
                work(number)
            except Exception as error:  # the load goes on, and the fault is printed at the end
                load.faults.append(f"{type(error).__name__}: {error}")
            number += SENDERS

    with tempfile.TemporaryDirectory() as folder:
        body = form(_saved(template, Path(folder)))
        work = [(lambda number: _send(load, dicom, template, number), index) for index in range(SENDERS)]
        work += [(lambda _: _look(load, http_port, body), index) for index in range(CLIENTS)]
        threads = [threading.Thread(target=repeat, args=one) for one in work]
        for thread in threads:
            thread.start()
            time.sleep(pause_s / len(threads))
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _send(load: Load, port: int, template: Sequence[Dataset], number: int) -> None:
    series = renamed(template, number)
    while reason := send(port, series):
        load.faults.append(f"sent again: {reason}")
    load.sent.append(number)


def _look(load: Load, port: int, body: tuple[str, bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        ask(connection, "GET", "/worklist", 200)
        upload_once(connection, body)
    finally:
        connection.close()
    with load.guard:
        load.pages, load.uploads = load.pages + 1, load.uploads + 1


def _saved(series: Sequence[Dataset], folder: Path) -> Path:
    for one in series:
        one.save_as(folder / f"{one.InstanceNumber}.dcm", enforce_file_format=True)
    return folder


if __name__ == "__main__":
    main()
