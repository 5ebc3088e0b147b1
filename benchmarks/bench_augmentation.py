"""Cost of an image under `mri_hospitals` in a batch, against MONAI's transforms image by image, on one thread."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.side_by_side import Measured, best_times
from medtl.task import TASK

BATCHES = 6
BATCH = 32
SIZE = 128


def measure() -> list[Measured]:
    """Measures batches, beside the library image by image."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        batch, alone = best_times(partial(_vary, "mri_hospitals"), partial(_vary, "mri_hospitals_monai"))
    finally:
        torch.set_num_threads(before)
    what = f"augmentation mri_hospitals of {BATCHES * BATCH} images, {SIZE} px, in batches of {BATCH}, one thread"
    return [Measured(what, batch, "MONAI, image by image", alone, "<= 0.25")]


def _vary(kind: str) -> None:
    import torch

    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    radius = np.hypot(x, y * 0.9)
    head = np.select([radius < 0.6, radius < 0.7, radius < 0.85], [0.5, 0.05, 1.0], 0.0).astype(np.float32)
    images = torch.from_numpy(head).repeat(BATCH, 1, 1, 1)
    for first in range(0, BATCHES * BATCH, BATCH):
        TASK.augment(images, range(first, first + BATCH), kind)
