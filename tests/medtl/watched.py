"""A reader in a process of its own, watched: whether it hangs, dies, grows, or says what it should not."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import sys
import time
import traceback
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryFile

from tests.medtl.mutation_seeds import marks_in

MAX_SECONDS = 5.0
MAX_GROWTH_BYTES = 1 << 30
HANG_SECONDS, HANG_CLOCK_SECONDS = 10.0, 90.0
"""Of computing, and by the clock, after which the process is killed: on a busy machine it may have had to wait."""
ADDRESS_BYTES = 16 << 30
"""Of the process: stops a file that asks for all memory before the machine suffers."""
MAX_REFUSAL = 300


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        fault: What is wrong with the reader's answer; empty where nothing is.
        judged: Items with slices.
        refused: Items with a reason.
        seconds: Of computing.
        growth: Bytes of the process's peak above what it held before its first file.
    """

    fault: str
    judged: int = 0
    refused: int = 0
    seconds: float = 0.0
    growth: int = 0


class Watched:
    """Reads files with `medtl.inputs.read_inputs` in another process, which is started again after it was lost.

    Args:
        run: A finished run that judges what was read, if any.
    """

    def __init__(self, run: Path | None = None) -> None:
        self._run = run
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def read(self, path: Path) -> Outcome:
        """Has one file, folder or zip read."""
        if self._process is None or self._pipe is None:
            self._start()
        assert self._process is not None
        assert self._pipe is not None
        self._computed = _computed_seconds(self._process.pid)
        self._pipe.send(str(path))
        start = time.monotonic()
        while not self._pipe.poll(0.5):
            waited = time.monotonic() - start
            computed = _computed_seconds(self._process.pid) - self._computed
            if computed > HANG_SECONDS or waited > HANG_CLOCK_SECONDS:
                self._stop()
                return Outcome(f"hangs: {computed:.0f} s of computing, {waited:.0f} s by the clock", seconds=computed)
        try:
            outcome: Outcome = self._pipe.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self._stop()
            return Outcome(f"the process dies with {code}")
        if outcome.fault:
            self._stop()  # whatever it has kept must not count against the next file
        return outcome

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_serve, args=(end, self._run), daemon=True)
        self._process.start()
        end.close()
        self._pipe.recv()

    def _stop(self) -> None:
        if self._process is not None and self._pipe is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
        self._process = self._pipe = None


def _computed_seconds(pid: int | None) -> float:
    """Of a running process. Source: proc_pid_stat(5), utime and stime."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _serve(pipe: Connection, run: Path | None) -> None:
    from medtl.inputs import read_inputs
    from medtl.task import TASK
    from shared.prediction.predictor import Predictor

    predictor = Predictor(run, TASK.name, TASK.preprocess) if run else None

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    with TemporaryFile() as said:
        # what C libraries write goes past sys.stderr
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        list(read_inputs([Path(__file__)]))  # imports what is imported late
        before = _peak_bytes()
        pipe.send("ready")
        while True:
            try:
                path = Path(pipe.recv())
            except EOFError:
                return
            pipe.send(_watch(read_inputs, path, before, said, predictor))


def _watch(read_inputs, path: Path, before: int, said, predictor) -> Outcome:
    said.seek(0)
    said.truncate()
    judged = refused = 0
    faults: list[str] = []
    start = time.process_time()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            for item in read_inputs([path]):
                judged += item.refusal is None
                refused += item.refusal is not None
                faults += _complaints(item)
                if predictor is not None:
                    faults += _complaints_of_answer(predictor.assess(item), item)
        except BaseException:
            faults.append(traceback.format_exc())
    seconds = time.process_time() - start
    sys.stderr.flush()
    sys.stdout.flush()
    growth = _peak_bytes() - before
    faults += [f"warns: {warning.message}" for warning in warned]
    if said.seek(0, os.SEEK_END):
        said.seek(0)
        faults.append(f"writes: {said.read(300)!r}")
    if not judged + refused:
        faults.append("gives no item")
    if seconds > MAX_SECONDS:
        faults.append(f"takes {seconds:.1f} s")
    if growth > MAX_GROWTH_BYTES:
        faults.append(f"takes {growth >> 20} MiB")
    return Outcome("; ".join(faults), judged, refused, seconds, growth)


def _complaints(item) -> list[str]:
    faults = []
    told = [item.refusal or "", *item.notes, *item.domains]
    if item.refusal is not None and (not item.refusal or item.slices):
        faults.append("a refusal without a reason, or with slices")
    if item.refusal is None and not item.slices:
        faults.append("neither slices nor a refusal")
    if any(len(text) > MAX_REFUSAL or not text.isprintable() for text in told):
        faults.append(f"not one short line: {told!r}"[:600])
    if marks_in("".join(told).encode()):
        faults.append(f"names the planted person: {told!r}"[:600])
    return faults


def _complaints_of_answer(answer, item) -> list[str]:
    from medtl.task import TASK
    from shared.prediction.text import answer_text

    told = answer_text(answer, TASK) + json.dumps(answer.to_json(TASK), allow_nan=False)
    faults = [f"the answer names the planted person: {told[:600]!r}"] if marks_in(told.encode()) else []
    if item.refusal is not None and answer.status != "refused":
        faults.append("judges what was refused")
    return faults


def _peak_bytes() -> int:
    """The most memory held so far; getrusage would begin with that of the process which started this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
