"""A slice on which tissues are painted one over another, with the shapes and the noise for it.

Lengths are millimetres. `x` grows to the patient's left and `y` to the back, as columns and rows of an axial slice do.
A shape is a field that says of each pixel how deep it lies inside, negative outside; so edges can be soft and shapes
can be grown, shrunk, joined (the larger) and cut (the smaller) by arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Field = NDArray[np.floating[Any]]
"""Values of the pixels of one slice: float32 [rows, columns]."""

NOISE_CELLS = 64
"""Cells of the noise along each axis."""
NOISE_SPACING_MM = 3.0
"""Side of a cell: the noise repeats after 192 mm, about a head."""


class Canvas:
    """An axial slice on which tissues are painted.

    Args:
        x: x of each pixel in the frame of the head, in mm, float32 [rows, columns].
        y: y of each pixel, likewise.
        spacing_mm: Distance of neighbouring pixels.
        signal: Signal of each tissue, by name.
    """

    def __init__(self, x: Field, y: Field, spacing_mm: float, signal: Mapping[str, float]) -> None:
        self.x, self.y, self.spacing_mm, self.signal = x, y, spacing_mm, signal
        self.image: Field = np.zeros_like(x)

    def paint(self, tissue: str, inside: Field, strength: float | Field = 1.0) -> None:
        """Paints a tissue over what is there; a pixel that the edge cuts gets its part of both.

        Args:
            tissue: Name of the tissue, a key of `signal`.
            inside: Depth inside the tissue in mm, negative outside, [rows, columns].
            strength: Opacity, 0 to 1.

        Raises:
            KeyError: `signal` has no such tissue.
        """
        cover = np.clip(inside / self.spacing_mm + 0.5, 0.0, 1.0) * strength
        self.image += cover * (np.float32(self.signal[tissue]) - self.image)

    def dot(self, tissue: str, x: float, y: float, radius: float) -> None:
        """Paints a disc of a tissue over what is there.

        Args:
            tissue: Name of the tissue, a key of `signal`.
            x: x of the centre in mm.
            y: y of the centre in mm.
            radius: Radius in mm.
        """
        self.paint(tissue, radius - np.hypot(self.x - x, self.y - y))


class Noise:
    """Smooth noise in space with mean 0 and standard deviation 1, different for each head.

    Args:
        random: Generator that draws the noise.
        scale_mm: Standard deviation of the smoothing: about a quarter of the distance between hills.
    """

    def __init__(self, random: np.random.Generator, scale_mm: float) -> None:
        white = random.standard_normal((NOISE_CELLS,) * 3, dtype=np.float32)
        smooth = gaussian_filter(white, scale_mm / NOISE_SPACING_MM, mode="wrap", truncate=3.0)
        self._cells: Field = smooth / smooth.std()

    def at(self, x: Field, y: Field, z: float) -> Field:
        """Interpolates the noise at points of a slice.

        Args:
            x: x of each point in mm, [rows, columns].
            y: y of each point in mm.
            z: Height of the slice in mm.

        Returns:
            float32 [rows, columns]; it repeats after 192 mm along each axis.
        """
        level, up = _cell(np.float32(z))
        plane = (1.0 - up) * self._cells[level] + up * self._cells[(level + 1) % NOISE_CELLS]
        values = plane.astype(np.float32).ravel()
        row, down = _cell(y)
        column, right = _cell(x)
        next_row, next_column = (row + 1) % NOISE_CELLS, (column + 1) % NOISE_CELLS
        row, next_row = row * NOISE_CELLS, next_row * NOISE_CELLS
        above = values[row + column] * (1.0 - right) + values[row + next_column] * right
        below = values[next_row + column] * (1.0 - right) + values[next_row + next_column] * right
        return np.asarray(above + (below - above) * down, dtype=np.float32)


def _cell(place_mm: Field | np.float32) -> tuple[NDArray[np.int32], Field]:
    """Index of the cell of the noise that holds a place, and the way to the next one, 0 to 1."""
    cells = np.asarray(place_mm, dtype=np.float32) / np.float32(NOISE_SPACING_MM)
    whole = np.floor(cells)
    return whole.astype(np.int32) % NOISE_CELLS, cells - whole


def ellipse(x: Field, y: Field, a: float, b: float, angle_rad: float = 0.0) -> Field:
    """Computes the depth inside an ellipse about the origin. Exact near the edge, where it matters.

    Args:
        x: x of each point in mm, [rows, columns].
        y: y of each point in mm.
        a: Half axis along x in mm.
        b: Half axis along y in mm.
        angle_rad: Angle by which the ellipse is turned.

    Returns:
        Depth of each point in mm, negative outside, float32 [rows, columns].
    """
    if angle_rad:
        cosine, sine = np.float32(np.cos(angle_rad)), np.float32(np.sin(angle_rad))
        x, y = cosine * x + sine * y, cosine * y - sine * x
    x, y = x / np.float32(a), y / np.float32(b)
    level = np.sqrt(x * x + y * y)
    slope = np.sqrt((x / np.float32(a)) ** 2 + (y / np.float32(b)) ** 2)
    return np.asarray((1.0 - level) * level / np.maximum(slope, 1e-6), dtype=np.float32)


def capsule(x: Field, y: Field, start: tuple[float, float], end: tuple[float, float], radius: float) -> Field:
    """Computes the depth inside a rod with round ends.

    Args:
        x: x of each point in mm, [rows, columns].
        y: y of each point in mm.
        start: x and y of the middle of one end, in mm.
        end: x and y of the middle of the other end.
        radius: Half the thickness of the rod, in mm.

    Returns:
        Depth of each point in mm, negative outside, float32 [rows, columns].
    """
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    length = max(along_x**2 + along_y**2, 1e-6)
    part = np.clip(((x - start[0]) * along_x + (y - start[1]) * along_y) / length, 0.0, 1.0)
    away_x, away_y = x - start[0] - part * along_x, y - start[1] - part * along_y
    return np.asarray(radius - np.sqrt(away_x * away_x + away_y * away_y), dtype=np.float32)


def smoothstep(value: float, start: float, end: float) -> float:
    """Computes a smooth rise from 0 at `start` to 1 at `end`, flat beyond (Hermite's smoothstep).

    Args:
        value: Where the curve is evaluated.
        start: Up to here the result is 0.
        end: From here the result is 1; above `start`.
    """
    t = min(max((value - start) / (end - start), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)
