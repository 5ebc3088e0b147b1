"""Runs the benchmarks (`make bench`): every file `bench_*.py` measures one ratio; a table shows each with its goal.

    python -m benchmarks [NAME...] [--out TABLE.md]

A benchmark that breaks off is reported and does not stop the others; the exit code is then 1. A missed goal does not
change the exit code: the machine may be busy.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

HEADINGS = ("what", "ratio", "goal", "")


def main() -> int:
    """Runs the named benchmarks, or all, prints a row for each, and writes the table to `--out`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", help="files without bench_; none: all")
    parser.add_argument("--out", type=Path, help="a Markdown file for the table")
    given = parser.parse_args()
    known = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    found = [name.removeprefix("bench_") for name in known if name.startswith("bench_")]
    if unknown := set(given.names) - set(found):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    rows, broken = [HEADINGS, ("---", "---:", "---", "---")], False
    for name in given.names or found:
        try:
            row = _row(name)
        except Exception as error:  # whatever it was, the others can still run
            row, broken = (name, "", "", f"broke off: {type(error).__name__}: {error}"), True
        rows.append(row)
        print("{:110s} {:>8s}   {:8s} {}".format(*row), flush=True)
        if given.out is not None:
            given.out.parent.mkdir(parents=True, exist_ok=True)
            given.out.write_text("".join(f"| {' | '.join(cells)} |\n" for cells in rows), encoding="utf-8")
    return int(broken)


def _row(name: str) -> tuple[str, str, str, str]:
    """Runs one benchmark; returns what was measured, the ratio, the goal, and whether it was reached."""
    measured = importlib.import_module(f"benchmarks.bench_{name}").measure()
    if measured is None:
        return name, "", "", "needs MEDTL_DATA and MEDTL_WEIGHTS"
    what, ratio, goal = measured
    return what, f"{ratio:.3f}", goal, "reached" if is_reached(ratio, goal) else "missed"


def is_reached(ratio: float, goal: str) -> bool:
    """Whether a ratio meets a goal such as ">= 0.9"."""
    sign, bound = goal.split()
    return ratio >= float(bound) if sign == ">=" else ratio <= float(bound)


if __name__ == "__main__":
    sys.exit(main())
