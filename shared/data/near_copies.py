"""The search for near copies: pictures that were rescaled, recompressed or mirrored, with the contrast they had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.data.descriptors import THUMBNAIL, Descriptors, Pictures, standardised, thumbnails

COPY_CORRELATION = 0.992
"""Correlation of 32 x 32 thumbnails from which two images are the same picture.

Set by looking at pairs of four real collections. From 0.9925 up, all pairs that were looked at are one picture,
cropped, rescaled or recompressed. The highest correlation of two neighbouring slices was 0.991 (Sartaj), 0.99 in the
750 slices of Cheng, and 0.98 in the 440 slices of gbm_dicom, which has no copies. The price: copies that are cropped by
a few pixels more are missed, one of 44 in the Navoneel set (0.984).
"""
PICTURE_CORRELATION = 0.987
"""Correlation that a near copy also has at 48 x 48 pixels, where descriptors hold as many.

Thumbnails that are made of the 48 pixels are smoother: of 17 more pairs of Sartaj, 0.992 to 0.9935, three are
neighbouring slices, at most 0.9865 here. Copies that stay out with them are found by their edges
(`shared.data.altered_copies`).
"""
FREQUENCIES = 8
"""Lowest frequencies a side by which candidates are searched; they hold nearly all of what a thumbnail shows."""
ROUNDING = 1e-5
"""Margin of the search for the rounding of float32: it may propose too many candidates, never too few."""
ROWS, COLUMNS = 1024, 4096
"""Thumbnails compared at once, 16 MiB of float32; the fastest of the shapes tried with 20,000 images on two cores."""
CONFIRMED_AT_ONCE = 8192
"""Candidate pairs confirmed at once, 32 to 72 MiB of pictures each side."""
Rows = NDArray[np.int64]


class NearPairs(NamedTuple):
    """Pairs of rows that were compared.

    Attributes:
        i: int64 [P], rows of the first descriptors.
        j: int64 [P], rows of the second.
        straight: float32 [P], correlation of the thumbnails; -1 where the finer pictures are not alike.
        flipped: float32 [P], correlation with the mirror image; -1 where mirror images are other pictures.
    """

    i: Rows
    j: Rows
    straight: NDArray[np.float32]
    flipped: NDArray[np.float32]


class NearSearch:
    """Finds all near copies among descriptors, or of new ones among them.

    Candidates come from the lowest frequencies alone. An orthonormal transform keeps distances and leaving out
    coefficients can only shorten them, so no pair with the correlation `COPY_CORRELATION`, a squared distance of
    2 - 2 `COPY_CORRELATION`, escapes; and comparing 64 numbers in place of 1,024 makes the search fast.

    Args:
        descriptors: uint8 [N, width].
        mirrored: Whether mirror images are copies.
    """

    def __init__(self, descriptors: Descriptors, *, mirrored: bool) -> None:
        self.descriptors, self.mirrored = descriptors, mirrored
        spectra = _spectra(descriptors)
        half = (spectra**2).sum(axis=(1, 2))[:, None] / 2
        # mirroring a picture turns the sign of its odd horizontal frequencies
        signs = np.where(np.arange(FREQUENCIES) % 2, -1.0, 1.0).astype(np.float32)
        self._sides = [
            np.hstack([part.reshape(len(spectra), FREQUENCIES**2), np.ones_like(half), -half])
            for part in (spectra, spectra * signs)[: 1 + mirrored]
        ]

    def pairs(self) -> Iterator[NearPairs]:
        """Yields pairs of the descriptors that may be near copies, each once with i < j, in batches."""
        return self._confirmed(self.descriptors, triangle=True)

    def copies_of(self, descriptors: Descriptors) -> Iterator[NearPairs]:
        """Yields pairs of new descriptors (i) and those of the search (j) that may be near copies, in batches.

        Args:
            descriptors: uint8 [M, width].
        """
        return self._confirmed(descriptors, triangle=False)

    def _confirmed(self, first: Descriptors, *, triangle: bool) -> Iterator[NearPairs]:
        for i, j in self._candidates(_spectra(first), triangle):
            straight, flipped = self._correlations(thumbnails(first[i]), thumbnails(self.descriptors[j]))
            if self.descriptors.shape[1] != THUMBNAIL**2:
                finer = self._correlations(standardised(first[i]), standardised(self.descriptors[j]))
                straight, flipped = (
                    np.where(fine >= PICTURE_CORRELATION, coarse, np.float32(-1.0))
                    for fine, coarse in zip(finer, (straight, flipped), strict=True)
                )
            yield NearPairs(i, j, straight, flipped)

    def _correlations(self, one: Pictures, two: Pictures) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Correlations of pictures of mean 0 and norm 1, as they are and mirrored, float32 [P] each."""
        straight = np.einsum("pyx,pyx->p", one, two)
        if not self.mirrored:
            return straight, np.full_like(straight, -1.0)
        return straight, np.einsum("pyx,pyx->p", one, two[:, :, ::-1])

    def _candidates(self, spectra: Pictures, triangle: bool) -> Iterator[tuple[Rows, Rows]]:
        """Yields rows, in batches, that are so near in their low frequencies that they may be the same picture."""
        half = (spectra**2).sum(axis=(1, 2))[:, None] / 2
        # with these two columns more, one product gives minus half the squared distance
        left = np.hstack([spectra.reshape(len(spectra), FREQUENCIES**2), -half, np.ones_like(half)])
        farthest = np.float32(COPY_CORRELATION - 1 - ROUNDING)
        for top in range(0, len(left), ROWS):
            for start in range(top if triangle else 0, len(self.descriptors), COLUMNS):
                close = np.logical_or.reduce(
                    [left[top : top + ROWS] @ side[start : start + COLUMNS].T >= farthest for side in self._sides]
                )
                rows, columns = np.divmod(np.flatnonzero(close), close.shape[1])
                i, j = rows + top, columns + start
                if triangle:
                    i, j = i[i < j], j[i < j]
                for at in range(0, len(i), CONFIRMED_AT_ONCE):
                    yield i[at : at + CONFIRMED_AT_ONCE], j[at : at + CONFIRMED_AT_ONCE]


def _cosines() -> NDArray[np.float32]:
    """The orthonormal DCT-II of the lowest frequencies, float32 [8, 32]; predictions need it, and SciPy takes long."""
    phases = np.pi * np.outer(np.arange(FREQUENCIES), np.arange(THUMBNAIL) + 0.5) / THUMBNAIL
    basis = np.cos(phases) * np.sqrt(2.0 / THUMBNAIL)
    basis[0] /= np.sqrt(2.0)
    return np.asarray(basis, dtype=np.float32)


def _spectra(descriptors: Descriptors) -> Pictures:
    """The lowest frequencies of the thumbnails, float32 [N, 8, 8]."""
    basis = _cosines()
    found = np.empty((len(descriptors), FREQUENCIES, FREQUENCIES), dtype=np.float32)
    for start in range(0, len(descriptors), COLUMNS):
        found[start : start + COLUMNS] = basis @ thumbnails(descriptors[start : start + COLUMNS]) @ basis.T
    return found
