"""Runs the benchmarks (`make bench`): every file `bench_*.py` measures something beside its peer, and has a goal.

    python -m benchmarks [NAME...] [--out TABLE.md]

A benchmark that breaks off is reported and does not stop the others; the exit code is then 1. A missed goal does not
change the exit code: the machine may be busy.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.side_by_side import Measured, Times
from shared.processes.threads import let_idle_threads_sleep

HEADINGS = ("what", "CPU s", "wall s", "beside", "CPU s", "wall s", "ratio", "goal", "")
RULE = ("---", "---:", "---:", "---", "---:", "---:", "---:", "---", "---")
NOT_MEASURED = ("",) * 7


def main() -> int:
    """Runs the named benchmarks, or all, prints a row for each, and writes the table to `--out`."""
    let_idle_threads_sleep()  # as the commands do
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", help="files without bench_; none: all")
    parser.add_argument("--out", type=Path, help="a Markdown file for the table")
    given = parser.parse_args()
    known = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    found = [name.removeprefix("bench_") for name in known if name.startswith("bench_")]
    if unknown := set(given.names) - set(found):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    rows, broken = list[tuple[str, ...]](), False
    for name in given.names or found:
        try:
            new = _rows(name)
        except Exception as error:  # whatever it was, the others can still run
            new, broken = [(name, *NOT_MEASURED, f"broke off: {type(error).__name__}: {error}")], True
        for row in new:
            print("{:90s} {:>8s} {:>8s}   {:60s} {:>8s} {:>8s}   {:>6s}   {:8s} {}".format(*row), flush=True)
        rows += new
        if given.out is not None:
            _write(given.out, rows)
    return int(broken)


def _rows(name: str) -> list[tuple[str, ...]]:
    """Runs one benchmark; returns the rows of the table."""
    measured: list[Measured] | str = importlib.import_module(f"benchmarks.bench_{name}").measure()
    if isinstance(measured, str):
        return [(name, *NOT_MEASURED, f"needs {measured}")]
    return [_row(one) for one in measured]


def _row(one: Measured) -> tuple[str, ...]:
    reached = "reached" if one.is_reached else "missed"
    ratio = f"{one.ratio:.3f} ({one.clock})"
    return one.what, *_cells(one.ours), one.peer, *_cells(one.theirs), ratio, one.goal, reached


def _cells(times: Times) -> tuple[str, str]:
    return f"{times.cpu:.3g}", f"{times.wall:.3g}"


def _write(out: Path, rows: list[tuple[str, ...]]) -> None:
    """Writes the table, with the machine that it was made on."""
    out.parent.mkdir(parents=True, exist_ok=True)
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in (HEADINGS, RULE, *rows))
    out.write_text(f"{_machine()}\n\n{table}", encoding="utf-8")


def _machine() -> str:
    """The day, the processor and the releases that matter, as a sentence."""
    import onnxruntime
    import torch

    cores = len(os.sched_getaffinity(0))
    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"Measured on {datetime.now(UTC).date()}: {cores} cores of {_processor()}, {accelerator}; Python "
        f"{platform.python_version()}, torch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}."
    )


def _processor() -> str:
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
