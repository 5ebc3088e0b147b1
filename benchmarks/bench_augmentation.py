"""Measures augmentation in a batch, beside the library's transforms image by image, on one thread."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch

from benchmarks.side_by_side import Measured, best_times
from handwriting.task import TASK as HANDWRITING
from medtl.task import TASK as MEDTL
from shared.processes.memory import keep_freed_memory
from shared.task import Task

BATCHES = 6
BATCH = 32


@dataclass(frozen=True)
class Row:
    """What is measured: a kind of augmentation of an application, at a side in pixels, beside that of its library."""

    task: Task
    kind: str
    library: str
    size: int

    def measure(self) -> Measured:
        """Measures a batch, beside its images one by one."""
        batch, alone = best_times(
            *(partial(self._vary, kind) for kind in (self.kind, f"{self.kind}_{self.library.lower()}"))
        )
        what = f"{self.task.name}, {self.kind} of {BATCHES * BATCH} images, {self.size} px, in batches of {BATCH}"
        return Measured(what, batch, f"{self.library}, image by image", alone, "<= 0.25")

    def _vary(self, kind: str) -> None:
        y, x = np.mgrid[-1 : 1 : self.size * 1j, -1 : 1 : self.size * 1j]
        radius = np.hypot(x, y * 0.9)
        rings = np.select([radius < 0.6, radius < 0.7, radius < 0.85], [0.5, 0.05, 1.0], 0.0).astype(np.float32)
        images = torch.from_numpy(rings).repeat(BATCH, 1, 1, 1)
        for first in range(0, BATCHES * BATCH, BATCH):
            self.task.augment(images, range(first, first + BATCH), kind)


ROWS = (
    Row(MEDTL, "mri_hospitals", "MONAI", 160),
    Row(MEDTL, "usual", "MONAI", 160),
    Row(HANDWRITING, "usual", "Albumentations", 32),
    Row(HANDWRITING, "usual", "Albumentations", 64),
)


def measure() -> list[Measured]:
    """Measures each row."""
    keep_freed_memory()  # as training does
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        return [row.measure() for row in ROWS]
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
