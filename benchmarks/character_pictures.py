"""Turns characters of DHCD into pictures as people send them: ruled and squared paper, a blackboard, a photograph.

The code is apart from `handwriting.scenes`, by which training images are varied: sizes, light, ruling and grain are
drawn otherwise, at the resolution of a cut-out photograph, and the picture is stored as a file.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Ink = NDArray[np.float64]
"""[rows, columns], 0 (paper) to 1 (ink)."""
Random = np.random.Generator

HEIGHT = (70, 160)
"""Height of the character in pixels."""
WIDER = (0.7, 1.1)
"""Its width over its height; DHCD stretches characters to squares."""
AROUND = (0.12, 0.6)
"""Paper on each side, in heights of the character."""


def picture(image: NDArray[np.float32], kind: str, random: Random) -> bytes:
    """Makes the picture of a character.

    Args:
        image: float32 [32, 32], 0 (paper) to 1 (ink), as in DHCD.
        kind: One of `KINDS`.
        random: Draws all that differs between pictures.

    Returns:
        The bytes of a PNG, of a photograph those of a JPEG.
    """
    ink = _enlarged(image, random)
    grey, form = KINDS[kind](ink, random)
    stream = io.BytesIO()
    options = {"quality": int(random.integers(60, 92))} if form == "JPEG" else {}
    Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8)).save(stream, form, **options)
    return stream.getvalue()


def _enlarged(image: NDArray[np.float32], random: Random) -> Ink:
    """Enlarges a character with clear edges and lays it on paper."""
    height = random.uniform(*HEIGHT)
    zoom = height / 28, height / 28 * random.uniform(*WIDER)
    large = ndimage.zoom(image.astype(np.float64), zoom, order=3, grid_mode=True, mode="grid-constant")
    edge = random.uniform(3, 6)
    large = 1 / (1 + np.exp(-edge * 2 * (large - random.uniform(0.4, 0.5))))
    large -= large.min()
    around = [(round(height * random.uniform(*AROUND)), round(height * random.uniform(*AROUND))) for _ in range(2)]
    return np.pad(large / large.max(), around)


def _ruled(ink: Ink, random: Random) -> tuple[Ink, str]:
    ruling = _lines(ink.shape, random.uniform(0.35, 0.9) * HEIGHT[1], random)
    return _printed(ink, ruling, random), "PNG"


def _squared(ink: Ink, random: Random) -> tuple[Ink, str]:
    pitch = random.uniform(0.15, 0.35) * HEIGHT[1]
    ruling = np.maximum(_lines(ink.shape, pitch, random), _lines(ink.shape[::-1], pitch, random).T)
    return _printed(ink, ruling, random), "PNG"


def _lines(shape: tuple[int, ...], pitch: float, random: Random) -> Ink:
    """Lines across the picture, turned by up to 2 degrees."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    phase = (rows + np.tan(np.radians(random.uniform(-2, 2))) * columns + random.uniform(0, pitch)) % pitch
    return np.clip(random.uniform(0.6, 1.6) - np.abs(phase - pitch / 2), 0, 1)


def _printed(ink: Ink, ruling: Ink, random: Random) -> Ink:
    """Writes over ruling that is fainter than ink, and scans the paper."""
    dark = random.uniform(0.55, 0.9)
    level = np.maximum(dark * ink, dark * random.uniform(0.15, 0.45) * ruling)
    return random.uniform(225, 255) * (1 - level) + random.normal(0, random.uniform(0, 4), ink.shape)


def _chalk(ink: Ink, random: Random) -> tuple[Ink, str]:
    grain = ndimage.gaussian_filter(random.normal(size=ink.shape), random.uniform(0.6, 1.5))
    stroke = ink * np.clip(0.9 + random.uniform(0.15, 0.4) * grain / grain.std(), 0, 1)
    smear = ndimage.gaussian_filter(random.normal(size=ink.shape), (4, 30))
    board = random.uniform(35, 80) + random.uniform(0, 8) * smear / smear.std()
    grey = board + (random.uniform(170, 235) - board) * stroke
    grey = ndimage.gaussian_filter(grey, random.uniform(0.3, 1.2))
    grey = grey * _light(ink.shape, random.uniform(0, 0.3), random)
    return grey + random.normal(0, random.uniform(1, 6), ink.shape), "PNG"


def _photograph(ink: Ink, random: Random) -> tuple[Ink, str]:
    seen = _from_the_side(ink, random)
    texture = ndimage.gaussian_filter(random.normal(size=seen.shape), 3)
    paper = random.uniform(190, 240) + random.uniform(0, 3) * texture / texture.std()
    grey = paper * (1 - random.uniform(0.5, 0.85) * seen) * _light(seen.shape, random.uniform(0.2, 0.65), random)
    grey = ndimage.gaussian_filter(grey, random.uniform(0.5, 2.2))
    return grey + random.normal(0, random.uniform(2, 9), grey.shape), "JPEG"


def _from_the_side(ink: Ink, random: Random) -> Ink:
    """Turns the paper, and moves its corners by up to a tenth of its sides."""
    turned = ndimage.rotate(ink, random.uniform(-8, 8), order=1)
    rows, columns = turned.shape
    image = Image.fromarray((turned * 255).astype(np.uint8))
    corners = [(0, 0), (0, rows), (columns, rows), (columns, 0)]
    moved = [
        value + random.uniform(-0.1, 0.1) * side
        for corner in corners
        for value, side in zip(corner, (columns, rows), strict=True)
    ]
    seen = image.transform(image.size, Image.Transform.QUAD, moved, Image.Resampling.BICUBIC)
    return np.asarray(seen, dtype=np.float64) / 255


def _light(shape: tuple[int, ...], loss: float, random: Random) -> Ink:
    """Light from one side that falls off, 1 at its brightest."""
    angle = random.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    ramp = np.cos(angle) * columns + np.sin(angle) * rows
    ramp = (ramp - ramp.min()) / np.ptp(ramp)
    return 1 - loss * ramp ** random.uniform(0.7, 1.5)


KINDS: MappingProxyType[str, Callable[[Ink, Random], tuple[Ink, str]]] = MappingProxyType(
    {"ruled": _ruled, "squared": _squared, "chalk": _chalk, "photograph": _photograph}
)
