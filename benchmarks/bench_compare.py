"""Measures the processor time of a comparison of 12 linear probes against as many trainings in processes of their own.

`python -m benchmarks.bench_compare` also checks that both find the same numbers, to the last digit. Codes are computed
before, in a cache that both read: a training for each of the two networks and two poolings fills it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import yaml

from benchmarks.side_by_side import Measured, Times, empty_cache, timed
from shared.io.atomic import read_json

GOAL = 0.15
"""The share that was aimed at: some 50 s of 400."""
SEEDS = 3
MEASURED = ("auc", "accuracy", "sensitivity", "specificity", "brier")


def measure() -> list[Measured] | str:
    """Measures one comparison beside trainings; returns what is needed where data or weights are not named."""
    data, weights = os.environ.get("MEDTL_DATA"), os.environ.get("MEDTL_WEIGHTS")
    if not data or not weights:
        return "MEDTL_DATA and MEDTL_WEIGHTS"
    with tempfile.TemporaryDirectory() as made, empty_cache():
        folder = Path(made)
        plan = _plan(Path(data) / "navoneel.zip", Path(weights))
        (folder / "twelve.yaml").write_text(yaml.safe_dump(plan), encoding="utf-8")
        together = timed(partial(_call, folder, "compare", "twelve.yaml"))
        cells = sorted((folder / "runs/compare/twelve").glob("*-seed0-*"))
        alone = list[Times]()
        for cell in cells:  # one seed stands for all
            train = partial(_call, folder, "train", str(cell / "config.yaml"), "--out", f"alone-{cell.name}")
            alone.append(timed(train))
            _refuse_other_numbers(cell, folder / f"alone-{cell.name}")
    apart = Times(SEEDS * sum(one.cpu for one in alone), SEEDS * sum(one.wall for one in alone))
    what = f"{SEEDS * len(cells)} linear probes in one `compare`, with equal numbers"
    return [Measured(what, together, "each by `train`", apart, f"<= {GOAL}")]


def _plan(data: Path, weights: Path) -> dict[str, object]:
    networks = {"squeezenet1_1": "squeezenet1_1-imagenet.pth", "mobilenet_v2": "mobilenet_v2-imagenet-bnfolded.pth"}
    return {
        "name": "twelve",
        "base": {
            "data": {"source": str(data), "options": {"labels": "binary"}},
            "backbone": {"size": 160},
            "strategy": {"name": "linear_probe", "head": "softmax"},
        },
        "backbones": {
            name: {"backbone.name": name, "backbone.weights": str(weights / file)} for name, file in networks.items()
        },
        "strategies": {"mean": {}, "mean_and_max": {"backbone.pooling": "avg_max"}},
        "seeds": list(range(SEEDS)),
    }


def _call(folder: Path, *words: str) -> None:
    """Runs a command in a folder."""
    command = [sys.executable, "-c", "from medtl.cli import main; main()", *words]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _refuse_other_numbers(cell: Path, alone: Path) -> None:
    """Checks that a cell and a training of its own gave every image the same probabilities, and the same measures."""
    if (cell / "predictions.csv").read_bytes() != (alone / "predictions.csv").read_bytes():
        raise RuntimeError(f"{cell.name} has other predictions than its training alone")
    one, other = (read_json(run / "report.json")["test"] for run in (cell, alone))
    if any(one.get(name) != other.get(name) for name in MEASURED):
        raise RuntimeError(f"{cell.name} has other measures than its training alone")


if __name__ == "__main__":
    print(measure())
