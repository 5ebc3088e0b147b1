"""Sheets of images: thumbnails, misses, attribution maps, pairs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.reporting.figures.canvas import ACCENT, INK, MUTED, _data_address, _png, address

THUMBNAIL = 96
"""Longest side of a thumbnail in pixels: twice its size on a page, for fine screens."""


def thumbnail(image: NDArray[np.float32]) -> str:
    """Makes a small grey picture of an image.

    Args:
        image: float32 [size, size]; values are cut to 0 to 1.

    Returns:
        A PNG of at most 96 pixels a side, as a data address for HTML (`data:image/png;base64,...`).
    """
    from PIL import Image

    picture = Image.fromarray(np.round(np.clip(image, 0.0, 1.0) * 255).astype(np.uint8))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return _data_address(stream.getvalue())


def miss_sheet(
    misses: NDArray[np.float32],
    neighbours: NDArray[np.float32],
    titles: Sequence[str],
    captions: Sequence[Sequence[str]],
) -> str:
    """Draws each missed image with the training images of the nearest features to its right.

    Args:
        misses: float32 [N, size, size] in 0..1, at least one.
        neighbours: float32 [N, K, size, size] in 0..1.
        titles: A title for each miss.
        captions: The class of each neighbour, [N][K].

    Returns:
        A PNG as a data address for HTML (`data:image/png;base64,...`).
    """
    import matplotlib.pyplot as plt

    count, nearest = neighbours.shape[:2]
    figure, rows = plt.subplots(
        count, nearest + 1, figsize=(1.5 * (nearest + 1), 1.75 * count), squeeze=False, layout="constrained"
    )
    for row, (miss, around) in enumerate(zip(misses, neighbours, strict=True)):
        for column, (image, title) in enumerate(zip([miss, *around], [titles[row], *captions[row]], strict=True)):
            rows[row, column].imshow(image, cmap="gray", vmin=0, vmax=1)
            rows[row, column].set_title(title, fontsize=7, color=ACCENT if column == 0 else INK)
            rows[row, column].set_axis_off()
    return address(figure)


def attribution_sheet(
    images: NDArray[np.float32],
    maps: NDArray[np.float32],
    masks: Sequence[NDArray[np.bool_] | None],
    titles: Sequence[str],
) -> str:
    """Draws images above their attribution maps, with the masks of findings outlined where they exist.

    Args:
        images: float32 [N, size, size] in 0..1, at least one.
        maps: float32 [N, size, size], signed; red pixels raise the score of the class, blue pixels lower it.
        masks: For each image bool [size, size], or None where it has no mask.
        titles: A short title for each image.

    Returns:
        A PNG as a data address for HTML (`data:image/png;base64,...`).
    """
    import matplotlib.pyplot as plt

    figure, rows = plt.subplots(2, len(images), figsize=(1.7 * len(images), 3.7), squeeze=False, layout="constrained")
    shown = None
    for column, (image, attribution, mask) in enumerate(zip(images, maps, masks, strict=True)):
        limit = float(np.percentile(np.abs(attribution), 99.5)) or 1.0
        rows[0, column].imshow(image, cmap="gray", vmin=0, vmax=1)
        rows[1, column].imshow(image, cmap="gray", vmin=0, vmax=1)
        alpha = np.clip(np.abs(attribution) / limit, 0, 1)
        shown = rows[1, column].imshow(attribution / limit, cmap="bwr", vmin=-1, vmax=1, alpha=alpha)
        if mask is not None and mask.any():
            rows[0, column].contour(mask, levels=[0.5], colors="#4cc38a", linewidths=0.8)
        rows[0, column].set_title(titles[column], fontsize=7, color=INK)
    for axes in rows.ravel():
        axes.set_axis_off()
    figure.colorbar(shown, ax=rows[1, :].tolist(), shrink=0.8, label="for / against")
    return address(figure)


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
    return _png(figure)


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
    """Draws pairs of pictures side by side, three pairs a row.

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
    return _png(figure)
