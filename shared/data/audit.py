"""Exact and near duplicates among images, and which of them stand on two sides of a split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy.fft import dct
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from shared.errors import DataError, InputRefused
from shared.samples import Sample

THUMBNAIL = 32
COPY_CORRELATION = 0.992
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
FLAT = 1e-6
"""Spread of a thumbnail, as a share of its values, up to which it is rounding of float32 and shows nothing."""
ROWS, COLUMNS = 1024, 4096
"""Compared at once, 16 MiB of float32; of the shapes tried with 20,000 images on two cores the fastest."""
CONFIRMED_AT_ONCE = 8192
"""Pairs of thumbnails, 32 MiB each side."""
MOST_PAIRS = 2_000_000
"""Hundreds of MiB. A set with more cannot be told apart by thumbnails, and its pairs would fill the memory."""

Read = Callable[[Sample], NDArray[np.float32]]
Kind = Literal["pixels", "near", "mirrored"]


@dataclass(frozen=True, slots=True)
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
    kind: Kind
    correlation: float


@dataclass(frozen=True)
class AuditResult:
    """What was found.

    Attributes:
        pairs: All pairs of duplicates, sorted by index.
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

    def counts(self) -> dict[str, int]:
        """What a report says; `copies` is how many images could be left out and no picture would be lost."""
        return {
            "images": len(self.clusters),
            "unreadable": len(self.unreadable),
            "blank": len(self.blank),
            "copies": len(self.clusters) - len(np.unique(self.clusters)),
            **{f"pairs_{kind}": sum(pair.kind == kind for pair in self.pairs) for kind in get_args(Kind)},
            "contradictions": len(self.contradictions),
        }

    def across(self, first: Iterable[int], second: Iterable[int]) -> list[Pair]:
        """The pairs with one sample in each of two sets of indices."""
        a, b = {int(i) for i in first}, {int(i) for i in second}
        return [p for p in self.pairs if (p.i in a and p.j in b) or (p.i in b and p.j in a)]

    def of_first(self, count: int) -> AuditResult:
        """What was found among the first `count` samples."""
        return AuditResult(
            tuple(pair for pair in self.pairs if pair.j < count),
            self.clusters[:count],
            tuple(i for i in self.unreadable if i < count),
            tuple(i for i in self.blank if i < count),
            tuple(pair for pair in self.contradictions if pair.j < count),
        )

    def leaked(self, learning: Iterable[int], testing: Iterable[int]) -> list[int]:
        """Which of `testing` share a cluster with one of `learning`, be it through other copies in between; sorted."""
        seen = set(self.clusters[np.fromiter(learning, dtype=np.int64)].tolist())
        return sorted(int(i) for i in testing if int(self.clusters[i]) in seen)


def audit(
    samples: Sequence[Sample],
    read: Read,
    *,
    mirrored: bool = True,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> AuditResult:
    """Compares every image with every other.

    Blank images are not compared: two black slices are not a leak. Files that are equal byte for byte need no kind
    of their own, for their pixels are equal too.

    Args:
        samples: What to read.
        read: Gives raw pixels, float32 or uint8 [rows, columns] or [rows, columns, 3].
        mirrored: Whether a picture and its mirror image are the same; of written characters they are not.
        progress: Called with (done, total).

    Raises:
        DataError: More than `MOST_PAIRS` pairs are the same picture.
    """
    thumbnails = np.zeros((len(samples), THUMBNAIL, THUMBNAIL), dtype=np.float32)
    compared: list[int] = []
    hashes: list[bytes] = []
    unreadable, blank = [], []
    for index, sample in enumerate(samples):
        pixels = _read(sample, read)
        if pixels is None:
            unreadable.append(index)
        elif (grey := pixels if pixels.ndim == 2 else pixels.mean(axis=2)).min() == grey.max():
            blank.append(index)
        else:
            thumbnails[len(compared)] = _thumbnail(grey)
            hashes.append(hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest())
            compared.append(index)
        progress(index + 1, len(samples))
    digests = np.unique(np.array(hashes, dtype="S16"), return_inverse=True)[1]
    found = _alike(thumbnails[: len(compared)], digests, mirrored)
    pairs = [
        _pair(compared[row], compared[column], exact, straight, flipped)
        for row, column, exact, straight, flipped in islice(found, MOST_PAIRS + 1)
    ]
    if len(pairs) > MOST_PAIRS:
        raise DataError(
            f"more than {MOST_PAIRS:,} pairs of the {len(samples):,} images are the same picture when reduced to "
            f"{THUMBNAIL} x {THUMBNAIL} pixels; leave out the copies"
        )
    pairs.sort(key=lambda pair: (pair.i, pair.j))
    labels = [sample.label for sample in samples]
    contradictions = [p for p in pairs if None not in (labels[p.i], labels[p.j]) and labels[p.i] != labels[p.j]]
    clusters = _clusters(pairs, len(samples))
    return AuditResult(tuple(pairs), clusters, tuple(unreadable), tuple(blank), tuple(contradictions))


def _read(sample: Sample, read: Read) -> NDArray[np.float32] | None:
    """The pixels, or None where there are none to compare."""
    try:
        pixels = np.asarray(read(sample), dtype=np.float32)
    except (DataError, InputRefused):
        return None
    return pixels if pixels.size and np.isfinite(pixels).all() else None


def _thumbnail(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """A 32 x 32 picture with mean 0 and length 1, so that a dot product is a correlation; all 0 if it shows nothing."""
    picture = PillowImage.fromarray(np.ascontiguousarray(grey, dtype=np.float32))
    small = np.asarray(picture.resize((THUMBNAIL, THUMBNAIL), PillowImage.Resampling.BOX), dtype=np.float32)
    if small.max() - small.min() <= FLAT * np.abs(small).max():
        # a pattern finer than the thumbnail: stretched to length 1, all rounding would look alike
        return np.zeros_like(small)
    small = small - small.mean()
    return small / np.linalg.norm(small)


def _alike(
    thumbnails: NDArray[np.float32], digests: NDArray[np.int64], mirrored: bool
) -> Iterator[tuple[int, int, bool, float, float]]:
    """Pairs of rows that are the same picture: whether to the last pixel, correlation as it is and with one mirrored.

    Candidates come from the lowest frequencies alone. An orthonormal transform keeps distances and leaving out
    coefficients can only shorten them, so no pair with the correlation COPY_CORRELATION, a squared distance of
    2 - 2 COPY_CORRELATION, escapes; and comparing 64 numbers in place of 1,024 makes the search fast.
    """
    for i, j in _candidates(thumbnails, mirrored):
        straight = np.einsum("pyx,pyx->p", thumbnails[i], thumbnails[j])
        flipped = np.full_like(straight, -1.0)
        if mirrored:
            flipped = np.einsum("pyx,pyx->p", thumbnails[i], thumbnails[j][:, :, ::-1])
        exact = digests[i] == digests[j]
        same = exact | (np.maximum(straight, flipped) >= COPY_CORRELATION)
        yield from zip(*(fact[same].tolist() for fact in (i, j, exact, straight, flipped)), strict=True)


def _candidates(thumbnails: NDArray[np.float32], mirrored: bool) -> Iterator[tuple[NDArray[np.int64], ...]]:
    """Rows i < j, in batches, that stand so near in their low frequencies that they may be the same picture."""
    basis = dct(np.eye(THUMBNAIL, dtype=np.float32), axis=0, norm="ortho")[:CODE]
    codes = basis @ thumbnails @ basis.T
    # mirroring a picture turns the sign of its odd horizontal frequencies
    signs = np.where(np.arange(CODE) % 2, -1.0, 1.0).astype(np.float32)
    half = (codes**2).sum(axis=(1, 2))[:, None] / 2
    ones = np.ones_like(half)
    # with these two columns more, one product gives minus half the squared distance
    left = np.hstack([codes.reshape(len(codes), -1), -half, ones])
    rights = [np.hstack([part.reshape(len(codes), -1), ones, -half]) for part in (codes, codes * signs)[: 1 + mirrored]]
    farthest = np.float32(COPY_CORRELATION - 1 - ROUNDING)
    for top in range(0, len(codes), ROWS):
        for first in range(top, len(codes), COLUMNS):
            close = np.logical_or.reduce(
                [left[top : top + ROWS] @ right[first : first + COLUMNS].T >= farthest for right in rights]
            )
            rows, columns = np.divmod(np.flatnonzero(close), close.shape[1])
            i, j = rows + top, columns + first
            i, j = i[i < j], j[i < j]
            for start in range(0, len(i), CONFIRMED_AT_ONCE):
                yield i[start : start + CONFIRMED_AT_ONCE], j[start : start + CONFIRMED_AT_ONCE]


def _pair(i: int, j: int, exact: bool, straight: float, mirrored: float) -> Pair:
    if exact:
        return Pair(i, j, "pixels", 1.0)
    # a symmetrical head resembles its own mirror image: the flip must fit better than the picture as it is
    return Pair(i, j, "mirrored" if mirrored > straight else "near", min(1.0, max(straight, mirrored)))


def _clusters(pairs: Sequence[Pair], count: int) -> NDArray[np.int64]:
    rows, columns = [pair.i for pair in pairs], [pair.j for pair in pairs]
    table = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(count, count))
    return connected_components(table, directed=False)[1].astype(np.int64)
