"""Draws docs/phantom.png from a phantom, one row a patient: `python docs/phantom_montage.py PHANTOM OUT.png`."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

TILE = 224
BRIGHTEST_PERCENTILE = 99.5


def montage(folder: Path, out_png: Path, *, rows: int = 6, columns: int = 6) -> Path:
    """Draws slices of the first patients of each scanner, taking the scanners in turn.

    Args:
        folder: As `write_phantom` left it.
        out_png: The picture to write.
        rows: Patients at most.
        columns: Slices of each, spread evenly from low to high.

    Returns:
        `out_png`.
    """
    with (folder / "labels.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    series: dict[str, dict[str, list[str]]] = {}
    for row in table:
        series.setdefault(row["scanner"], {}).setdefault(row["patient"], []).append(row["path"])
    deepest = max(map(len, series.values()))
    in_turn = [[*patients.values()][k] for k in range(deepest) for patients in series.values() if k < len(patients)]
    strips = []
    for paths in in_turn[:rows]:
        chosen = np.linspace(0, len(paths) - 1, columns).round().astype(int)
        strips.append(np.hstack([_tile(folder / paths[number]) for number in chosen]))
    PillowImage.fromarray(np.vstack(strips)).save(out_png)
    return out_png


def _tile(path: Path) -> NDArray[np.uint8]:
    from pydicom import dcmread

    pixels = dcmread(path).pixel_array.astype(np.float64)
    grey = np.clip(pixels / np.percentile(pixels, BRIGHTEST_PERCENTILE), 0.0, 1.0) * 255.0
    tile = PillowImage.fromarray(grey.astype(np.uint8)).resize((TILE, TILE), PillowImage.Resampling.BICUBIC)
    return np.asarray(tile)


if __name__ == "__main__":
    montage(Path(sys.argv[1]), Path(sys.argv[2]))
