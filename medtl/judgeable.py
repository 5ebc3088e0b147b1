"""Which slices of an input show enough of a head to be judged: `predict`, validation and tests all ask this."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medtl.head import ReducedCopy, reduced_copy
from medtl.little_head import compare_heads
from medtl.noise import is_noise, is_noisy_region
from shared.io.grey import to_grey


@dataclass(frozen=True)
class Judgeable:
    """The slices of one input, sorted by what they show.

    Attributes:
        kept: Indices of the slices that are judged, ascending.
        blank: Number of slices whose pixels are all alike.
        noise: Number of slices that show noise and no head.
        little: Number of slices that show too little head.
        reference: Area of the head on the slice of the strongest signal, as a share of its picture; 0 without any.
    """

    kept: tuple[int, ...]
    blank: int
    noise: int
    little: int
    reference: float


def judgeable(slices: Iterable[NDArray[np.float32]]) -> Judgeable:
    """Finds the slices of one input that show enough of a head to be judged.

    Such a slice is compared with the others of the input, so that which ones are given counts.

    Args:
        slices: Slices as they are stored, after `medtl.measured.measured`, float32 [rows, columns] or [rows, columns,
            3]. Taken one by one; only reduced copies are kept.
    """
    copies: dict[int, ReducedCopy] = {}
    blank = noise = 0
    for index, one in enumerate(slices):
        if one.min() == one.max():
            blank += 1
            continue
        grey = to_grey(one)
        copy = reduced_copy(grey)
        if is_noise(grey) or is_noisy_region(copy):
            noise += 1
        else:
            copies[index] = copy
    if not copies:
        return Judgeable((), blank, noise, 0, 0.0)
    compared = compare_heads(list(copies.values()))
    little = compared.little()
    kept = tuple(index for index, is_little in zip(copies, little, strict=True) if not is_little)
    return Judgeable(kept, blank, noise, sum(little), compared.reference)
