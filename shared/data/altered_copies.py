"""The search for altered copies: pictures with another contrast, sharpness or frame.

Each picture proposes the pictures whose coarse shapes are most like its own, in its frame, in other frames and by the
box of its content. A pair is confirmed when its pictures are alike in their fine edges once they are laid on each other
and given the same histogram: neighbouring slices of one head have the coarse shapes in common, and not those.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.data.descriptors import (
    KEY_FLOOR,
    KEY_SIGMA,
    PICTURE,
    Descriptors,
    bright,
    content_box,
    content_key,
    normalised,
    pictures,
    sampled,
    search_keys,
    shrunk,
    smoothed,
    unit,
)

Picture = NDArray[np.float32]
Matrix = NDArray[np.float32]
"""float32 [2, 3]: sends pixels (x, y) of one picture to another."""

ALTERED_CORRELATION = 0.9
"""Correlation of aligned edges from which two pictures are one. Source: docs/lab-log.md, "Altered copies"."""
LEAST_CONTENT = 0.15
"""Share of a picture that must not be dark: the ovals of slices through the vertex are alike in all people. At 0.1
there were 18 pairs of two people among 3,535 slices of hospitals.zip, at 0.15 none."""
PROPOSED = 3
"""Pictures that each way of searching proposes."""
LEAST_SHAPES = 0.6
"""Correlation of search keys below which nothing is proposed, and that of aligned shapes below which it is dropped."""
LEAST_ALIGNED = 0.8
SHIFTS, SCALES = (-0.05, 0.0, 0.05), (0.88, 1.0, 1.12)
"""Frames that are tried, as shares of the side; the alignment does the rest."""
SCALE_LIMIT, SHEAR_LIMIT = 2.0, 0.1
"""Largest change of size of one side, and of angle, in an alignment that is believed."""
LEAST_OVERLAP = 0.3
"""Share of a picture that must lie on the other."""
EDGE_SIGMA, EDGE_FLOOR = 0.03, 0.1
COARSE_STEPS, FINE_STEPS = 20, 15
"""Steps of the alignment by coarse shapes and by finer ones; more find no more copies."""


class AlteredPair(NamedTuple):
    """Two rows that are one picture, with the correlation of their aligned edges."""

    i: int
    j: int
    correlation: float


class _Proposal(NamedTuple):
    """A row that may be the same picture, and how the query must be turned and framed to resemble it."""

    j: int
    flip: bool
    inverted: bool
    matrix: Matrix | None  # None: by the boxes of the content


class AlteredSearch:
    """Finds altered copies among descriptors, or of new ones among them.

    Args:
        descriptors: uint8 [N, width], of a rule with altered copies.
        mirrored: Whether mirror images are copies.
    """

    def __init__(self, descriptors: Descriptors, *, mirrored: bool) -> None:
        self.descriptors, self.flips = descriptors, (False, True)[: 1 + mirrored]
        self.whole, self.content = search_keys(descriptors)
        self._frames = _frames(PICTURE)

    def pairs(self, known: Collection[tuple[int, int]], progress: Callable[[int, int], None]) -> Iterator[AlteredPair]:
        """Yields the altered copies among the descriptors, each pair once with i < j.

        Args:
            known: Pairs (i, j), i < j, that are known to be copies; they are not confirmed again.
            progress: Called with (done, total).
        """
        tried = set(known)
        for i, row in enumerate(self.descriptors):
            query = pictures(row[np.newaxis])[0]
            for found in self._proposals(query, but=i):
                pair = (min(i, found.j), max(i, found.j))
                if pair in tried:
                    continue
                tried.add(pair)
                value = self._confirm(query, found)
                if value >= ALTERED_CORRELATION:
                    yield AlteredPair(*pair, value)
            progress(i + 1, len(self.descriptors))

    def has_copy_of(self, descriptor: NDArray[np.uint8]) -> bool:
        """Tells whether one of the pictures is an altered copy of a new one.

        Args:
            descriptor: uint8 [width].
        """
        query = pictures(descriptor[np.newaxis])[0]
        tried = set[int]()
        for found in self._proposals(query):
            if found.j not in tried:
                tried.add(found.j)
                if self._confirm(query, found) >= ALTERED_CORRELATION:
                    return True
        return False

    def _proposals(self, query: Picture, but: int | None = None) -> list[_Proposal]:
        """The pictures most like a query, likeliest first; `but` is the query's own row."""
        if not holds_enough(query) or not len(self.descriptors):
            return []
        found: list[tuple[float, _Proposal]] = []
        turned = [np.ascontiguousarray(query[:, ::-1]) if flip else query for flip in self.flips]
        shapes = [normalised(one, KEY_SIGMA, KEY_FLOOR) for one in turned]
        framed = np.stack([[shrunk(sampled(one, matrix)) for matrix in self._frames] for one in shapes])
        similar = np.tensordot(framed, self.whole, axes=(2, 1))  # [flips, frames, N]
        boxed = unit(np.stack([content_key(one) for one in turned])) @ self.content.T
        if but is not None:
            similar[..., but] = boxed[:, but] = 0.0
        for table, frames in (
            (similar[:, :1], self._frames[:1]),
            (similar, self._frames),
            (boxed[:, np.newaxis], [None]),
        ):
            strength = np.abs(table).max(axis=(0, 1))
            for j in np.argsort(-strength)[:PROPOSED] if len(strength) <= PROPOSED else _largest(strength):
                if strength[j] < LEAST_SHAPES:
                    continue
                flip, frame = np.unravel_index(int(np.abs(table[..., j]).argmax()), table.shape[:2])
                proposal = _Proposal(int(j), bool(flip), bool(table[flip, frame, j] < 0), frames[frame])
                found.append((float(strength[j]), proposal))
        return [proposal for _, proposal in sorted(found, key=lambda pair: -pair[0])]

    def _confirm(self, query: Picture, proposal: _Proposal) -> float:
        """The correlation of edges of a query and the picture that is proposed for it, -1 where they do not fit."""
        other = pictures(self.descriptors[proposal.j][np.newaxis])[0]
        if not holds_enough(other):
            return -1.0
        one = np.ascontiguousarray(query[:, ::-1]) if proposal.flip else query
        if proposal.inverted:
            one = 255.0 - one
        matrix = _between_boxes(one, other) if proposal.matrix is None else proposal.matrix
        aligned = align(one, other, matrix)
        # an equalised histogram changes the coarse shapes, and with them the alignment; the edges stay where they were
        return edge_correlation(one, other, matrix if aligned is None else aligned)


def holds_enough(picture: Picture) -> bool:
    """Tells whether enough of a picture is not dark to tell it from others: `LEAST_CONTENT` of it."""
    return bool(bright(picture).mean() >= LEAST_CONTENT)


def align(one: Picture, other: Picture, matrix: Matrix) -> Matrix | None:
    """Lays two pictures on each other by maximising the enhanced correlation coefficient of their shapes.

    Source: Evangelidis and Psarakis, IEEE TPAMI 30 (2008) 1858, in OpenCV's implementation.

    Args:
        one: float32 [side, side], 0 to 255.
        other: The same of the other picture.
        matrix: First guess; sends pixels of `other` to `one`.

    Returns:
        The matrix; None where the shapes do not fit, or only turned or stretched beyond the limits.
    """
    for sigma, floor, steps, smoothing in ((KEY_SIGMA, KEY_FLOOR, COARSE_STEPS, 5), (0.06, EDGE_FLOOR, FINE_STEPS, 1)):
        shapes, target = (normalised(picture, sigma, floor) for picture in (one, other))
        ends = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, steps, 1e-3)
        try:
            fit, matrix = cv2.findTransformECC(target, shapes, matrix.copy(), cv2.MOTION_AFFINE, ends, None, smoothing)
        except cv2.error:  # the iteration left the picture
            return None
        sides = np.array([matrix[0, 0], matrix[1, 1]])
        if fit < LEAST_ALIGNED or np.abs([matrix[0, 1], matrix[1, 0]]).max() > SHEAR_LIMIT:
            return None
        if sides.min() < 1 / SCALE_LIMIT or sides.max() > SCALE_LIMIT:
            return None
    return np.asarray(matrix, dtype=np.float32)


def edge_correlation(one: Picture, other: Picture, matrix: Matrix) -> float:
    """Correlates the edges of two pictures, one given the histogram of the other, where they lie on each other.

    The picture that shows more of a detail is sampled, so that no detail is invented.

    Args:
        one: float32 [side, side], 0 to 255.
        other: The same of the other picture.
        matrix: Sends pixels of `other` to `one`.

    Returns:
        The correlation, -1 to 1; -1 where less than `LEAST_OVERLAP` of a picture lies on the other.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < 1:
        one, other, scale = other, one, 1 / scale
        matrix = cv2.invertAffineTransform(matrix)
    if scale > 1.05:
        one = smoothed(one, 0.5 * float(np.sqrt(scale * scale - 1)))
    shape, flags = one.shape[::-1], cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(one, matrix, shape, flags=flags | cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones_like(one), matrix, shape, flags=flags | cv2.INTER_LINEAR) > 0.99
    if inside.mean() < LEAST_OVERLAP:
        return -1.0
    counted = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
    return max(
        _correlation(_with_histogram_of(target, source, inside), target, counted)
        for source, target in ((moved, other), (other, moved))
    )


def _correlation(one: Picture, other: Picture, counted: NDArray[np.bool_]) -> float:
    first, second = (normalised(picture, EDGE_SIGMA, EDGE_FLOOR)[counted] for picture in (one, other))
    first, second = first - first.mean(), second - second.mean()
    return float(first @ second / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-6))


def _with_histogram_of(target: Picture, source: Picture, inside: NDArray[np.bool_]) -> Picture:
    """The source with its grey levels replaced, in their order, by those of the target; outside it is the target."""
    levels = np.clip(np.rint(source[inside]), 0, 255).astype(np.int64)
    counts = np.bincount(levels, minlength=256)
    ends = np.cumsum(counts)
    sums = np.concatenate([[0.0], np.cumsum(np.sort(target[inside]), dtype=np.float64)])
    table = (sums[ends] - sums[ends - counts]) / np.maximum(counts, 1)
    result = target.copy()
    result[inside] = table[levels]
    return result


def _between_boxes(one: Picture, other: Picture) -> Matrix:
    """The matrix that sends the content box of `other` to that of `one`."""
    (top, bottom, left, right), (top2, bottom2, left2, right2) = content_box(one), content_box(other)
    rows, columns = (bottom - top) / (bottom2 - top2), (right - left) / (right2 - left2)
    return np.array(
        [
            [columns, 0.0, left - 0.5 - columns * (left2 - 0.5)],
            [0.0, rows, top - 0.5 - rows * (top2 - 0.5)],
        ],
        dtype=np.float32,
    )


def _frames(side: int) -> list[Matrix]:
    """The frames that are tried; the picture's own comes first."""
    tried = sorted(product(SCALES, SHIFTS, SHIFTS), key=lambda frame: frame != (1.0, 0.0, 0.0))
    middle = (side - 1) / 2
    return [
        np.array([[s, 0, middle * (1 - s) + x * side], [0, s, middle * (1 - s) + y * side]], dtype=np.float32)
        for s, y, x in tried
    ]


def _largest(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """The indices of the `PROPOSED` largest values."""
    return np.argpartition(-values, PROPOSED)[:PROPOSED].astype(np.int64)
