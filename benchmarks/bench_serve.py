"""Measures four clients of `medtl serve` for two minutes, with real scans, against the bare predictor in one process.

`python -m benchmarks.bench_serve [RUN]` prints errors, the median and 99th percentile of the time from sending a scan
to its answer, and the memory of the server and its workers early and late. Scans a second are measured bare, served,
and bare again, so that other load on the machine weighs on both.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.made_run import made_run
from benchmarks.node_site import TOKEN, running
from benchmarks.process_tree import cpu_seconds, memory
from benchmarks.side_by_side import Measured, Times
from medtl.task import TASK
from shared.prediction.predictor import Predictor

SCANS = ("siemens_t1_enhanced", "philips_t1_mprage", "axial_t1_implicit_vr", "siemens_t1_sagittal")
"""Folders of `dicom.zip`: one Enhanced MR of 96 slices, three classic series of 43, 48 and 35."""
CLIENTS = 4
SERVED_S, BARE_S = 120.0, 30.0
WAIT_S = 30
SAMPLE_S = 1.0
GOAL = 0.8


@dataclass
class Load:
    """Times, errors and memory that the clients recorded."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    lasted_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def rate(self) -> float:
        """Scans a second."""
        return len(self.seconds) / self.lasted_s

    def describe(self) -> str:
        """Formats the results as one line."""
        quarter = max(1, len(self.memory) // 4)
        first, last = (np.median(part) / 2**20 for part in (self.memory[quarter : 2 * quarter], self.memory[-quarter:]))
        middle, late = np.percentile(self.seconds, [50, 99])
        return (
            f"{len(self.seconds)} scans in {self.lasted_s:.0f} s, errors: {sorted(set(self.errors)) or 'none'}; "
            f"seconds from sending to answer: median {middle:.2f}, 99th percentile {late:.2f}; "
            f"memory of all processes: second quarter {first:.0f} MiB, last quarter {last:.0f} MiB"
        )


def measure(run: Path | None = None) -> list[Measured] | str:
    """Measures served scans beside the bare predictor; returns what is needed where the data are not named.

    Args:
        run: A finished run; None: one is made.
    """
    data = os.environ.get("MEDTL_DATA")
    if not data:
        return "MEDTL_DATA"
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(Path(data) / "dicom.zip") as archive:
        archive.extractall(folder)
        scans = [next(Path(folder).rglob(name)) for name in SCANS]
        with nullcontext(run) if run else made_run() as answering:
            before, cpu_before = _bare(answering, scans)
            load = _served(answering, scans)
            after, cpu_after = _bare(answering, scans)
    print(
        f"bare {before:.2f} and {after:.2f} scans a second, served {load.rate:.2f}; {load.describe()}", file=sys.stderr
    )
    if load.errors:
        raise RuntimeError(f"{len(load.errors)} requests failed")
    served = Times(load.cpu_s / max(1, len(load.seconds)), 1 / load.rate)
    bare = Times((cpu_before + cpu_after) / 2, 2 / (before + after))
    what = f"a real scan is sent to `medtl serve` and answered, {CLIENTS} clients"
    return [Measured(what, served, "the predictor alone, in one process", bare, f">= {GOAL}", "wall")]


def _bare(run: Path, scans: list[Path]) -> tuple[float, float]:
    """Measures one process that reads and classifies scans in turn: scans a second, and CPU seconds a scan."""
    predictor, count = Predictor(run, TASK.name, TASK.preprocess), 0
    begun, cpu_before = time.monotonic(), time.process_time()
    while time.monotonic() - begun < BARE_S:
        for item in TASK.read_inputs([scans[count % len(scans)]]):
            predictor.assess(item)
        count += 1
    return count / (time.monotonic() - begun), (time.process_time() - cpu_before) / count


def _served(run: Path, scans: list[Path]) -> Load:
    load, bodies = Load(), [form(scan) for scan in scans]
    with _server(run) as (port, process):
        for body in bodies:  # workers are started, the run is opened: what happens once
            upload_once(http.client.HTTPConnection("127.0.0.1", port), body)
        begun = time.monotonic()
        clients = [
            threading.Thread(target=_client, args=(port, bodies, begun + SERVED_S, index, load))
            for index in range(CLIENTS)
        ]
        cpu_before = cpu_seconds(process.pid)
        for client in clients:
            client.start()
        while any(client.is_alive() for client in clients):
            load.memory.append(memory(process.pid))
            time.sleep(SAMPLE_S)
        load.lasted_s = time.monotonic() - begun
        load.cpu_s = cpu_seconds(process.pid) - cpu_before
    return load


@contextmanager
def _server(run: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    with tempfile.TemporaryDirectory() as folder:
        words = ["serve", "--model", str(run), "--port", "0"]
        with running(words, "open http://", Path(folder) / "log") as (process, line):
            yield int(line.split("/")[2].rpartition(":")[2]), process


def _client(port: int, bodies: list[tuple[str, bytes]], until: float, index: int, load: Load) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while time.monotonic() < until:
        begun = time.monotonic()
        try:
            upload_once(connection, bodies[index % len(bodies)])
        except Exception as error:
            load.errors.append(f"{type(error).__name__}: {error}")
            connection.close()
        else:
            load.seconds.append(time.monotonic() - begun)
        index += 1


def upload_once(connection: http.client.HTTPConnection, body: tuple[str, bytes]) -> None:
    """Sends a scan, waits for its answer and deletes it."""
    status = json.loads(ask(connection, "POST", "/api/uploads", 202, body))
    while status["state"] not in ("done", "failed"):
        status = json.loads(ask(connection, "GET", f"/api/uploads/{status['id']}?wait={WAIT_S}", 200))
    if status["state"] == "failed" or any(answer["status"] == "refused" for answer in status["answers"]):
        raise RuntimeError(status["reason"] or "refused")
    ask(connection, "DELETE", f"/api/uploads/{status['id']}", 204)


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, expected: int, body: tuple[str, bytes] | None = None
) -> bytes:
    """Makes one request with the token, and returns the body of the answer.

    Args:
        connection: A connection to the server.
        method: The HTTP method.
        path: The path, with its query.
        expected: The status that is expected.
        body: Content type and content; None: none.

    Raises:
        RuntimeError: The server answered with another status.
    """
    headers = {"Authorization": f"Bearer {TOKEN}", **({"Content-Type": body[0]} if body else {})}
    connection.request(method, path, body[1] if body else None, headers)
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != expected:
        raise RuntimeError(f"{method} answered {answer.status}")
    return data


def form(folder: Path) -> tuple[str, bytes]:
    """Encodes the files of a folder as a multipart form: its content type and its body."""
    boundary = uuid.uuid4().hex
    splits = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{folder.name}/{path.name}"'.encode()
        + b"\r\n\r\n"
        + path.read_bytes()
        for path in sorted(folder.iterdir())
    ]
    return f"multipart/form-data; boundary={boundary}", b"\r\n".join(splits) + f"\r\n--{boundary}--\r\n".encode()


if __name__ == "__main__":
    print(measure(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
