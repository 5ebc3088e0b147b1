"""Agreement of attributions with masks of findings: the pointing game, and the share of attribution inside the mask.

It measures how often a map points at what a person outlined. The map is still no localisation: the network was not
trained on masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from shared.evaluation.statistics.intervals import bootstrap, wilson
from shared.explanation.attribution import attribute, methods_for
from shared.models.network import Network
from shared.progress import Progress

TOLERANCE = 15 / 224
"""Distance to the mask, as a fraction of the side, within which a point counts as a hit. Source: 15 pixels in
Zhang et al., arXiv 1608.00507, section 4."""


def point(attribution: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[bool, float]:
    """Compares one attribution map with one mask of a finding.

    Args:
        attribution: float32 [size, size], signed.
        mask: bool [size, size], not empty.

    Returns:
        Whether the highest attribution lies in the mask or within the tolerance (`TOLERANCE` of the side), and the
        share, 0 to 1, of the positive attribution inside the mask. A map without positive attribution is no hit and has
        a share of 0.
    """
    positive = np.clip(attribution, 0.0, None).astype(np.float64)
    total = positive.sum()
    if not total > 0:
        return False, 0.0
    # an enlarged map has its maximum on a plateau: it points at the middle of it
    row, column = np.argwhere(positive == positive.max()).mean(axis=0).round().astype(int)
    return bool(_widened(mask)[row, column]), float(positive[mask].sum() / total)


def agreement(
    network: Network,
    images: Sequence[NDArray[np.float32]],
    masks: Sequence[NDArray[np.bool_]],
    targets: Sequence[int],
    device: torch.device,
    progress: Progress,
) -> dict[str, Any]:
    """Compares the maps of every method that is defined for a network with masks.

    Args:
        network: The network to explain.
        images: float32 [channels, size, size] each, at least one, independent of each other.
        masks: bool [size, size] each, none of them empty.
        targets: Number of the true class of each image.
        device: Device to compute on.
        progress: Called with (what, done, total, note).

    Returns:
        Plain data: `images`, their number; `methods`, for each the measures `pointing` (rate of highest attributions in
        the mask or within the tolerance; Wilson's interval) and `share` (mean share of the positive attribution inside
        the mask; bootstrap over images), each with `value`, `low` and `high`, without bounds where there is no
        interval; `chance`, `pointing` and `share` as numbers, for random points and even maps over all pixels that are
        not black.
    """
    found: dict[str, list[tuple[bool, float]]] = {method: [] for method in methods_for(network)}
    for done, (image, mask, target) in enumerate(zip(images, masks, targets, strict=True), start=1):
        for method, rows in found.items():
            rows.append(point(attribute(network, image[None], np.array([target]), device, method)[0], mask))
        progress("attributions against masks", done, len(images), "")
    chance = np.mean([_chance(image, mask) for image, mask in zip(images, masks, strict=True)], axis=0)
    return {
        "images": len(images),
        "methods": {method: _measures(rows) for method, rows in found.items()},
        "chance": dict(zip(("pointing", "share"), chance.tolist(), strict=True)),
    }


def _measures(rows: Sequence[tuple[bool, float]]) -> dict[str, dict[str, float]]:
    hits, shares = sum(hit for hit, _ in rows), np.array([share for _, share in rows])
    interval = bootstrap(range(len(rows)), lambda times: times @ shares / times.sum(axis=1))
    return {
        "pointing": _measure(hits / len(rows), wilson(hits, len(rows))),
        "share": _measure(float(shares.mean()), interval),
    }


def _measure(value: float, interval: tuple[float, float] | None) -> dict[str, float]:
    return {"value": value} if interval is None else {"value": value, "low": interval[0], "high": interval[1]}


def _chance(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[float, float]:
    seen = (image.mean(axis=0) > 0) | mask
    return float((_widened(mask) & seen).sum() / seen.sum()), float(mask.sum() / seen.sum())


def _widened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    radius = round(TOLERANCE * mask.shape[0])
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(binary_dilation(mask, structure=rows**2 + columns**2 <= radius**2))
