"""The audit: exact and near duplicates among images, unreadable and blank ones, and contradicting labels."""

from __future__ import annotations

import hashlib
from collections import Counter
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
from shared.io.archives import without_name
from shared.samples import Sample

THUMBNAIL = 32
COPY_CORRELATION = 0.992
"""Correlation of 32 x 32 thumbnails from which two images are the same picture.

Set by looking at pairs of four real collections. From 0.9925 up, all pairs that were looked at are one picture,
cropped, rescaled or recompressed. The highest correlation of two neighbouring slices was 0.991 (Sartaj), 0.99 in the
750 slices of Cheng, and 0.98 in the 440 slices of gbm_dicom, which has no copies. The price: copies that are cropped by
a few pixels more are missed, one of 44 in the Navoneel set (0.984).
"""
FREQUENCIES = 8
"""Lowest frequencies a side by which candidates are searched; they hold nearly all of what a thumbnail shows."""
ROUNDING = 1e-5
"""Margin of the search for the rounding of float32: it may propose too many candidates, never too few."""
FLAT_SPREAD = 1e-6
"""Spread of a thumbnail, as a share of its values, up to which it is rounding of float32 and shows nothing."""
ROWS, COLUMNS = 1024, 4096
"""Thumbnails compared at once, 16 MiB of float32; the fastest of the shapes tried with 20,000 images on two cores."""
CONFIRMED_AT_ONCE = 8192
"""Candidate pairs confirmed at once, 32 MiB of thumbnails each side."""
MAX_PAIRS = 2_000_000
"""Pairs that are kept at most, hundreds of MiB; thumbnails cannot tell the images of a larger set apart."""

Read = Callable[[Sample], NDArray[np.float32]]
Kind = Literal["pixels", "near", "mirrored"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two samples that are the same picture.

    Attributes:
        i: Index of the first sample.
        j: Index of the second sample; i < j.
        kind: "pixels": equal to the last pixel; "near": rescaled or recompressed; "mirrored": flipped left to right.
        correlation: Correlation of their thumbnails, -1 to 1.
    """

    i: int
    j: int
    kind: Kind
    correlation: float


@dataclass(frozen=True)
class AuditResult:
    """The copies, label conflicts and bad files that an audit of N samples found.

    Attributes:
        pairs: All pairs of duplicates, sorted by index.
        clusters: int64 [N], the number of each sample's cluster of duplicates.
        unreadable: Indices of samples that cannot be read.
        blank: Indices of samples whose pixels all have one value.
        contradictions: The pairs whose samples carry different labels.
        faults: Why each of `unreadable` cannot be read, without its name; in their order.
    """

    pairs: tuple[Pair, ...]
    clusters: NDArray[np.int64]
    unreadable: tuple[int, ...]
    blank: tuple[int, ...]
    contradictions: tuple[Pair, ...] = ()
    faults: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Counts the findings for reports.

        Returns:
            Numbers of images under `images`, `unreadable`, `blank` and `copies` (images that add no picture of their
            own), and numbers of pairs under `pairs_pixels`, `pairs_near`, `pairs_mirrored` and `contradictions`.
        """
        return {
            "images": len(self.clusters),
            "unreadable": len(self.unreadable),
            "blank": len(self.blank),
            "copies": len(self.clusters) - len(np.unique(self.clusters)),
            **{f"pairs_{kind}": sum(pair.kind == kind for pair in self.pairs) for kind in get_args(Kind)},
            "contradictions": len(self.contradictions),
        }

    def across(self, first: Iterable[int], second: Iterable[int]) -> list[Pair]:
        """Lists the pairs of duplicates with one sample in each of two sets.

        Args:
            first: Indices of the samples in one set.
            second: Indices of the samples in the other set.

        Returns:
            The pairs, sorted by index; empty where there is none.
        """
        a, b = {int(i) for i in first}, {int(i) for i in second}
        return [p for p in self.pairs if (p.i in a and p.j in b) or (p.i in b and p.j in a)]

    def of_first(self, count: int) -> AuditResult:
        """Returns the findings on the first `count` samples alone; pairs with a later sample are left out."""
        return AuditResult(
            tuple(pair for pair in self.pairs if pair.j < count),
            self.clusters[:count],
            tuple(i for i in self.unreadable if i < count),
            tuple(i for i in self.blank if i < count),
            tuple(pair for pair in self.contradictions if pair.j < count),
            self.faults[: sum(i < count for i in self.unreadable)],
        )

    def why_unreadable(self) -> str:
        """Says how many samples cannot be read, and why most of them; empty where all can be read."""
        if not self.unreadable:
            return ""
        ((reason, count),) = Counter(self.faults).most_common(1) or [("", 0)]
        shown = f" ({count} of them: {reason})" if reason else ""
        return f"{len(self.unreadable)} of {len(self.clusters)} images cannot be read{shown}"

    def leaked(self, learning: Iterable[int], testing: Iterable[int]) -> list[int]:
        """Lists the samples of one set that are copies of samples of another.

        Two samples are copies also where other copies link them.

        Args:
            learning: Indices of the samples to learn from.
            testing: Indices of the samples to test on.

        Returns:
            The indices of `testing` that share a cluster with one of `learning`, sorted; empty where none does.
        """
        seen = set(self.clusters[np.fromiter(learning, dtype=np.int64)].tolist())
        return sorted(int(i) for i in testing if int(self.clusters[i]) in seen)


def audit(
    samples: Sequence[Sample],
    read: Read,
    *,
    mirrored: bool = True,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> AuditResult:
    """Compares every image with every other and finds duplicates.

    Blank images are not compared: two black slices are not a leak. Files that are equal byte for byte need no kind
    of their own, as their pixels are equal too.

    Args:
        samples: N samples.
        read: Reads the raw pixels of a sample, float32 or uint8 [rows, columns] or [rows, columns, 3].
        mirrored: Whether a picture and its mirror image are the same; those of a written character are not.
        progress: Called with (done, total).

    Raises:
        DataError: More than `MAX_PAIRS` pairs are the same picture.
    """
    thumbnails = np.zeros((len(samples), THUMBNAIL, THUMBNAIL), dtype=np.float32)
    compared: list[int] = []
    hashes: list[bytes] = []
    unreadable, blank, faults = [], [], []
    for index, sample in enumerate(samples):
        pixels = _read(sample, read)
        if isinstance(pixels, str):
            unreadable.append(index)
            faults.append(pixels)
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
        for row, column, exact, straight, flipped in islice(found, MAX_PAIRS + 1)
    ]
    if len(pairs) > MAX_PAIRS:
        raise DataError(
            f"more than {MAX_PAIRS:,} pairs of the {len(samples):,} images are the same picture when reduced to "
            f"{THUMBNAIL} x {THUMBNAIL} pixels; leave out the copies"
        )
    pairs.sort(key=lambda pair: (pair.i, pair.j))
    labels = [sample.label for sample in samples]
    contradictions = [p for p in pairs if None not in (labels[p.i], labels[p.j]) and labels[p.i] != labels[p.j]]
    clusters = _clusters(pairs, len(samples))
    return AuditResult(tuple(pairs), clusters, tuple(unreadable), tuple(blank), tuple(contradictions), tuple(faults))


def _read(sample: Sample, read: Read) -> NDArray[np.float32] | str:
    """Reads the pixels, or returns why they cannot be read: the file is damaged, empty or not finite."""
    try:
        pixels = np.asarray(read(sample), dtype=np.float32)
    except (DataError, InputRefused) as error:
        return without_name(str(error))
    return pixels if pixels.size and np.isfinite(pixels).all() else "no pixels, or values that are not finite"


def _thumbnail(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Makes a 32 x 32 picture with mean 0 and norm 1, so that a dot product is a correlation; all 0 if it is flat."""
    picture = PillowImage.fromarray(np.ascontiguousarray(grey, dtype=np.float32))
    small = np.asarray(picture.resize((THUMBNAIL, THUMBNAIL), PillowImage.Resampling.BOX), dtype=np.float32)
    if small.max() - small.min() <= FLAT_SPREAD * np.abs(small).max():
        # a pattern finer than the thumbnail: stretched to length 1, all rounding would look alike
        return np.zeros_like(small)
    small = small - small.mean()
    return small / np.linalg.norm(small)


def _alike(
    thumbnails: NDArray[np.float32], digests: NDArray[np.int64], mirrored: bool
) -> Iterator[tuple[int, int, bool, float, float]]:
    """Yields pairs of rows that are the same picture: i, j, whether pixels are equal, correlation, mirrored one.

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
    """Yields rows i < j, in batches, that are so near in their low frequencies that they may be the same picture."""
    basis = dct(np.eye(THUMBNAIL, dtype=np.float32), axis=0, norm="ortho")[:FREQUENCIES]
    spectra = basis @ thumbnails @ basis.T
    # mirroring a picture turns the sign of its odd horizontal frequencies
    signs = np.where(np.arange(FREQUENCIES) % 2, -1.0, 1.0).astype(np.float32)
    half = (spectra**2).sum(axis=(1, 2))[:, None] / 2
    ones = np.ones_like(half)
    # with these two columns more, one product gives minus half the squared distance
    left = np.hstack([spectra.reshape(len(spectra), FREQUENCIES**2), -half, ones])
    rights = [
        np.hstack([part.reshape(len(spectra), FREQUENCIES**2), ones, -half])
        for part in (spectra, spectra * signs)[: 1 + mirrored]
    ]
    farthest = np.float32(COPY_CORRELATION - 1 - ROUNDING)
    for top in range(0, len(spectra), ROWS):
        for first in range(top, len(spectra), COLUMNS):
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
