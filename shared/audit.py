"""Exact and near duplicates among images, and which of them stand on two sides of a split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shared.errors import DataError, InputRefused
from shared.samples import Sample

THUMBNAIL = 32
NEAR = 0.995
"""Correlation of 32 x 32 thumbnails from which two images are the same picture (docs/lab-log.md has the counts)."""
BLOCK = 1024

Read = Callable[[Sample], NDArray[np.float32]]


@dataclass(frozen=True)
class Pair:
    """Two samples that are the same picture.

    Attributes:
        i: Index of the first.
        j: Index of the second; i < j.
        kind: "pixels": alike to the last pixel; "near": rescaled or recompressed; "mirrored": flipped left to right.
        correlation: Of their thumbnails.
    """

    i: int
    j: int
    kind: Literal["pixels", "near", "mirrored"]
    correlation: float


@dataclass(frozen=True)
class AuditResult:
    """What was found.

    Attributes:
        pairs: All pairs of duplicates.
        clusters: int64 [N], the number of each sample's cluster of duplicates.
        unreadable: Indices of samples that cannot be read.
        blank: Indices of samples of one value only.
    """

    pairs: tuple[Pair, ...]
    clusters: NDArray[np.int64]
    unreadable: tuple[int, ...]
    blank: tuple[int, ...]

    def across(self, first: Iterable[int], second: Iterable[int]) -> list[Pair]:
        """The pairs with one sample in each of two sets of indices."""
        a, b = {int(i) for i in first}, {int(i) for i in second}
        return [p for p in self.pairs if (p.i in a and p.j in b) or (p.i in b and p.j in a)]


def audit(
    samples: Sequence[Sample], read: Read, *, progress: Callable[[int, int], None] = lambda *_: None
) -> AuditResult:
    """Compares every image with every other.

    Blank images are not compared: two black slices are not a leak.

    Args:
        samples: What to read.
        read: Gives raw pixels, float32 [rows, columns] or [rows, columns, 3].
        progress: Called with (done, total).
    """
    thumbnails = np.zeros((len(samples), THUMBNAIL, THUMBNAIL), dtype=np.float32)
    hashes: list[bytes] = []
    unreadable, blank = [], []
    for index, sample in enumerate(samples):
        try:
            pixels = read(sample)
        except (DataError, InputRefused):
            unreadable.append(index)
            hashes.append(b"")
        else:
            grey = pixels if pixels.ndim == 2 else pixels.mean(axis=2)
            hashes.append(hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest())
            if grey.max() == grey.min():
                blank.append(index)
            thumbnails[index] = _thumbnail(grey)
        progress(index + 1, len(samples))
    compared = np.setdiff1d(np.arange(len(samples)), np.array(unreadable + blank, dtype=np.int64))
    pairs = _pairs(thumbnails, hashes, compared)
    return AuditResult(tuple(pairs), _clusters(pairs, len(samples)), tuple(unreadable), tuple(blank))


def _thumbnail(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """A 32 x 32 picture with mean 0 and length 1, so that a dot product is a correlation."""
    picture = PillowImage.fromarray(np.ascontiguousarray(grey, dtype=np.float32))
    small = np.asarray(picture.resize((THUMBNAIL, THUMBNAIL), PillowImage.Resampling.BOX), dtype=np.float32)
    small = small - small.mean()
    length = float(np.linalg.norm(small))
    return small / length if length > 0 else small


def _pairs(thumbnails: NDArray[np.float32], hashes: Sequence[bytes], compared: NDArray[np.int64]) -> list[Pair]:
    flat = thumbnails[compared].reshape(len(compared), -1)
    mirrored = thumbnails[compared][:, :, ::-1].reshape(len(compared), -1)
    found = []
    for start in range(0, len(compared), BLOCK):
        block = flat[start : start + BLOCK]
        straight, flipped = block @ flat.T, block @ mirrored.T
        # a symmetrical head resembles its own mirror image: the flip must fit better than the picture as it is
        for kind, table, floor in (("near", straight, flipped * 0), ("mirrored", flipped, straight)):
            rows, columns = np.nonzero((table >= NEAR) & (table > floor))
            for row, column in zip((rows + start).tolist(), columns.tolist(), strict=True):
                if row < column:
                    i, j = int(compared[row]), int(compared[column])
                    value = float(min(1.0, table[row - start, column]))
                    exact = kind == "near" and hashes[i] == hashes[j]
                    found.append(Pair(i, j, "pixels" if exact else kind, value))  # type: ignore[arg-type]
    return _one_kind_each(found)


def _one_kind_each(found: Sequence[Pair]) -> list[Pair]:
    best: dict[tuple[int, int], Pair] = {}
    for pair in found:
        known = best.get((pair.i, pair.j))
        if known is None or pair.correlation > known.correlation:
            best[pair.i, pair.j] = pair
    return [best[key] for key in sorted(best)]


def _clusters(pairs: Sequence[Pair], count: int) -> NDArray[np.int64]:
    rows, columns = [pair.i for pair in pairs], [pair.j for pair in pairs]
    table = coo_matrix((np.ones(len(pairs)), (rows, columns)), shape=(count, count))
    return connected_components(table, directed=False)[1].astype(np.int64)
