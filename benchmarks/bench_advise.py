"""Measures the CPU time of advice on 3,000 images against its goal: two minutes on two cores."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from benchmarks.side_by_side import empty_cache
from medtl.task import TASK
from shared.experiments.advice.advise import advise
from shared.experiments.advice.config import advised_settings

GOAL_S = 240.0
"""CPU seconds of two cores in two minutes."""


def measure() -> tuple[str, float, str] | None:
    """Returns (what, share of the goal, goal); None without data or weights."""
    if "MEDTL_DATA" not in os.environ or "MEDTL_WEIGHTS" not in os.environ:
        return None
    data = Path(os.environ["MEDTL_DATA"]) / "sartaj.zip"
    with empty_cache(), tempfile.TemporaryDirectory() as root:
        started, clock = time.process_time(), time.monotonic()
        settings = advised_settings(TASK, data, ())
        tree, _ = advise(TASK, settings, weights=(), root=Path(root), progress=lambda *_: None)
        seconds, wall = time.process_time() - started, time.monotonic() - clock
    images, tried = tree["data"]["images"], len(tree["backbones"])
    took = f"{seconds:.0f} s of processor ({wall:.0f} s by the clock) over {GOAL_S:.0f}"
    what = f"advice on {images} images, {tried} backbones: {took}"
    return what, seconds / GOAL_S, "<= 1"
