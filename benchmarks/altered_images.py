"""Altered copies of real slices, by kind of alteration: what people do to a picture before they publish it again."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

Grey = NDArray[np.uint8]
Alteration = Callable[[Grey, np.random.Generator], NDArray[np.generic]]


def as_grey(pixels: NDArray[np.generic]) -> Grey:
    """Renders raw pixels as an 8-bit grey picture, as a viewer exports it: full range up to the 99.8th percentile.

    Args:
        pixels: Numbers [rows, columns] or [rows, columns, 3], any range.

    Returns:
        uint8 [rows, columns].
    """
    grey = pixels.astype(np.float32) if pixels.ndim == 2 else pixels.astype(np.float32).mean(axis=2)
    low, high = float(grey.min()), float(np.percentile(grey, 99.8))
    return _bytes((grey - low) * (255.0 / max(high - low, 1e-6)))


def _bytes(values: NDArray[np.generic]) -> Grey:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _resized(image: Grey, rows: int, columns: int) -> Grey:
    smaller = rows * columns < image.size
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return _bytes(cv2.resize(image, (max(columns, 16), max(rows, 16)), interpolation=how))


def mirrored(image: Grey, random: np.random.Generator) -> Grey:
    """Flips left to right."""
    return np.ascontiguousarray(image[:, ::-1])


def rescaled(image: Grey, random: np.random.Generator) -> Grey:
    """Rescales to 0.4 to 1.6 of the size, with sides that change by up to 5% against each other."""
    scale, aspect = random.uniform(0.4, 1.6), random.uniform(0.95, 1.05)
    return _resized(image, round(image.shape[0] * scale * aspect), round(image.shape[1] * scale / aspect))


def _jpeg(quality: int) -> Alteration:
    def alter(image: Grey, random: np.random.Generator) -> Grey:
        stream = io.BytesIO()
        PillowImage.fromarray(image).save(stream, "JPEG", quality=quality)
        return np.asarray(PillowImage.open(stream))

    return alter


def windowed(image: Grey, random: np.random.Generator) -> Grey:
    """Cuts the grey values below 0 to 15% and above 55 to 90% of the range, as a viewer's window does."""
    low, high = 255 * random.uniform(0, 0.15), 255 * random.uniform(0.55, 0.9)
    return _bytes((image - low) * (255.0 / (high - low)))


def gamma(image: Grey, random: np.random.Generator) -> Grey:
    """Raises the grey values, 0 to 1, to a power of 0.45 to 0.8 or 1.25 to 2.2."""
    power = random.uniform(1.25, 2.2)
    return _bytes(255.0 * (image / 255.0) ** (power if random.random() < 0.5 else 1 / power))


def equalised(image: Grey, random: np.random.Generator) -> Grey:
    """Equalises the histogram of the whole image."""
    return _bytes(cv2.equalizeHist(image))


def clahe(image: Grey, random: np.random.Generator) -> Grey:
    """Equalises histograms of 8 x 8 tiles with a clip limit of 2 to 4 (CLAHE)."""
    return _bytes(cv2.createCLAHE(random.uniform(2.0, 4.0), (8, 8)).apply(image))


def inverted(image: Grey, random: np.random.Generator) -> Grey:
    """Turns black into white."""
    return _bytes(255 - image.astype(np.float32))


def sharpened(image: Grey, random: np.random.Generator) -> Grey:
    """Unsharp masking with an amount of 0.5 to 2 and a radius of 0.4 to 1.2% of the longer side."""
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), max(image.shape) * random.uniform(0.004, 0.012))
    return _bytes(image + random.uniform(0.5, 2.0) * (image - smooth))


def blurred(image: Grey, random: np.random.Generator) -> Grey:
    """Smooths with a Gaussian of 0.3 to 1.2% of the longer side."""
    return _bytes(cv2.GaussianBlur(image.astype(np.float32), (0, 0), max(image.shape) * random.uniform(0.003, 0.012)))


def noisy(image: Grey, random: np.random.Generator) -> Grey:
    """Adds Gaussian noise of 3 to 12 of 255 grey levels."""
    return _bytes(image + random.normal(scale=random.uniform(3, 12), size=image.shape))


def shifted(image: Grey, random: np.random.Generator) -> Grey:
    """Moves the picture by 1 to 8% of each side; what comes in is black."""
    rows, columns = image.shape
    down, right = (random.uniform(0.01, 0.08) * random.choice([-1, 1]) * side for side in (rows, columns))
    matrix = np.array([[1.0, 0.0, right], [0.0, 1.0, down]], dtype=np.float32)
    return _bytes(cv2.warpAffine(image, matrix, (columns, rows)))


def cropped(image: Grey, random: np.random.Generator) -> Grey:
    """Cuts off 2 to 8% of the height and of the width, divided at random between the two ends."""
    rows, columns = image.shape
    cut = [random.uniform(0.02, 0.08) * side for side in (rows, columns)]
    top, left = (round(random.uniform(0, one)) for one in cut)
    return np.ascontiguousarray(image[top : top + rows - round(cut[0]), left : left + columns - round(cut[1])])


def cropped_to_content(image: Grey, random: np.random.Generator) -> Grey:
    """Cuts off the dark border around the head, to a margin of 0 to 3%."""
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), max(image.shape) * 0.01)
    rows, columns = (np.flatnonzero((smooth > 25).any(axis=axis)) for axis in (1, 0))
    if len(rows) < 16 or len(columns) < 16:
        return image
    margin = [round(random.uniform(0, 0.03) * side) for side in image.shape]
    return np.ascontiguousarray(
        image[
            max(rows[0] - margin[0], 0) : rows[-1] + margin[0] + 1,
            max(columns[0] - margin[1], 0) : columns[-1] + margin[1] + 1,
        ]
    )


def padded(image: Grey, random: np.random.Generator) -> Grey:
    """Adds a black border of 2 to 10% to each side."""
    top, bottom = (round(random.uniform(0.02, 0.1) * image.shape[0]) for _ in range(2))
    left, right = (round(random.uniform(0.02, 0.1) * image.shape[1]) for _ in range(2))
    return np.pad(image, ((top, bottom), (left, right)))


def padded_to_square(image: Grey, random: np.random.Generator) -> Grey:
    """Adds black to the shorter side until the picture is square, 224 x 224 pixels, as networks want it."""
    side = max(image.shape)
    before = [(side - one) // 2 for one in image.shape]
    square = np.pad(image, [(one, side - one - size) for one, size in zip(before, image.shape, strict=True)])
    return _resized(square, 224, 224)


def _turned(degrees: float) -> Alteration:
    def alter(image: Grey, random: np.random.Generator) -> Grey:
        rows, columns = image.shape
        matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), float(degrees * random.choice([-1, 1])), 1.0)
        return _bytes(cv2.warpAffine(image, matrix, (columns, rows)))

    return alter


def turned_90(image: Grey, random: np.random.Generator) -> Grey:
    """Turns by a quarter."""
    return np.ascontiguousarray(np.rot90(image))


def _one_after_another(*steps: Alteration) -> Alteration:
    def alter(image: Grey, random: np.random.Generator) -> Grey:
        for step in steps:
            image = _bytes(step(image, random))
        return image

    return alter


ALTERATIONS: Mapping[str, Alteration] = MappingProxyType(
    {
        "mirrored": mirrored,
        "rescaled": rescaled,
        "JPEG 90": _jpeg(90),
        "JPEG 60": _jpeg(60),
        "JPEG 30": _jpeg(30),
        "windowed": windowed,
        "gamma": gamma,
        "equalised": equalised,
        "CLAHE": clahe,
        "inverted": inverted,
        "sharpened": sharpened,
        "blurred": blurred,
        "noise": noisy,
        "shifted 1-8%": shifted,
        "cropped 2-8%": cropped,
        "cropped to the head": cropped_to_content,
        "padded 2-10% a side": padded,
        "padded to a square": padded_to_square,
        "mirrored, windowed": _one_after_another(mirrored, windowed),
        "gamma, JPEG 60": _one_after_another(gamma, _jpeg(60)),
        "rescaled, JPEG 60": _one_after_another(rescaled, _jpeg(60)),
        "shifted, gamma": _one_after_another(shifted, gamma),
        "cropped, windowed, JPEG 60": _one_after_another(cropped, windowed, _jpeg(60)),
        "padded, sharpened": _one_after_another(padded, sharpened),
        "turned by 2 degrees": _turned(2.0),
        "turned by 90 degrees": turned_90,
    }
)
"""One function for each kind, by its name. It takes uint8 [rows, columns] and a generator, and returns the same."""
