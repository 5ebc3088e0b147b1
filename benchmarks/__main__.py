"""`make bench`: every file `bench_*.py` here measures one ratio; this prints them in one table."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path


def main() -> None:
    """Runs all benchmarks and prints a line each: what, ratio, goal."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("bench_"):
            what, ratio, goal = importlib.import_module(f"benchmarks.{module.name}").measure()
            print(f"{what:70s} {ratio:8.3f}   {goal}", flush=True)


if __name__ == "__main__":
    main()
