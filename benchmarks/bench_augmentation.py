"""Cost of an image under augmentation in a batch, against the library's transforms image by image, on one thread.

The row of `python -m benchmarks` is that of slices; `python -m benchmarks.bench_augmentation` prints every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.side_by_side import best_cpu_seconds
from handwriting.task import TASK as HANDWRITING
from medtl.task import TASK as MEDTL
from shared.task import Task

BATCHES = 6
BATCH = 32


@dataclass(frozen=True)
class Row:
    """What is measured: a kind of augmentation of an application, at a side in pixels, against that of its library."""

    task: Task
    kind: str
    library: str
    size: int

    def measure(self) -> tuple[str, float]:
        """Returns what was measured, and the time of a batch as a share of that of its images one by one."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            own, theirs = (partial(self._vary, kind) for kind in (self.kind, f"{self.kind}_{self.library}"))
            batch, alone = best_cpu_seconds(own, theirs)
        finally:
            torch.set_num_threads(before)
        each, once = (1000 * seconds / (BATCHES * BATCH) for seconds in (batch, alone))
        what = (
            f"{self.task.name}, {self.kind}, {self.size} px: {each:.3f} ms of CPU an image in batches of {BATCH}, "
            f"{once:.3f} by {self.library} alone"
        )
        return what, batch / alone

    def _vary(self, kind: str) -> None:
        import torch

        y, x = np.mgrid[-1 : 1 : self.size * 1j, -1 : 1 : self.size * 1j]
        radius = np.hypot(x, y * 0.9)
        rings = np.select([radius < 0.6, radius < 0.7, radius < 0.85], [0.5, 0.05, 1.0], 0.0).astype(np.float32)
        images = torch.from_numpy(rings).repeat(BATCH, 1, 1, 1)
        for first in range(0, BATCHES * BATCH, BATCH):
            self.task.augment(images, range(first, first + BATCH), kind)


ROWS = (
    Row(MEDTL, "mri_hospitals", "monai", 128),
    Row(MEDTL, "mri_hospitals", "monai", 160),
    Row(MEDTL, "usual", "monai", 160),
    Row(HANDWRITING, "usual", "albumentations", 32),
    Row(HANDWRITING, "usual", "albumentations", 64),
)


def measure() -> tuple[str, float, str]:
    """Returns what was measured, the time of a batch as a share of that of its images one by one, and the goal."""
    return *ROWS[0].measure(), "<= 0.25"


if __name__ == "__main__":
    for row in ROWS:
        print("{}: {:.3f}".format(*row.measure()), flush=True)
