"""Drawn heads of several classes, and the configuration of a training on them that takes seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BACKBONE = "backbone={name: convnet_small, weights: random, size: 32, layers: [block2], pooling: avg_2x2}"
FINETUNE = (
    "strategy={name: finetune, augmentation: none, precision: fp32, batch_size: 8, phases: [{epochs: 8, train: all, "
    "lr_head: 0.01, lr_backbone: 0.003}]}"
)
PLACES = {"no_tumor": None, "glioma": (9, 12, 4), "meningioma": (24, 9, 3), "pituitary": (16, 23, 2)}
"""Row, column and radius of the bright disc that stands for a tumour."""


def drawn_head(random: np.random.Generator) -> NDArray[np.float64]:
    """A grey oval with broad folds, noisy, so that none is a copy; without folds it would be taken for noise."""
    rows, columns = np.mgrid[:32, :32]
    folds = 1 + 0.3 * np.cos(rows / 3) * np.cos(columns / 4)
    inside = (rows - 16) ** 2 / 196 + (columns - 16) ** 2 / 144 < 1
    return np.asarray(90.0 * inside * folds + random.normal(0, 9, (32, 32)))


def draw_heads(root: Path, places: dict[str, tuple[int, int, int] | None], each: int, seed: int = 0) -> Path:
    """PNGs by class: heads with or without a disc."""
    random, (rows, columns) = np.random.default_rng(seed), np.mgrid[:32, :32]
    for name, place in places.items():
        (root / name).mkdir(parents=True)
        for index in range(each):
            pixels = drawn_head(random)
            if place is not None:
                row, column = (value + random.integers(-2, 3) for value in place[:2])
                pixels[(rows - row) ** 2 + (columns - column) ** 2 <= place[2] ** 2] = 230
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(root / name / f"{index:03d}.png")
    return root
