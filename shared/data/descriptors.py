"""The descriptor of an image: the small picture by which copies of it are recognised."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

Descriptors = NDArray[np.uint8]
"""uint8 [N, `CopyRule.width`], one row an image."""
Pictures = NDArray[np.float32]

THUMBNAIL = 32
"""Side of the thumbnails whose correlation tells a rescaled or recompressed copy."""
PICTURE = 48
"""Side of the picture that an altered copy is confirmed on. At 32 pixels a picture that is shifted by a part of a pixel
resembles its original no more than the next slice does. Source: docs/lab-log.md, "Altered copies"."""
KEY = 12
"""Side of a search key, which holds the coarse shapes."""
FLAT_SPREAD = 1e-6
"""Spread of a thumbnail, as a share of its values, up to which it is rounding of float32 and shows nothing."""
KEY_SIGMA, KEY_FLOOR = 0.12, 0.2
"""Radius of the local normalisation of search keys, as a share of the side, and its `floor`."""
CONTENT = 0.12
"""Share of the 98th percentile of the grey values above which a pixel belongs to the content."""
DARK = 6.0
"""Grey level, of 255, up to which a pixel is dark whatever the others are."""
CONTENT_PIXELS = 3
"""Pixels of content that make a row or column part of the content box; fewer are noise or letters."""


@dataclass(frozen=True)
class CopyRule:
    """The alterations that leave a picture the same, as the application states them.

    Attributes:
        mirrored: Whether an image and its mirror image are the same picture.
        altered: Whether copies with another contrast or frame are searched for; the images must hold enough detail.
        exact: Whether only equal values are a copy: vectors have no shape that a small picture could keep.
    """

    mirrored: bool
    altered: bool
    exact: bool = False

    @property
    def width(self) -> int:
        """Number of bytes of a descriptor."""
        return PICTURE**2 + 2 * KEY**2 if self.altered else THUMBNAIL**2


def describe(pixels: NDArray[np.generic], rule: CopyRule, *, keys: bool = True) -> NDArray[np.uint8]:
    """Makes the descriptor of an image: the image reduced to 32 x 32 or 48 x 48 pixels in 256 grey levels.

    It shows the outlines of a slice and its large findings, as a thumbnail does, and must be kept like the images. It
    has no name, date or place. Where altered copies are searched for, the keys of that search follow.

    Args:
        pixels: Raw pixels as the application reads them, finite numbers [rows, columns] or [rows, columns, 3].
        rule: The rule of the application.
        keys: Whether the search keys are made, most of the work; else their place is 0, as only a digest needs it.

    Returns:
        uint8 [`rule.width`]; all 0 where nothing is left of the image when it is reduced. Where only equal values are a
        copy it is noise drawn from their hash, in which any two others are unlike.
    """
    if rule.exact:
        digest = hashlib.shake_256(np.ascontiguousarray(pixels, dtype=np.float32).tobytes())
        return np.frombuffer(digest.digest(rule.width), dtype=np.uint8)
    grey = np.ascontiguousarray(grey_of(pixels), dtype=np.float32)
    side = PICTURE if rule.altered else THUMBNAIL
    small = np.asarray(PillowImage.fromarray(grey).resize((side, side), PillowImage.Resampling.BOX), dtype=np.float32)
    low, spread = float(small.min()), float(np.ptp(small))
    if spread <= FLAT_SPREAD * float(np.abs(small).max()):
        # a pattern finer than the thumbnail: stretched to 256 levels, all rounding would look alike
        return np.zeros(rule.width, dtype=np.uint8)
    picture = np.rint((small - low) * (255.0 / spread)).astype(np.uint8)
    if not rule.altered:
        return picture.ravel()
    if not keys:
        return np.concatenate([picture.ravel(), np.zeros(2 * KEY**2, dtype=np.uint8)])
    whole = picture.astype(np.float32)
    return np.concatenate([picture.ravel(), *(_stored(key) for key in (whole_key(whole), content_key(whole)))])


def grey_of(pixels: NDArray[np.generic]) -> NDArray[Any]:
    """Averages the colours of an image; the numbers are those of NumPy's `mean`, which takes ten times as long.

    Args:
        pixels: [rows, columns], returned as they are, or [rows, columns, 3].

    Returns:
        [rows, columns]; float64 of whole numbers, else the type of the pixels.
    """
    if pixels.ndim == 2:
        return pixels
    kind = pixels.dtype if np.issubdtype(pixels.dtype, np.floating) else np.float64
    red, green, blue = (pixels[..., channel].astype(kind, copy=False) for channel in range(3))
    return (red + green + blue) / 3


def pictures(descriptors: Descriptors) -> Pictures:
    """Reads the pictures of descriptors, float32 [N, side, side], 0 to 255; the side is 48 or 32 pixels."""
    side = THUMBNAIL if descriptors.shape[1] == THUMBNAIL**2 else PICTURE
    return descriptors[:, : side**2].reshape(-1, side, side).astype(np.float32)


def thumbnails(descriptors: Descriptors) -> Pictures:
    """Makes thumbnails with mean 0 and norm 1, so that a dot product is a correlation; all 0 where one is flat.

    Args:
        descriptors: uint8 [N, width].

    Returns:
        float32 [N, 32, 32].
    """
    small = pictures(descriptors)
    if small.shape[1] != THUMBNAIL:
        small = np.asarray(_REDUCED @ small @ _REDUCED.T, dtype=np.float32)
    return _standardised(small)


def standardised(descriptors: Descriptors) -> Pictures:
    """Makes the pictures of descriptors with mean 0 and norm 1, float32 [N, side, side]; all 0 where one is flat."""
    return _standardised(pictures(descriptors))


def _standardised(small: Pictures) -> Pictures:
    centred = small - small.mean(axis=(1, 2), keepdims=True)
    norms = np.linalg.norm(centred, axis=(1, 2), keepdims=True)
    return np.asarray(centred / np.maximum(norms, np.float32(1e-6)), dtype=np.float32)


def search_keys(descriptors: Descriptors) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Reads the search keys of descriptors: those of the whole picture and of its content.

    Args:
        descriptors: uint8 [N, width], of a rule with altered copies.

    Returns:
        Two arrays float32 [N, 144] of unit vectors.
    """
    keys = descriptors[:, PICTURE**2 :].astype(np.float32)
    keys -= 128.0
    whole, content = np.split(keys, 2, axis=1)
    return unit(whole), unit(content)


def whole_key(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Makes the search key of a picture: its coarse shapes without their contrast, float32 [144]."""
    return shrunk(normalised(picture, KEY_SIGMA, KEY_FLOOR))


def content_key(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Makes the search key of a picture's content, float32 [144], whatever the border around it."""
    top, bottom, left, right = content_box(picture)
    side = len(picture)
    rows, columns = (bottom - top) / side, (right - left) / side
    matrix = np.array([[columns, 0.0, left - 0.5 + columns / 2], [0.0, rows, top - 0.5 + rows / 2]], dtype=np.float32)
    return whole_key(sampled(picture, matrix))


def content_box(picture: NDArray[np.float32]) -> tuple[int, int, int, int]:
    """Finds the box around what is not dark: first row, row after the last, and columns likewise.

    A box of less than a quarter of the side is not believed: then it is the whole picture.
    """
    content = bright(cv2.GaussianBlur(picture, (0, 0), 0.7))
    rows, columns = (np.flatnonzero(content.sum(axis=axis) >= CONTENT_PIXELS) for axis in (1, 0))
    side = len(picture)
    if min(len(rows), len(columns)) < side // 4:
        return 0, side, 0, side
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def bright(picture: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tells which pixels of a picture, float32 [side, side] of 0 to 255, are not dark, bool [side, side]."""
    return np.asarray(picture > max(CONTENT * float(np.percentile(picture, 98)), DARK))


def normalised(picture: NDArray[np.float32], sigma: float, floor: float) -> NDArray[np.float32]:
    """Takes the local mean off a picture and divides by the local contrast, so that edges count and grey levels do not.

    Args:
        picture: float32 [side, side].
        sigma: Radius of the Gaussian that weights the neighbourhood, as a share of the side.
        floor: Contrast, as a share of the picture's standard deviation, below which an edge counts less and less.

    Returns:
        float32 [side, side].
    """
    radius = sigma * len(picture)
    scaled = picture / max(float(picture.std()), 1e-6)
    detail = scaled - smoothed(scaled, radius)
    return np.asarray(detail / np.sqrt(smoothed(detail * detail, radius) + floor * floor), dtype=np.float32)


def smoothed(picture: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Smooths a picture with a Gaussian of `radius` pixels; its border goes on outside."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), radius, borderType=cv2.BORDER_REPLICATE))


def sampled(picture: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples a picture at the places to which `matrix`, float32 [2, 3], sends the pixels (x, y) of the result."""
    side = len(picture)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def shrunk(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reduces a picture to 12 x 12 means and returns them as a unit vector, float32 [144]."""
    small = cv2.resize(picture, (KEY, KEY), interpolation=cv2.INTER_AREA).reshape(1, -1)
    return unit(small - small.mean())[0]


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scales the rows of [N, width] to length 1; rows of zeros stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-6))


def _stored(key: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A key in 255 levels around 128."""
    largest = max(float(np.abs(key).max()), 1e-6)
    return np.rint(128.0 + key * (127.0 / largest)).astype(np.uint8)


def _area_means(to: int, side: int) -> NDArray[np.float32]:
    """The matrix [to, side] that averages `side` pixels to `to`, each by the area that it covers."""
    edges = np.arange(to + 1) * (side / to)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(side)
    covered = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0.0, None)
    return np.asarray(covered / covered.sum(axis=1, keepdims=True), dtype=np.float32)


_REDUCED = _area_means(THUMBNAIL, PICTURE)
