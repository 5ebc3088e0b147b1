"""Measures the CPU time of advice on 3,000 images against its goal: two minutes on two cores."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import Measured, Times, empty_cache, timed
from medtl.task import TASK
from shared.experiments.advice.advise import advise
from shared.experiments.advice.config import advised_settings

GOAL_S = 240.0
"""CPU seconds of two cores in two minutes."""


def measure() -> list[Measured] | str:
    """Measures advice beside its goal; returns what is needed where data or weights are not named."""
    if "MEDTL_DATA" not in os.environ or "MEDTL_WEIGHTS" not in os.environ:
        return "MEDTL_DATA and MEDTL_WEIGHTS"
    data = Path(os.environ["MEDTL_DATA"]) / "sartaj.zip"
    with empty_cache(), tempfile.TemporaryDirectory() as root:
        found: list[Any] = []

        def whole() -> None:
            settings = advised_settings(TASK, data, ())
            found.append(advise(TASK, settings, weights=(), root=Path(root), progress=lambda *_: None)[0])

        times = timed(whole)
    what = f"advice on {found[0]['data']['images']} images, {len(found[0]['backbones'])} backbones"
    return [Measured(what, times, "two minutes of processor", Times(GOAL_S, GOAL_S), "<= 1")]
