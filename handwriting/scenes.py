"""Shows a character as people may hand it in: bent, by another pen, on ruled paper, a blackboard, a photograph.

The picture is then read by the code that reads pictures in prediction, so that a network learns what it will be given.
Only NumPy and OpenCV are used: an image takes less than a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from handwriting.settings import Settings
from handwriting.transforms import PHOTOGRAPH_SIDE, read_ink
from shared.errors import DataError
from shared.task import Image

Pixels = NDArray[np.float32]
Random = np.random.Generator

SIDE = 64
"""Side of the scene in pixels: a character of 38 to 60 keeps the detail of DHCD's 28."""
HEIGHT = (0.6, 0.94)
"""Longer side of the character as a share of the scene."""
KEPT = 0.25
"""Share of images that stay as they are, so that those of the data set are learnt too."""
PLAIN = 0.4
"""Share of the others on plain, evenly lit paper: scans, and drawings on a canvas."""
VISIBLE = 0.5
"""Least value of the darkest ink; what is fainter holds no character."""
KEPT_SQUARE = 0.5
"""Share of images that keep DHCD's square box; a canvas and a photograph do not stretch letters."""
ASPECT = (0.55, 1.3)
"""Width over height of the box of the others, as a factor; the least is that of a narrow र in print."""
TURN_DEGREES, SHEAR, CORNERS = 10.0, 0.22, 0.035
"""Largest rotation; largest shear; standard deviation of the corners of the box, as a share of it, for perspective."""
BENDS = ((4, 0.022, 1.0), (13, 0.012, 0.35))
"""Displacements: points on a side of the grid, standard deviation as a share of the scene, share of images. The coarse
one bends strokes, the fine one is the tremor of a mouse."""
THICKER, THINNER = 0.3, 0.25
"""Shares of images with a thicker and a thinner pen."""
MOST_THINNED = 0.45
"""Least share of the ink that a thinner pen keeps; hairlines would vanish."""
HARD = 0.5
"""Share of images whose strokes get clear edges, as those of a canvas or a felt pen."""
UNEVEN = 0.25
"""Share of images whose ink is uneven along its strokes."""
SCANNED, PHOTOGRAPHED = Settings(), Settings(photographs=True)


def shown(image: Image, seed: int) -> Image:
    """Shows a preprocessed character in a scene drawn at random, and reads it anew; it is never mirrored.

    The result depends on the arguments alone.

    Args:
        image: float32 [1, size, size], 0 to 1, light ink on black.
        seed: 0 to 2**32 - 1.

    Returns:
        float32 [1, size, size], 0 to 1, in the frame of a run with the default margin; a new array. Where the scene
        hides the character, the image as it was.
    """
    random = np.random.default_rng(seed)
    if random.random() < KEPT:
        return image.copy()
    ink = _inked(_bent(image[0], random), random)
    if ink.max() < VISIBLE:
        return image.copy()
    plain = random.random() < PLAIN
    scene = ink if plain else _SCENES[int(random.integers(len(_SCENES)))](ink, random)
    try:
        found = read_ink(_cropped(scene, ink, random), image.shape[-1], SCANNED if plain else PHOTOGRAPHED)
    except DataError:
        return image.copy()
    return found[np.newaxis]


def _bent(image: Pixels, random: Random) -> Pixels:
    """Moves a character into a scene: turned, slanted, stretched, seen from the side, bent."""
    size = image.shape[0]
    width, height = 1.0, 1.0
    if random.random() > KEPT_SQUARE:
        aspect = np.exp(random.uniform(*np.log(ASPECT)))
        width, height = (aspect, 1.0) if aspect < 1 else (1.0, 1 / aspect)
    side = SIDE * random.uniform(*HEIGHT)
    angle, shear = np.radians(random.uniform(-TURN_DEGREES, TURN_DEGREES)), random.uniform(-SHEAR, SHEAR)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    square = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    corners = square @ (turn @ np.array([[width, shear], [0.0, height]])).T + random.normal(0, CORNERS, (4, 2))
    target = (corners * side + SIDE / 2 - 0.5).astype(np.float32)
    source = ((square + 0.5) * size - 0.5).astype(np.float32)
    back = cv2.getPerspectiveTransform(target, source)
    places = back @ _grid()
    x, y = (places[:2] / places[2]).reshape(2, SIDE, SIDE).astype(np.float32)
    for points, amount, share in BENDS:
        if random.random() < share:
            x += _field(points, amount * size, random)
            y += _field(points, amount * size, random)
    return np.clip(cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT), 0.0, 1.0)


@lru_cache(maxsize=1)
def _grid() -> NDArray[np.float64]:
    """Homogeneous places of the scene's pixels, [3, pixels]: x, y, 1."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.stack([columns.ravel(), rows.ravel(), np.ones(SIDE * SIDE)]).astype(np.float64)


def _field(points: int, amount: float, random: Random) -> Pixels:
    """A smooth random field, float32 [SIDE, SIDE], of the given standard deviation at the points of its grid."""
    coarse = random.standard_normal((points, points), dtype=np.float32) * np.float32(amount)
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))


def _inked(ink: Pixels, random: Random) -> Pixels:
    """Draws the strokes by another pen: thicker, thinner, with clear edges, uneven."""
    draw = random.random()
    if draw < THICKER + THINNER:
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (int(random.integers(2, 6 if draw < THICKER else 5)),) * 2)
        if draw < THICKER:
            ink = cv2.dilate(ink, brush)
        else:
            thin = cv2.erode(ink, brush)
            ink = thin if thin.sum() > MOST_THINNED * ink.sum() else ink
    if random.random() < HARD:
        ink = np.clip((ink - random.uniform(0.3, 0.6)) * random.uniform(2.0, 6.0) + 0.5, 0.0, 1.0)
    if random.random() < UNEVEN:
        ink = ink * np.clip(0.8 + _field(10, 0.25, random), 0.3, 1.0)
    return ink


def _cropped(scene: Pixels, ink: Pixels, random: Random) -> Pixels:
    """Cuts a scene near the box of the ink, as crops of pages and drawings are, in some images."""
    if random.random() < 0.5:
        return scene
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.3), np.flatnonzero(ink.max(axis=0) > 0.3)
    if not rows.size:
        return scene
    return scene[_part(rows, random), _part(columns, random)]


def _part(places: NDArray[np.int64], random: Random) -> slice:
    """The places of the ink with a little paper, not so few that the crop is no photograph any more."""
    before, after = random.integers(1, 9, 2).tolist()
    start, stop = max(0, int(places[0]) - before), min(SIDE, int(places[-1]) + 1 + after)
    lacking = max(0, PHOTOGRAPH_SIDE - (stop - start))
    start = max(0, start - (lacking + 1) // 2)
    return slice(start, max(stop, start + PHOTOGRAPH_SIDE))


def _on_ruled(ink: Pixels, random: Random) -> Pixels:
    """On paper with lines, or with squares."""
    pitch = random.uniform(0.3, 1.0) * SIDE
    pages = [_lines(pitch, random)]
    if random.random() < 0.5:
        pitch = random.uniform(0.12, 0.35) * SIDE
        pages = [_lines(pitch, random), _lines(pitch, random).T]
    ruling = np.maximum.reduce(pages) * random.uniform(0.1, 0.5)
    darkness = np.maximum(ink, ruling) if random.random() < 0.5 else 1 - (1 - ink) * (1 - ruling)
    return _photograph(darkness, random, most=0.5)


def _lines(pitch: float, random: Random) -> Pixels:
    """Printed lines across the scene, a little turned; float32 [SIDE, SIDE], 0 to 1."""
    slope, start = random.uniform(-0.06, 0.06), random.uniform(0, pitch)
    x, y, _ = _grid().reshape(3, SIDE, SIDE)
    distance = np.abs((y + slope * x - start + pitch / 2) % pitch - pitch / 2)
    return np.clip(random.uniform(0.5, 1.4) + 0.5 - distance, 0.0, 1.0).astype(np.float32)


def _on_board(ink: Pixels, random: Random) -> Pixels:
    """Chalk on a blackboard: grain in the strokes, dust around them."""
    grain = random.standard_normal((SIDE, SIDE), dtype=np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), random.uniform(0.5, 1.2))
    grain /= grain.std()
    chalk = ink * np.clip(random.uniform(0.8, 1.3) + random.uniform(0.1, 0.45) * grain, 0.0, 1.0)
    dust = np.clip(_field(6, random.uniform(0, 0.12), random), 0.0, 0.3)
    board = random.uniform(0.08, 0.35)
    return _lit(board + (random.uniform(0.75, 1.0) - board) * np.maximum(chalk, dust), random, most=0.4)


def _photograph(darkness: Pixels, random: Random, most: float = 0.75) -> Pixels:
    """On paper, photographed in uneven light."""
    paper, contrast = random.uniform(0.7, 1.0), random.uniform(0.45, 0.95)
    texture = _field(20, random.uniform(0, 0.03), random)
    return _lit(paper * (1 - contrast * darkness) + texture, random, most=most)


def _lit(picture: Pixels, random: Random, most: float) -> Pixels:
    """Photographs a picture, 0 to 1: uneven light, lost by a share of at most `most`, blur, and the sensor's noise."""
    angle, loss = random.uniform(0, 2 * np.pi), random.uniform(0, most)
    x, y, _ = _grid().reshape(3, SIDE, SIDE) / SIDE
    ramp = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5) + random.uniform(-0.5, 0.5) * (x - 0.5) * (y - 0.5)
    ramp = (ramp - ramp.min()) / np.ptp(ramp)
    light = 1 - loss * ramp
    if random.random() < 0.15:  # the edge of a shadow
        light = light * np.where(ramp > random.uniform(0.3, 0.7), random.uniform(0.6, 0.9), 1.0)
    photograph = (picture * light).astype(np.float32)
    if random.random() < 0.5:
        photograph = cv2.GaussianBlur(photograph, (0, 0), random.uniform(0.4, 1.6))
    noise = random.standard_normal((SIDE, SIDE), dtype=np.float32) * np.float32(random.uniform(0.0, 0.06))
    return np.asarray(photograph + noise)


_SCENES: tuple[Callable[[Pixels, Random], Any], ...] = (_photograph, _on_ruled, _on_board)
