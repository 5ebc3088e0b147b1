"""Finds lines of text among the connected components of a deskewed page's ink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

SPECK = 0.08
"""Side, in text heights, of the largest spot that is dirt; the dot of ङ has at least 0.1."""
LARGE = 0.5
"""Text heights from which a component starts a line; lower ones (dots, dashes, broken headlines) join one."""
SAME_LINE = 0.5
"""Text heights by which the centres of neighbours in one line may differ."""
RECALLED = 3
"""Last members of a line with whose mean centre the next one is compared: a line may bend, but not jump."""
STRAY = 0.8
"""Text heights from a line beyond which a small component belongs to no line."""


@dataclass(frozen=True)
class Components:
    """The connected components of ink (8 neighbours).

    Attributes:
        labels: int32 [rows, columns], 0 for paper, else the index of a component.
        boxes: int [N + 1, 4], row0, column0, row1, column1 of each component; the first is the page itself.
        areas: int [N + 1], pixels of each component.
    """

    labels: Labels
    boxes: NDArray[np.int64]
    areas: NDArray[np.int64]

    @classmethod
    def from_mask(cls, mask: Mask) -> Components:
        """Finds the connected components of ink.

        Args:
            mask: bool [rows, columns], true for ink; without ink there are no components.
        """
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        left, top, width, height, area = stats.astype(np.int64).T
        return cls(labels, np.stack([top, left, top + height, left + width], axis=1), area)

    @property
    def heights(self) -> NDArray[np.int64]:
        """Number of rows of each component, int64 [N + 1]; the first is the page itself."""
        return self.boxes[:, 2] - self.boxes[:, 0]


def text_height(components: Components) -> float:
    """Computes the height of a typical character in rows: the median height of components, weighted by pixels of ink.

    Args:
        components: The components of a page.

    Returns:
        The height; 0.0 where there is no ink.
    """
    heights, areas = components.heights[1:], components.areas[1:]
    if len(heights) == 0:
        return 0.0
    order = np.argsort(heights)
    votes = np.cumsum(areas[order])
    return float(heights[order][np.searchsorted(votes, votes[-1] / 2)])


def without_specks(mask: Mask) -> Mask:
    """Removes dirt from a mask: components that are small for the height of the writing.

    Args:
        mask: bool [rows, columns], true for ink.

    Returns:
        bool [rows, columns], a new array.
    """
    components = Components.from_mask(mask)
    keep = components.areas >= (SPECK * text_height(components)) ** 2
    keep[0] = False
    return np.asarray(keep[components.labels])


def find_lines(components: Components) -> list[list[int]]:
    """Groups components into lines of text.

    From left to right, each large component joins the line whose last members are at its height, or starts a new one.
    So a line may bend, and its neighbours may reach into its rows.

    Args:
        components: The components of a deskewed page.

    Returns:
        Indices of the components of each line, from the topmost line down; small components far from any line are in
        none. Empty where there is no ink.
    """
    height = text_height(components)
    boxes = components.boxes
    centres = (boxes[:, 0] + boxes[:, 2]) / 2
    large = [one for one in range(1, len(boxes)) if components.heights[one] >= LARGE * height]
    lines: list[list[int]] = []
    for one in sorted(large, key=lambda index: int(boxes[index, 1])):
        near = [(abs(centres[one] - np.mean(centres[line[-RECALLED:]])), line) for line in lines]
        distance, line = min(near, key=lambda pair: pair[0], default=(np.inf, []))
        if distance <= SAME_LINE * height:
            line.append(one)
        else:
            lines.append([one])
    _join_small(components, lines, sorted(set(range(1, len(boxes))) - set(large)), height)
    return sorted(lines, key=lambda line: float(np.mean(centres[line])))


def _join_small(components: Components, lines: Sequence[list[int]], small: Sequence[int], height: float) -> None:
    boxes, grown = components.boxes, [list(line) for line in lines]
    for one in small:
        best = (
            min((_distance(boxes[one], boxes[line]), index) for index, line in enumerate(grown))
            if grown
            else (np.inf, 0)
        )
        if best[0] <= STRAY * height:
            lines[best[1]].append(one)


def _distance(box: NDArray[np.int64], others: NDArray[np.int64]) -> float:
    """Returns the distance between a box and the nearest of others, in pixels; 0: they touch."""
    rows = np.maximum(np.maximum(others[:, 0] - box[2], box[0] - others[:, 2]), 0)
    columns = np.maximum(np.maximum(others[:, 1] - box[3], box[1] - others[:, 3]), 0)
    return float(np.hypot(rows, columns).min())
