"""Measures the CPU time of advice on 3,000 images against its goal: two minutes on two cores.

Advice tries all networks whose weights it finds. Here it is given those of the folder that `MEDTL_WEIGHTS` names alone,
so that the row does not depend on what else is installed, and `make bench` comes to its end.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import Measured, Times, empty_cache, timed
from medtl.task import TASK
from shared.experiments.advice.advise import advise_on
from shared.experiments.advice.config import advised_settings
from shared.experiments.advice.pool import learning_pool
from shared.experiments.advice.setting import Setting
from shared.models.local_weights import available_backbones
from shared.pipeline.preflight import preflight

GOAL_S = 240.0
"""CPU seconds of two cores in two minutes."""


def measure() -> list[Measured] | str:
    """Measures advice beside its goal; returns what is needed where data or weights are not named."""
    if "MEDTL_DATA" not in os.environ or "MEDTL_WEIGHTS" not in os.environ:
        return "MEDTL_DATA and MEDTL_WEIGHTS"
    data, folder = Path(os.environ["MEDTL_DATA"]) / "sartaj.zip", Path(os.environ["MEDTL_WEIGHTS"])
    with empty_cache(), tempfile.TemporaryDirectory() as root:
        found: list[dict[str, Any]] = []
        times = timed(lambda: found.append(_advice(data, folder, Path(root))))
    what = f"advice on {found[0]['data']['images']} images, {len(found[0]['backbones'])} backbones"
    return [Measured(what, times, "two minutes of processor", Times(GOAL_S, GOAL_S), "<= 1")]


def _advice(data: Path, folder: Path, root: Path) -> dict[str, Any]:
    """Advises on data with the networks whose weights lie in a folder."""
    TASK.register_backbones()
    config = advised_settings(TASK, data, ())
    backbones = [one for one in available_backbones()[0] if Path(one.weights).parent == folder]
    first = config.backbone.model_copy(update={"name": backbones[0].name})
    experiment = preflight(TASK, config.model_copy(update={"backbone": first}))
    pool = learning_pool(experiment, root=root, progress=_quiet)
    return advise_on(Setting.read(experiment, pool, _quiet), backbones)[0]


def _quiet(*_: object) -> None:
    pass
