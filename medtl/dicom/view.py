"""The view in which slices are judged: as a radiologist sees them, with square pixels; and the way back.

One head can be stored in eight ways in each plane, all of them legal: rows and columns exchanged, each of them in
either direction. A network has learned one. So every source that says how it lies in space comes into one view:

- axial: rows run to the patient's left, columns to the back;
- coronal: rows run to the left, columns to the feet;
- sagittal: rows run to the back, columns to the feet.

Slices follow each other from the feet up, from front to back, from left to right. Pictures say nothing of space and
stay as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medtl.dicom.geometry import COSINE_TOLERANCE, ImagePlane, body_side, slice_normal
from medtl.dicom.values import Vector
from shared.errors import InputRefused
from shared.samples import Position

Pixels = NDArray[np.float32]

AXES = {"axial": 2, "coronal": 1, "sagittal": 0}
"""Axis of the patient (LPS) that is perpendicular to each plane."""
DIRECTIONS = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
}
"""Directions (LPS) in which rows and columns run in each view."""
READ_AS = {"H": "S", "F": "I"}
"""Letters by which radiologists read the sides to the head and to the feet: superior and inferior."""
OBLIQUE_DEG = 30.0
"""Tilt from which a plane has no name: our choice, above the tilts that heads are planned with."""
STRAIGHT_DEG = 5.0
"""Tilt below which nothing is said of it: our choice, for few heads lie straighter."""
NEARLY_SQUARE = 0.01
"""Spacings of rows and columns that differ by a smaller share are one: over a head that is less than two pixels."""
MAX_RATIO = 2.5
"""Largest ratio of the two pixel spacings: above 2, at which decisions stay (docs/lab-log.md, half of the rows), and
below the 3 or more of thick slices that were reformatted into another plane. In between our choice."""
MOST_COUNTED = 100
"""Orientations up to which they are counted: a damaged object may have another one in each of 65,536 frames."""
COSINE_DIGITS = 2
"""Digits of direction cosines that are compared: scanners and converters round the later ones each on its own."""
TILT_DIGITS = 1
"""Digits of a tilt that count, for the same reason: 30 degrees are 30 degrees however they are stored."""
SAME_AGREEMENT = 1e-3
"""Turns whose directions agree with the view to within this are equally good: cosines are rounded."""


@dataclass(frozen=True)
class AcquiredPlane:
    """The plane in which slices were acquired.

    Attributes:
        name: "axial", "coronal" or "sagittal"; "oblique" where it is tilted by more than 30 degrees from each of them.
        tilt_deg: Angle between the plane and the nearest of the three, in degrees.
    """

    name: str
    tilt_deg: float

    def __str__(self) -> str:
        if self.name == "oblique":
            return f"oblique by {self.tilt_deg:.0f} degrees"
        return self.name if self.tilt_deg < STRAIGHT_DEG else f"{self.name}, tilted by {self.tilt_deg:.0f} degrees"


@dataclass(frozen=True)
class View:
    """How stored slices are turned into the view in which they are judged.

    Attributes:
        turn: Whether rows and columns are exchanged, then whether the rows are reversed in order, then the columns.
        spacing_mm: Distance of the stored rows, then of the stored columns; None where it is not stated: pixels are
            then taken for square.
        orientation: Direction cosines (LPS) of the rows and of the columns in the view; None where no orientation is
            stated: slices then stay as they are stored.
    """

    turn: tuple[bool, bool, bool] = (False, False, False)
    spacing_mm: Vector | None = None
    orientation: Vector | None = None

    @property
    def plane(self) -> AcquiredPlane | None:
        """The plane in which the slices were acquired; None where no orientation is stated."""
        return None if self.orientation is None else _plane(slice_normal(self.orientation))

    @property
    def pixel_mm(self) -> float | None:
        """Side of a pixel in the view, in mm: the finer of the stored spacings; None where they are not stated."""
        return None if self.spacing_mm is None else min(self.spacing_mm)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for an answer: a tilt, and what is not stated of how the slices lie."""
        plane = self.plane
        tilted = plane is not None and plane.name != str(plane)
        return (*((f"the slices are {plane}",) if tilted else ()), *self.unstated)

    @property
    def unstated(self) -> tuple[str, ...]:
        """Sentences on what is not stated of how the slices lie."""
        found = []
        if self.orientation is None:
            found.append("the slices do not state how they lie in the patient: they are judged as they are stored")
        if self.spacing_mm is None:
            found.append("the slices do not state their pixel spacing: pixels are taken for square")
        return tuple(found)

    @property
    def sides(self) -> tuple[str, str] | None:
        """Sides of the body to which stored rows and columns run, such as ("L", "P"); None without a plane.

        They are those of the plane that is nearest: two that differ, also where rows and columns are turned by 45
        degrees and lie as near to one side as to another.
        """
        if self.orientation is None:
            return None
        shown = DIRECTIONS[nearest_plane(slice_normal(self.orientation))]
        rows, columns = (np.array(direction, dtype=np.float64) for direction in shown)
        exchanged, rows_reversed, columns_reversed = self.turn
        rows, columns = (-rows if columns_reversed else rows), (-columns if rows_reversed else columns)
        return (body_side(columns), body_side(rows)) if exchanged else (body_side(rows), body_side(columns))

    @property
    def edges(self) -> dict[str, str] | None:
        """Sides of the body (L, R, A, P, S, I) at the `left`, `right`, `top` and `bottom` of the view.

        They are those of the plane that is nearest, as in `sides`; S and I are what DICOM calls H and F. None without a
        plane.
        """
        if self.orientation is None:
            return None
        along, down = (np.array(one) for one in DIRECTIONS[nearest_plane(slice_normal(self.orientation))])
        shown = {"left": -along, "right": along, "top": -down, "bottom": down}
        return {edge: READ_AS.get(side := body_side(direction), side) for edge, direction in shown.items()}

    def apply(self, stored: Pixels) -> Pixels:
        """Brings a stored slice into the view.

        Args:
            stored: float32 [stored rows, stored columns].

        Returns:
            float32 [rows, columns] with square pixels. Only where the stored ones are not square are values new, within
            the range of the stored ones.
        """
        return _resized(turned(stored, self.turn), self._square(stored.shape), Image.Resampling.LANCZOS)

    def undo(self, shown: Pixels, shape: tuple[int, int]) -> Pixels:
        """Brings a map in the view back onto the grid of the stored slice.

        Args:
            shown: float32 [rows, columns], as `apply` returns it.
            shape: Stored rows and columns.

        Returns:
            float32 [stored rows, stored columns].
        """
        rows, columns = shape
        lying = (columns, rows) if self.turn[0] else (rows, columns)
        return self.unturn(_resized(shown, lying, Image.Resampling.BILINEAR))

    def unturn(self, shown: Pixels) -> Pixels:
        """Turns a picture in the view into the direction of the stored slice; its pixels stay square.

        Args:
            shown: [rows, columns], as `apply` returns it.
        """
        exchanged, rows_reversed, columns_reversed = self.turn
        back = shown[:: -1 if rows_reversed else 1, :: -1 if columns_reversed else 1]
        return back.T if exchanged else back

    def order(self, positions: Sequence[Vector | None]) -> list[int]:
        """Sorts slices as they follow each other in the view: axial ones from the feet up.

        Args:
            positions: Where the first pixel of each stored slice lies, x, y, z in mm (LPS); None where not stated.

        Returns:
            Indices of the slices; in their stored order without a plane, or where a position is not stated.
        """
        places = [one for one in positions if one is not None]
        if self.orientation is None or len(places) < len(positions):
            return list(range(len(positions)))
        return np.argsort(np.array(places) @ slice_normal(self.orientation), kind="stable").tolist()

    def positions(self, places: Sequence[Vector | None]) -> tuple[Position, ...]:
        """Computes where slices lie along their normal.

        Args:
            places: Where the first pixel of each stored slice lies, x, y, z in mm (LPS); None where not stated.

        Returns:
            The position of each slice in mm; empty without an orientation, or where a place is not stated.
        """
        known = [one for one in places if one is not None]
        if self.orientation is None or self.plane is None or not known or len(known) < len(places):
            return ()
        return tuple(Position(float(at)) for at in np.array(known) @ slice_normal(self.orientation))

    def _square(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Rows and columns, in the view, that make the pixels of a stored slice square."""
        rows, columns = shape
        if self.spacing_mm is not None and max(self.spacing_mm) > (1 + NEARLY_SQUARE) * min(self.spacing_mm):
            down, along = (one / min(self.spacing_mm) for one in self.spacing_mm)
            rows, columns = round(rows * down), round(columns * along)
        return (columns, rows) if self.turn[0] else (rows, columns)


def view_of(planes: Sequence[ImagePlane]) -> View:
    """Finds the view of slices that lie in parallel.

    Args:
        planes: The planes of the stored slices, at least one. Their mean counts, for scanners round each on its own.

    Returns:
        The view; without a plane where not every slice states its orientation, and likewise of the spacing.

    Raises:
        InputRefused: The slices have several orientations or pixel spacings, rows and columns are not at right angles,
            or pixels are more than 2.5 times as long as wide.
    """
    _check_parallel([one.orientation for one in planes if one.orientation is not None])
    _check_spacings([one.spacing_mm for one in planes if one.spacing_mm is not None])
    spacing = _mean([one.spacing_mm for one in planes])
    if spacing is not None and max(spacing) > MAX_RATIO * min(spacing):
        raise InputRefused(
            f"has pixels of {max(spacing):.2g} x {min(spacing):.2g} mm, as thick slices in another plane have "
            f"(at most {MAX_RATIO:g} times as long as wide are judged); give the series as it was acquired"
        )
    orientation = _mean([one.orientation for one in planes])
    if orientation is None:
        return View(spacing_mm=spacing)
    normal = slice_normal(orientation)
    turn, shown = _turn(np.array(orientation[:3]), np.array(orientation[3:]), nearest_plane(normal))
    return View(turn, spacing, shown)


def nearest_plane(normal: NDArray[np.float64]) -> str:
    """Names the plane whose slices lie nearest to those with a normal: "axial", "coronal" or "sagittal".

    Of planes that are equally near, as at a tilt of 45 degrees, it is the first in this order.

    Args:
        normal: float64 [3] (LPS), of length 1.
    """
    return max(AXES, key=lambda name: round(abs(float(normal[AXES[name]])), COSINE_DIGITS))


def turned(pixels: Pixels, turn: tuple[bool, bool, bool]) -> Pixels:
    """Exchanges and reverses rows and columns.

    Args:
        pixels: [rows, columns].
        turn: Whether rows and columns are exchanged, then whether the rows are reversed in order, then the columns.

    Returns:
        A view of `pixels`, or they themselves; nothing is copied.
    """
    if not any(turn):
        return pixels
    exchanged, rows_reversed, columns_reversed = turn
    placed = pixels.T if exchanged else pixels
    return placed[:: -1 if rows_reversed else 1, :: -1 if columns_reversed else 1]


def _plane(normal: NDArray[np.float64]) -> AcquiredPlane:
    name = nearest_plane(normal)
    tilt = round(float(np.degrees(np.arccos(min(1.0, abs(float(normal[AXES[name]])))))), TILT_DIGITS)
    return AcquiredPlane(name if tilt <= OBLIQUE_DEG else "oblique", tilt)


def _turn(
    rows: NDArray[np.float64], columns: NDArray[np.float64], plane: str
) -> tuple[tuple[bool, bool, bool], Vector]:
    """The turn of the eight that brings rows and columns nearest to the directions of a plane, and where they then run.

    Of two that are equally near, as in a slice that is turned by 45 degrees in its plane, the directions in space
    decide: how the slice is stored does not count.
    """
    right, down = (np.array(direction, dtype=np.float64) for direction in DIRECTIONS[plane])
    found: list[tuple[float, Vector, tuple[bool, bool, bool]]] = []
    for exchanged, rows_reversed, columns_reversed in itertools.product((False, True), repeat=3):
        along, across = (columns, rows) if exchanged else (rows, columns)
        along, across = (-along if columns_reversed else along), (-across if rows_reversed else across)
        agreement = float(along @ right + across @ down)
        found.append((agreement, (*along.tolist(), *across.tolist()), (exchanged, rows_reversed, columns_reversed)))
    best = max(agreement for agreement, _, _ in found)
    near = (one for one in found if one[0] > best - SAME_AGREEMENT)
    _, shown, turn = max(near, key=lambda one: tuple(round(cosine, COSINE_DIGITS) for cosine in one[1]))
    return turn, shown


def _check_parallel(orientations: Sequence[Vector]) -> None:
    rest, distinct = np.array(orientations, dtype=np.float64).reshape(-1, 6), 0
    while len(rest) and distinct < MOST_COUNTED:
        distinct += 1
        rest = rest[np.abs(rest - rest[0]).max(axis=1) >= COSINE_TOLERANCE]
    if distinct > 1:
        raise InputRefused(f"mixes slices of {distinct} orientations, as localizers do; give one orientation at a time")


def _check_spacings(spacings: Sequence[Vector]) -> None:
    if spacings and (np.ptp(spacings, axis=0) > NEARLY_SQUARE * np.min(spacings, axis=0)).any():
        raise InputRefused("mixes slices of several pixel spacings; give one spacing at a time")


def _mean(vectors: Sequence[Vector | None]) -> Vector | None:
    """The mean of vectors; None where one is not stated: that slice may lie in another way."""
    stated = [one for one in vectors if one is not None]
    return tuple(np.mean(stated, axis=0).tolist()) if len(stated) == len(vectors) else None


def _resized(pixels: Pixels, shape: tuple[int, int], kernel: Image.Resampling) -> Pixels:
    """Interpolates over the same area, within the range of the values; pixels that have that shape stay as they are.

    Images by Lanczos' kernel: with half of the rows or columns, the log-odds of 15 heads moved by 0.04 with it, by 0.05
    with the cubic and by 0.30 with the linear one (docs/lab-log.md).
    """
    if pixels.shape == shape:
        return pixels
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    resized = np.asarray(image.resize((shape[1], shape[0]), kernel), dtype=np.float32)
    return np.clip(resized, pixels.min(), pixels.max())
