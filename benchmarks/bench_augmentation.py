"""Cost of an image under `mri_hospitals`, against `mri_physics`, on one thread."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.side_by_side import best_seconds
from medtl.task import TASK

IMAGES = 200
SIZE = 160


def measure() -> tuple[str, float, str]:
    """Returns what was measured, the time of `mri_hospitals` as a share of that of `mri_physics`, and the goal."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        hospitals, physics = best_seconds(partial(_vary, "mri_hospitals"), partial(_vary, "mri_physics"))
    finally:
        torch.set_num_threads(before)
    what = f"augmentation mri_hospitals against mri_physics, {SIZE} px, {1000 * hospitals / IMAGES:.1f} ms an image"
    return what, hospitals / physics, "<= 2"


def _vary(kind: str) -> None:
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    radius = np.hypot(x, y * 0.9)
    head = np.select([radius < 0.6, radius < 0.7, radius < 0.85], [0.5, 0.05, 1.0], 0.0).astype(np.float32)
    for seed in range(IMAGES):
        TASK.augment(head[np.newaxis], seed, kind)
