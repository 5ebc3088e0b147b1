"""Pictures of images: thumbnails, attribution maps, explanations, sheets of pairs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from shared.reporting.figures.canvas import ACCENT, INK, MUTED, data_address, png

THUMBNAIL = 96
"""Longest side of a thumbnail in pixels: twice its size on a page, for fine screens."""
OUTLINE = (76, 195, 138)
"""Colour of the outline of a mask, red, green and blue of 0 to 255."""


def thumbnail(image: NDArray[np.float32], side: int = THUMBNAIL) -> str:
    """Makes a small grey picture of an image.

    Args:
        image: float32 [size, size]; values are cut to 0 to 1.
        side: Longest side of the picture in pixels; an image that is smaller keeps its size.

    Returns:
        A PNG as a data address for HTML (`data:image/png;base64,...`).
    """
    picture = PillowImage.fromarray(_bytes(image))
    picture.thumbnail((side, side))
    return _address_of(picture)


def outlined(image: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> str:
    """Makes a picture of an image, with the mask of a finding outlined in green.

    Args:
        image: float32 [size, size]; values are cut to 0 to 1.
        mask: bool [size, size]; None: it has none.

    Returns:
        A PNG as a data address for HTML (`data:image/png;base64,...`).
    """
    if mask is None or not mask.any():
        return _address_of(PillowImage.fromarray(_bytes(image)))
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    coloured = np.repeat(_bytes(image)[..., np.newaxis], 3, axis=2)
    coloured[mask & ~inside] = OUTLINE
    return _address_of(PillowImage.fromarray(coloured))


def overlaid(image: NDArray[np.float32], attribution: NDArray[np.float32]) -> str:
    """Makes a picture of an image under its attribution: red raises the score of the class, blue lowers it.

    Args:
        image: float32 [size, size]; values are cut to 0 to 1.
        attribution: float32 [size, size], signed; the 99.5th percentile of its size has the full colour.

    Returns:
        A PNG as a data address for HTML (`data:image/png;base64,...`).
    """
    scaled = np.clip(attribution / (float(np.percentile(np.abs(attribution), 99.5)) or 1.0), -1.0, 1.0)
    strength = np.abs(scaled)[..., np.newaxis]
    colours = np.stack([1.0 + np.minimum(scaled, 0.0), 1.0 - np.abs(scaled), 1.0 - np.maximum(scaled, 0.0)], axis=2)
    mixed = (1.0 - strength) * np.clip(image, 0.0, 1.0)[..., np.newaxis] + strength * colours
    return _address_of(PillowImage.fromarray(_bytes(mixed)))


def _bytes(image: NDArray[Any]) -> NDArray[np.uint8]:
    return np.round(np.clip(image, 0.0, 1.0) * 255).astype(np.uint8)


def _address_of(picture: PillowImage.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return data_address(stream.getvalue())


def explanation_picture(
    image: NDArray[np.float32],
    attribution: NDArray[np.float32],
    title: str,
    curves: Mapping[str, Sequence[float]] | None,
    warning: str | None,
) -> bytes:
    """Draws an image, its attribution over it with a colour bar, and the curves of its checks if any.

    Args:
        image: float32 [size, size] in 0..1.
        attribution: float32 [size, size], signed; red pixels raise the score of the class, blue pixels lower it.
        title: One or two lines above the picture.
        curves: The score at each step, as `Verdict.curves`, or None.
        warning: Written under the title in the colour of warnings, or None.

    Returns:
        The bytes of a PNG file.
    """
    import matplotlib.pyplot as plt

    panels = 2 if curves is None else 3
    figure, axes = plt.subplots(1, panels, figsize=(3.3 * panels, 3.9), layout="constrained")
    axes[0].imshow(image, cmap="gray", vmin=0, vmax=1)
    axes[0].set_title("as the network sees it", fontsize=8, color=INK)
    limit = float(np.percentile(np.abs(attribution), 99.5)) or float(np.abs(attribution).max()) or 1.0
    axes[1].imshow(image, cmap="gray", vmin=0, vmax=1)
    scaled = np.clip(attribution / limit, -1, 1)
    shown = axes[1].imshow(scaled, cmap="bwr", vmin=-1, vmax=1, alpha=np.abs(scaled))
    axes[1].set_title("attribution", fontsize=8, color=INK)
    bar = figure.colorbar(plt.cm.ScalarMappable(shown.norm, "bwr"), ax=axes[1], shrink=0.7, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["against", "0", "for"], fontsize=7)
    for place in axes[:2]:
        place.set_axis_off()
    if curves is not None:
        _check_curves(axes[2], curves)
    figure.suptitle(
        title if warning is None else f"{title}\n{warning}", fontsize=9, color=INK if warning is None else ACCENT
    )
    return png(figure)


def _check_curves(axes: Any, curves: Mapping[str, Sequence[float]]) -> None:
    for name, values in curves.items():
        random = name.startswith("random")
        axes.plot(
            np.linspace(0, 1, len(values)),
            values,
            color=MUTED if random else ACCENT if name == "deletion" else INK,
            linestyle=("--" if name.endswith("deletion") else ":") if random else "-",
            linewidth=1.0 if random else 1.6,
            label=name,
        )
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("share painted over or uncovered", fontsize=8)
    axes.set_title("probability of the class", fontsize=8, color=INK)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=7)


def pair_sheet(pictures: NDArray[np.float32], titles: Sequence[Sequence[str]]) -> bytes:
    """Draws pairs of pictures side by side, three pairs a row, with the number of each pair, from 1, before it.

    Args:
        pictures: float32 [N, 2, side, side] in 0..1, at least one pair.
        titles: [N][2] title of each picture.

    Returns:
        The bytes of a PNG file.
    """
    import matplotlib.pyplot as plt

    across = 3
    down = -(-len(pictures) // across)
    figure, axes = plt.subplots(
        down, 2 * across, figsize=(2 * across * 1.5, down * 1.85), squeeze=False, layout="constrained"
    )
    for place in axes.ravel():
        place.set_axis_off()
    for number, (pair, words) in enumerate(zip(pictures, titles, strict=True)):
        row, column = divmod(number, across)
        for side in range(2):
            place = axes[row, 2 * column + side]
            place.imshow(pair[side], cmap="gray", vmin=0, vmax=1)
            place.set_title(words[side], fontsize=6, color=INK)
        # beside the picture, so that it hides nothing of it
        first = axes[row, 2 * column]
        first.text(-0.04, 1.0, str(number + 1), transform=first.transAxes, ha="right", va="top", fontweight="bold")
    return png(figure)
