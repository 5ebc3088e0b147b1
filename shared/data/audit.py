"""The audit: exact and near duplicates among images, unreadable and blank ones, and contradicting labels."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from shared.data.copies import CopySearch
from shared.data.descriptors import THUMBNAIL, CopyRule, Descriptors, describe, grey_of
from shared.errors import DataError, InputRefused
from shared.io.archives import without_name
from shared.samples import Sample

MAX_PAIRS = 2_000_000
"""Pairs that are kept at most, hundreds of MiB; thumbnails cannot tell the images of a larger set apart."""

Read = Callable[[Sample], NDArray[np.float32]]
PairKind = Literal["pixels", "near", "mirrored", "altered"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two samples that are the same picture.

    Attributes:
        i: Index of the first sample.
        j: Index of the second sample; i < j.
        kind: "pixels": equal to the last pixel; "near": rescaled or recompressed; "mirrored": flipped left to right;
            "altered": of another contrast, sharpness or frame.
        correlation: Correlation of their thumbnails, or of aligned edges where they are altered, -1 to 1.
    """

    i: int
    j: int
    kind: PairKind
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
        descriptors: uint8 [N, width], descriptor of each sample; all 0 where it is blank or cannot be read.
    """

    pairs: tuple[Pair, ...]
    clusters: NDArray[np.int64]
    unreadable: tuple[int, ...]
    blank: tuple[int, ...]
    contradictions: tuple[Pair, ...] = ()
    faults: tuple[str, ...] = ()
    descriptors: Descriptors = field(default_factory=lambda: np.zeros((0, 0), dtype=np.uint8))

    def counts(self) -> dict[str, int]:
        """Counts the findings for reports.

        Returns:
            Numbers of images under `images`, `unreadable`, `blank` and `copies` (images that add no picture of their
            own), and numbers of pairs under `pairs_pixels`, `pairs_near`, `pairs_mirrored`, `pairs_altered` and
            `contradictions`.
        """
        return {
            "images": len(self.clusters),
            "unreadable": len(self.unreadable),
            "blank": len(self.blank),
            "copies": len(self.clusters) - len(np.unique(self.clusters)),
            **{f"pairs_{kind}": sum(pair.kind == kind for pair in self.pairs) for kind in get_args(PairKind)},
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
            self.descriptors[:count],
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
    rule: CopyRule,
    *,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> AuditResult:
    """Compares every image with every other and finds duplicates.

    Blank images are not compared: two black slices are not a leak. Files that are equal byte for byte need no kind
    of their own, as their pixels are equal too.

    Args:
        samples: N samples.
        read: Reads the raw pixels of a sample, float32 or uint8 [rows, columns] or [rows, columns, 3].
        rule: What leaves a picture the same; the mirror image of a written character is another.
        progress: Called with (done, total).

    Raises:
        DataError: More than `MAX_PAIRS` pairs are the same picture.
    """
    descriptors = np.zeros((len(samples), rule.width), dtype=np.uint8)
    compared: list[int] = []
    hashes: list[bytes] = []
    unreadable, blank, faults = [], [], []
    # reading, and where there are altered copies the search for them, which takes as long
    total = len(samples) * (1 + rule.altered)
    for index, sample in enumerate(samples):
        pixels = _read(sample, read)
        if isinstance(pixels, str):
            unreadable.append(index)
            faults.append(pixels)
        elif (grey := grey_of(pixels)).min() == grey.max():
            blank.append(index)
        else:
            descriptors[index] = describe(pixels, rule)
            hashes.append(_digest(pixels))
            compared.append(index)
        progress(index + 1, total)
    # no second copy where all are compared: they are 0.1 to 0.3 GB for 100,000 images
    search = CopySearch(descriptors if len(compared) == len(samples) else descriptors[compared], rule)
    found = _near(search, hashes, len(samples))
    known = {(copy.i, copy.j) for copy in found}
    found += [
        Pair(copy.i, copy.j, copy.kind, copy.correlation)
        for copy in search.altered_pairs(known, lambda done, _: progress(len(samples) + done, total))
    ]
    rows = sorted((compared[pair.i], compared[pair.j], pair) for pair in found)
    pairs = [replace(pair, i=i, j=j) for i, j, pair in rows]
    return _result(samples, pairs, unreadable, blank, faults, descriptors)


def _result(
    samples: Sequence[Sample],
    pairs: Sequence[Pair],
    unreadable: Sequence[int],
    blank: Sequence[int],
    faults: Sequence[str],
    descriptors: Descriptors,
) -> AuditResult:
    """The findings, with the clusters and contradictions that follow from the pairs."""
    labels = [sample.label for sample in samples]
    contradictions = [p for p in pairs if None not in (labels[p.i], labels[p.j]) and labels[p.i] != labels[p.j]]
    clusters = _clusters(pairs, len(samples))
    return AuditResult(
        tuple(pairs), clusters, tuple(unreadable), tuple(blank), tuple(contradictions), tuple(faults), descriptors
    )


def to_arrays(result: AuditResult) -> dict[str, NDArray[Any]]:
    """Writes what an audit found as arrays without labels, from which `from_arrays` makes it again."""
    pairs, kinds = result.pairs, get_args(PairKind)
    return {
        "pairs": np.array([(pair.i, pair.j, kinds.index(pair.kind)) for pair in pairs], np.int64).reshape(-1, 3),
        "correlations": np.array([pair.correlation for pair in pairs], np.float64),
        "unreadable": np.array(result.unreadable, np.int64),
        "blank": np.array(result.blank, np.int64),
        "faults": np.array(result.faults, np.str_),
        "descriptors": result.descriptors,
    }


def from_arrays(samples: Sequence[Sample], arrays: Mapping[str, NDArray[Any]]) -> AuditResult:
    """Makes the result of an audit again, with the labels that the samples have now.

    Args:
        samples: The samples that were audited, in the same order.
        arrays: What `to_arrays` made of the result.
    """
    kinds = get_args(PairKind)
    rows = zip(arrays["pairs"].tolist(), arrays["correlations"].tolist(), strict=True)
    pairs = [Pair(i, j, kinds[kind], correlation) for (i, j, kind), correlation in rows]
    faults, descriptors = arrays["faults"].tolist(), arrays["descriptors"]
    return _result(samples, pairs, arrays["unreadable"].tolist(), arrays["blank"].tolist(), faults, descriptors)


def _near(search: CopySearch, hashes: Sequence[bytes], samples: int) -> list[Pair]:
    """The pairs of rows that are the same picture with the same contrast and frame, those of equal pixels among them.

    Raises:
        DataError: There are more than `MAX_PAIRS`.
    """
    found: list[Pair] = []
    for copy in search.near_pairs():
        exact = hashes[copy.i] == hashes[copy.j]
        found.append(Pair(copy.i, copy.j, "pixels" if exact else copy.kind, 1.0 if exact else copy.correlation))
        if len(found) > MAX_PAIRS:
            raise DataError(
                f"more than {MAX_PAIRS:,} pairs of the {samples:,} images are the same picture when reduced to "
                f"{THUMBNAIL} x {THUMBNAIL} pixels; leave out the copies"
            )
    return found


def _read(sample: Sample, read: Read) -> NDArray[np.float32] | str:
    """Reads the pixels, or returns why they cannot be read: the file is damaged, empty or not finite."""
    try:
        pixels = np.asarray(read(sample), dtype=np.float32)
    except (DataError, InputRefused) as error:
        return without_name(str(error))
    return pixels if pixels.size and np.isfinite(pixels).all() else "no pixels, or values that are not finite"


def _digest(pixels: NDArray[np.float32]) -> bytes:
    """The same for equal pixels alone."""
    digest = hashlib.sha256(repr(pixels.shape).encode())  # processors have instructions for it
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def _clusters(pairs: Sequence[Pair], count: int) -> NDArray[np.int64]:
    rows, columns = [pair.i for pair in pairs], [pair.j for pair in pairs]
    table = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(count, count))
    return connected_components(table, directed=False)[1].astype(np.int64)
