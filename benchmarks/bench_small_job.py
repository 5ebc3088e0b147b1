"""Measures a whole training on few MRI pictures, from the zip to the report, beside fastai's `fine_tune(3)`.

Both are processes of their own on one thread, with the same network, weights, size and epochs and as many images. Ours
also searches for copies, chooses its epoch and threshold on validation, and writes the exported network and the report;
the peer reads PNG files of the same pictures and gives the probabilities of its test.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.finetune_peers import SIDE, divide
from benchmarks.side_by_side import Measured, best_times, empty_cache
from shared.extras import remedy

WEIGHTS = "mobilenet_v2-imagenet-bnfolded.pth"
RECIPE = "fastai fine_tune(3)"
STRATEGY = (
    "strategy={name: finetune, batch_norm: freeze_stats, augmentation: none, phases: [{epochs: 1, train: none, "
    "lr_head: 1.0e-3}, {epochs: 3, train: all, lr_head: 5.0e-4, lr_backbone: 5.0e-4, lr_decay: 0.9}]}"
)
"""As many epochs as the peer's: one of the head, three of all."""


def measure() -> list[Measured] | str:
    """Measures ours beside the peer; returns what is needed where something is missing."""
    data, weights = os.environ.get("MEDTL_DATA"), os.environ.get("MEDTL_WEIGHTS")
    if not data or not weights:
        return "MEDTL_DATA and MEDTL_WEIGHTS"
    if find_spec("fastai") is None:
        return f"fastai: {remedy('bench')}"
    source, state = Path(data).resolve() / "navoneel.zip", Path(weights).resolve() / WEIGHTS
    with tempfile.TemporaryDirectory() as made, empty_cache():
        folder = Path(made)
        divide(folder, source)
        ours, theirs = best_times(
            partial(_ours, folder, source, state), partial(_theirs, folder, state), repeats=2, warm_up=False
        )
    what = f"a whole training on navoneel.zip at {SIDE} px, from the zip to the report, one thread"
    return [Measured(what, ours, f"{RECIPE} on the same pictures", theirs, "<= 1")]


def _ours(folder: Path, source: Path, weights: Path) -> None:
    words = [f"data.source={source}", "data.options.labels=binary", "backbone.name=mobilenet_v2"]
    words += [f"backbone.weights={weights}", f"backbone.size={SIDE}", STRATEGY, "--out"]
    with tempfile.TemporaryDirectory(dir=folder) as out:
        _call("-c", "from medtl.cli import main; main()", "train", "default", *words, f"{out}/run")


def _theirs(folder: Path, weights: Path) -> None:
    program = Path(__file__).with_name("finetune_peers_fastai.py")
    words = ["--weights", str(weights), "--divisions", "0", "--recipes", RECIPE]
    with tempfile.TemporaryDirectory(dir=folder) as out:
        _call(str(program), str(folder), f"{out}/cells.jsonl", *words)


def _call(*words: str) -> None:
    """Runs Python on one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *words], env=environment, check=True, capture_output=True)
