"""How unlike the images of training an image is: its distance to their codes. NumPy alone: prediction imports this.

A network answers whatever it is shown, as surely for a knee as for a head. The score is one less the cosine between an
image's code and the code of its tenth nearest training image: 0 is alike, 1 is unrelated. Of a series it is the median
of its slices. What lies above a threshold that validation sets is not assessed.

Source: Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, arXiv 2204.06507 (codes of unit length,
the k-th nearest, a part of the training images is enough).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import RunError

FILE = "codes.npy"
NEIGHBOUR = 10
"""Codes of a fine-tuned SqueezeNet tell a knee and a CT from heads best with it (docs/lab-log.md). It was chosen on
the very images that the log reports: its rates flatter."""
KEPT = 2048
"""Training images whose codes are kept, drawn at random: some MiB. Source: Sun et al., section 5, find 1% enough."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """Codes of training images.

    Attributes:
        codes: float16 [M, width], of unit length.
    """

    codes: NDArray[np.float16]

    @classmethod
    def of(cls, codes: NDArray[np.floating]) -> Reference:
        """Of codes [M, width] as the network gives them."""
        return cls(_directions(codes).astype(np.float16))

    @classmethod
    def read(cls, run: Path) -> Reference:
        """Those of a run.

        Raises:
            RunError: The file is damaged.
        """
        try:
            codes = np.load(run / FILE, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise RunError(f"{run / FILE} cannot be read ({type(error).__name__}); train again") from None
        if codes.ndim != 2 or codes.dtype != np.float16 or not len(codes):
            raise RunError(f"{run / FILE} does not hold codes; train again")
        return cls(codes)

    @cached_property
    def _columns(self) -> NDArray[np.float32]:
        """Their transpose, [width, M], converted once: products of float16 have no fast routine."""
        return np.ascontiguousarray(self.codes.T, dtype=np.float32)

    def scores(self, codes: NDArray[np.floating]) -> Values:
        """The score of each of some codes [N, width], float64 [N] in 0..2."""
        similar = _directions(codes) @ self._columns
        nearest = min(NEIGHBOUR, len(self.codes))
        return np.asarray(1.0 - np.partition(similar, -nearest, axis=1)[:, -nearest], dtype=np.float64)


def of_series(slices: Values) -> float:
    """The score of a series from those of its slices [slices], at least one.

    The median: the first and last slices of a head, which are unlike the rest, do not decide.
    """
    return float(np.median(slices))


def _directions(codes: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(codes, axis=1, keepdims=True)
    # a code of zeros has no direction and is like nothing
    return np.asarray(codes / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)
