"""`make bench`: every file `bench_*.py` here measures one ratio; this prints them in one table."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path


def main() -> None:
    """Runs all benchmarks and prints a line each: what, ratio, goal."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("bench_"):
            measured = importlib.import_module(f"benchmarks.{module.name}").measure()
            if measured is None:
                print(f"{module.name}: needs MEDTL_DATA and MEDTL_WEIGHTS", flush=True)
                continue
            what, ratio, goal = measured
            print(f"{what:100s} {ratio:8.3f}   {goal}", flush=True)


if __name__ == "__main__":
    main()
