"""The picture of one judged slice: the slice, a second panel with the attribution over it, and bands of text.

Text stands above and below the slice, never on it, and grows with the width of the picture: it is as legible on a slice
of 64 pixels as on one of 1024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

MIN_PANEL = 512
"""Fewest pixels of the longer side of a panel; smaller slices are enlarged."""
MIN_WIDTH = 512
"""Fewest pixels of the width of the whole picture, so that all text has room however narrow the slice is."""
GAP = 16
"""Pixels between panels, and between text and the edge."""
WARNING_SIZES, HEADLINE_SIZES, DETAIL_SIZES = 22, 18, 34
"""Font sizes that fit into the width of the picture: for the warning, the first line below, and the other lines."""
LINE_HEIGHT = 1.35
"""Height of a line in font sizes."""
WINDOW_PERCENTILES = (0.5, 99.7)
"""Percentiles of the slice that are shown as black and as white."""
STRONGEST_ALPHA = 0.85
"""Opacity of the strongest attribution; the anatomy stays visible under it."""
BLUR = 0.01
"""Standard deviation of the smoothing of maps, as a share of their width: they vary from pixel to pixel more than an
eye can follow. For show only."""
DIMMED = 0.7
"""Brightness of the slice below an overlay, so that colour shows on white."""
FOR_RGB, AGAINST_RGB = (255, 140, 0), (86, 180, 233)
"""Orange and sky blue, which differ for any colour vision. Source: Okabe & Ito, Color Universal Design, 2008."""
BAND_RGB, ALARM_RGB, TEXT_RGB = (24, 24, 24), (176, 0, 32), (235, 235, 235)

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class Overlay:
    """An attribution that is drawn over a slice.

    Attributes:
        values: float32 [rows, columns] on the grid of the slice; positive speaks for the class, negative against it.
        full: The magnitude that is shown at full opacity; above zero.
    """

    values: NDArray[np.float32]
    full: float


def draw_slice(pixels: NDArray[np.float32], warning: str, lines: Sequence[str], overlay: Overlay | None = None) -> Rgb:
    """Draws the picture of one slice: warning above, panels side by side, lines of text below.

    Args:
        pixels: The slice with square pixels, float32 [rows, columns], in any unit.
        warning: Text above the panels, in large letters.
        lines: Lines below the panels, the first one larger.
        overlay: Attribution over the slice in a second panel; None draws the plain slice alone.

    Returns:
        RGB, uint8 [height, width, 3].
    """
    size = _panel_size(pixels.shape)
    plain = _windowed(pixels, size)
    panels = [plain] if overlay is None else [plain, _overlaid(plain, overlay, size)]
    taken = len(panels) * size[0] + (len(panels) - 1) * GAP
    width = max(taken, MIN_WIDTH)
    body = Image.new("RGB", (width, size[1]))
    for index, panel in enumerate(panels):
        body.paste(panel, ((width - taken) // 2 + index * (size[0] + GAP), 0))
    bands = [_band(warning, width, ALARM_RGB, width // WARNING_SIZES), body]
    if overlay is not None:
        bands.append(_colour_bar(width))
    for index, line in enumerate(lines):
        bands.append(_band(line, width, BAND_RGB, width // (DETAIL_SIZES if index else HEADLINE_SIZES)))
    picture = Image.new("RGB", (width, sum(band.height for band in bands)))
    top = 0
    for band in bands:
        picture.paste(band, (0, top))
        top += band.height
    return np.asarray(picture)


def smoothed(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smooths an attribution map, so that an `Overlay` does not show single pixels.

    Args:
        values: float32 [rows, columns].

    Returns:
        float32 [rows, columns], in the unit of `values`.
    """
    return np.asarray(ndimage.gaussian_filter(values, BLUR * values.shape[1]))


def _panel_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height of a panel in pixels."""
    height, width = shape
    factor = max(1.0, MIN_PANEL / max(height, width))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _windowed(pixels: NDArray[np.float32], size: tuple[int, int]) -> Image.Image:
    low, high = np.percentile(pixels, WINDOW_PERCENTILES)
    grey = np.clip((pixels - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1) * 255
    return Image.fromarray(grey.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC).convert("RGB")


def _overlaid(plain: Image.Image, overlay: Overlay, size: tuple[int, int]) -> Image.Image:
    resized = Image.fromarray(overlay.values).resize(size, Image.Resampling.BILINEAR)
    strength = np.asarray(resized, dtype=np.float32) / overlay.full
    return Image.fromarray(_blend(DIMMED * np.asarray(plain, dtype=np.float32), strength))


def _blend(picture: NDArray[np.float32], strength: NDArray[np.float32]) -> Rgb:
    """Colours `picture`, [rows, columns, 3], by `strength`, [rows, columns], clipped to -1 to 1."""
    speaks_for = strength[..., np.newaxis] > 0
    colour = np.where(speaks_for, np.array(FOR_RGB, np.float32), np.array(AGAINST_RGB, np.float32))
    alpha = STRONGEST_ALPHA * np.clip(np.abs(strength), 0, 1)[..., np.newaxis]
    return np.asarray(picture * (1 - alpha) + colour * alpha).round().astype(np.uint8)


def _band(text: str, width: int, background: tuple[int, int, int], size: int) -> Image.Image:
    """A band of text over the whole width, in several lines where one is not enough."""
    font = _font(size)
    lines = _wrapped(text, font, width - 2 * GAP)
    step = round(font.size * LINE_HEIGHT)
    band = Image.new("RGB", (width, step * len(lines)), background)
    pen = ImageDraw.Draw(band)
    for index, line in enumerate(lines):
        pen.text((GAP, step * index + step // 2), line, font=font, fill=TEXT_RGB, anchor="lm")
    return band


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Lines of whole words, at most `width` pixels wide; a wider word is cut."""
    lines: list[str] = []
    for word in text.split():
        while len(word) > 1 and font.getlength(word) > width:
            word = word[:-2] + "…"
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # with a size, Pillow's default font is the one of outlines that it brings along
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))


def _colour_bar(width: int) -> Image.Image:
    """The colour scale of the overlay, with the meaning of its ends."""
    font = _font(width // DETAIL_SIZES)
    height = round(font.size * LINE_HEIGHT)
    ramp = np.tile(np.linspace(-1, 1, width // 3, dtype=np.float32), (height // 2, 1))
    grey = np.full((*ramp.shape, 3), 40, dtype=np.float32)
    bar = Image.new("RGB", (width, height), BAND_RGB)
    bar.paste(Image.fromarray(_blend(grey, ramp)), (width // 3, height // 4))
    pen = ImageDraw.Draw(bar)
    pen.text((width // 3 - GAP, height // 2), "against", font=font, fill=TEXT_RGB, anchor="rm")
    pen.text((2 * (width // 3) + GAP, height // 2), "for", font=font, fill=TEXT_RGB, anchor="lm")
    return bar
