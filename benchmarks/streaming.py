"""Trains a head on more features than memory holds: `python -m benchmarks.streaming [ROWS ...]`.

For each number of rows a process of its own writes random features of width 2,304 to disk, fits a softmax head of 46
classes to them, and prints its time and its peak resident memory. By default 10,000, 100,000 and
1,000,000 rows, which take 9.2 GB of disk. The exponent of time over rows is printed at the end.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from shared.features.cache import FeatureBlocks
from shared.features.newton import HeadSolver
from shared.features.sources import Standardiser
from shared.io.array_store import ArrayStore
from shared.strategies.linear_probe import open_features

WIDTH, CLASSES, BLOCK = 2_304, 46, 8_192
ROWS = (10_000, 100_000, 1_000_000)


def fit(rows: int) -> None:
    """Prints seconds of the fit and peak resident memory in MiB."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(CLASSES, WIDTH)).astype(np.float32) / 8
    labels = random.integers(CLASSES, size=rows)
    names = [str(i) for i in range(rows)]
    with tempfile.TemporaryDirectory() as folder:
        store = ArrayStore(Path(folder))
        with store.adding(names) as add:
            for start in range(0, rows, BLOCK):
                few = labels[start : start + BLOCK]
                add(centres[few] + random.standard_normal((len(few), WIDTH), dtype=np.float32))
        features = open_features(FeatureBlocks([store.rows(names)]), torch.device("cpu"))
        started = time.perf_counter()
        standardiser = Standardiser.of(features)
        zeros = torch.zeros(CLASSES, WIDTH + 1)
        truth = torch.from_numpy(labels)
        HeadSolver.of(features, truth, "softmax", standardiser=standardiser).minimise(zeros, 1e-2)
        seconds = time.perf_counter() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Runs each size in a process of its own, and prints the table and the exponent."""
    sizes = [int(word) for word in sys.argv[1:]] or list(ROWS)
    seconds = []
    for rows in sizes:
        code = f"from benchmarks.streaming import fit; fit({rows})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        taken, peak = (float(word) for word in done.stdout.split())
        seconds.append(taken)
        print(f"{rows:>9,} rows: {taken:8.1f} s, peak resident memory {peak / 1024:.2f} GiB", flush=True)
    if len(sizes) > 1:
        exponent = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
        print(f"time grows as rows to the power of {exponent:.2f}")


if __name__ == "__main__":
    main()
