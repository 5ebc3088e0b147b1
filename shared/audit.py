"""Exact and near duplicates among images, and which of them stand on two sides of a split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy.fft import dctn
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shared.errors import DataError, InputRefused
from shared.samples import Sample

THUMBNAIL = 32
NEAR = 0.992
"""Correlation of 32 x 32 thumbnails from which two images are the same picture.

Set by looking at pairs of four real collections. From 0.9925 up all that were looked at are one picture, cropped,
rescaled or recompressed; the highest of two neighbouring slices was 0.991 (Sartaj), 0.99 in 750 slices of Cheng and
0.98 in the 440 slices of gbm_dicom, where nothing is found. The price: copies cropped by a few pixels more stay
unseen, one of 44 in the Navoneel set (0.984).
"""
CODE = 8
"""Frequencies a side that candidates are sought with; they hold nearly all of what a thumbnail shows."""
ROUNDING = 1e-5
"""Added to the bound of the search for float32: it may propose too many, never too few."""
BLOCK = 1024
CONFIRMED_AT_ONCE = 8192
"""Pairs of thumbnails, 32 MiB each side."""

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
        contradictions: Those of `pairs` whose samples carry different labels.
    """

    pairs: tuple[Pair, ...]
    clusters: NDArray[np.int64]
    unreadable: tuple[int, ...]
    blank: tuple[int, ...]
    contradictions: tuple[Pair, ...] = ()

    def across(self, first: Iterable[int], second: Iterable[int]) -> list[Pair]:
        """The pairs with one sample in each of two sets of indices."""
        a, b = {int(i) for i in first}, {int(i) for i in second}
        return [p for p in self.pairs if (p.i in a and p.j in b) or (p.i in b and p.j in a)]

    def leaked(self, learning: Iterable[int], testing: Iterable[int]) -> list[int]:
        """Which of `testing` share a cluster with one of `learning`, be it through other copies in between."""
        seen = set(self.clusters[np.fromiter(learning, dtype=np.int64)].tolist())
        return sorted(int(i) for i in testing if int(self.clusters[i]) in seen)


def audit(
    samples: Sequence[Sample], read: Read, *, progress: Callable[[int, int], None] = lambda *_: None
) -> AuditResult:
    """Compares every image with every other.

    Blank images are not compared: two black slices are not a leak. Files that are equal byte for byte need no kind
    of their own, for their pixels are equal too.

    Args:
        samples: What to read.
        read: Gives raw pixels, float32 or uint8 [rows, columns] or [rows, columns, 3].
        progress: Called with (done, total).
    """
    thumbnails = np.zeros((len(samples), THUMBNAIL, THUMBNAIL), dtype=np.float32)
    hashes: list[str] = []
    unreadable, blank = [], []
    for index, sample in enumerate(samples):
        pixels = _read(sample, read)
        if pixels is None:
            unreadable.append(index)
            hashes.append("")
        else:
            grey = pixels if pixels.ndim == 2 else pixels.mean(axis=2)
            hashes.append(hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).hexdigest())
            if grey.max() == grey.min():
                blank.append(index)
            thumbnails[index] = _thumbnail(grey)
        progress(index + 1, len(samples))
    compared = np.setdiff1d(np.arange(len(samples)), np.array(unreadable + blank, dtype=np.int64))
    digests = np.unique(np.array(hashes, dtype="S32"), return_inverse=True)[1]
    pairs = tuple(
        _pair(int(compared[row]), int(compared[column]), exact, straight, mirrored)
        for row, column, exact, straight, mirrored in _alike(thumbnails[compared], digests[compared])
    )
    labels = [sample.label for sample in samples]
    contradictions = tuple(p for p in pairs if None not in (labels[p.i], labels[p.j]) and labels[p.i] != labels[p.j])
    return AuditResult(pairs, _clusters(pairs, len(samples)), tuple(unreadable), tuple(blank), contradictions)


def _read(sample: Sample, read: Read) -> NDArray[np.float32] | None:
    """The pixels, or None where there are none to compare."""
    try:
        pixels = np.asarray(read(sample), dtype=np.float32)
    except (DataError, InputRefused):
        return None
    return pixels if pixels.size and np.isfinite(pixels).all() else None


def _thumbnail(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """A 32 x 32 picture with mean 0 and length 1, so that a dot product is a correlation."""
    picture = PillowImage.fromarray(np.ascontiguousarray(grey, dtype=np.float32))
    small = np.asarray(picture.resize((THUMBNAIL, THUMBNAIL), PillowImage.Resampling.BOX), dtype=np.float32)
    small = small - small.mean()
    length = float(np.linalg.norm(small))
    return small / length if length > 0 else small


def _alike(
    thumbnails: NDArray[np.float32], digests: NDArray[np.int64]
) -> Iterator[tuple[int, int, bool, float, float]]:
    """Pairs of rows that are the same picture: whether to the last pixel, correlation as it is and with one mirrored.

    Candidates come from the lowest frequencies alone. An orthonormal transform keeps distances and leaving out
    coefficients can only shorten them, so no pair with a correlation of NEAR, which is a squared distance of
    2 - 2 NEAR, escapes; and comparing 64 numbers in place of 1,024 makes the search fast.
    """
    codes = dctn(thumbnails, axes=(1, 2), norm="ortho")[:, :CODE, :CODE]
    # mirroring a picture turns the sign of its odd horizontal frequencies
    flipped = codes * np.where(np.arange(CODE) % 2, -1.0, 1.0).astype(np.float32)
    left, right, right_flipped = (part.reshape(len(codes), CODE * CODE) for part in (codes, codes, flipped))
    half = (left**2).sum(axis=1) / 2
    for start in range(0, len(codes), BLOCK):
        stop = start + BLOCK
        bound = half[start:stop, None] + half[start:] - np.float32(1 - NEAR + ROUNDING)
        close = (left[start:stop] @ right[start:].T >= bound) | (left[start:stop] @ right_flipped[start:].T >= bound)
        rows, columns = np.nonzero(np.triu(close, 1))
        for first in range(0, len(rows), CONFIRMED_AT_ONCE):
            i = rows[first : first + CONFIRMED_AT_ONCE] + start
            j = columns[first : first + CONFIRMED_AT_ONCE] + start
            straight = np.einsum("pyx,pyx->p", thumbnails[i], thumbnails[j])
            mirrored = np.einsum("pyx,pyx->p", thumbnails[i], thumbnails[j][:, :, ::-1])
            exact = digests[i] == digests[j]
            same = exact | (np.maximum(straight, mirrored) >= NEAR)
            yield from zip(*(fact[same].tolist() for fact in (i, j, exact, straight, mirrored)), strict=True)


def _pair(i: int, j: int, exact: bool, straight: float, mirrored: float) -> Pair:
    if exact:
        return Pair(i, j, "pixels", 1.0)
    # a symmetrical head resembles its own mirror image: the flip must fit better than the picture as it is
    return Pair(i, j, "mirrored" if mirrored > straight else "near", min(1.0, max(straight, mirrored)))


def _clusters(pairs: Sequence[Pair], count: int) -> NDArray[np.int64]:
    rows, columns = [pair.i for pair in pairs], [pair.j for pair in pairs]
    table = coo_matrix((np.ones(len(pairs)), (rows, columns)), shape=(count, count))
    return connected_components(table, directed=False)[1].astype(np.int64)
