"""The size of a marked finding: the area of its mask, as a share of what the image shows and in mm2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError
from shared.progress import Progress
from shared.samples import Sample
from shared.task import Image, Preprocessing, Task

DARK = 0.05
"""Brightness up to which a pixel of a preprocessed image, 0 to 1, is background: noise around an object lies below. Of
slices of `gbm_dicom.zip` and `cheng_masks.zip` a median of 0.54 and 0.61 of the pixels is brighter (at 0.1, 0.53 and
0.58; above 0, 0.98 and 0.95, which is noise)."""


@dataclass(frozen=True)
class FindingSize:
    """The size of the marked finding of one image.

    Attributes:
        share: Area of the mask as a share of the object, 0 to 1: of the pixels that are not dark, or in the mask. 0
            where the mask covers no whole pixel of the preprocessed image.
        mm2: Area of the mask in mm2; None where the file does not state the spacing of its pixels.
    """

    share: float
    mm2: float | None


def finding_size(task: Task, sample: Sample, image: Image, spec: Preprocessing) -> FindingSize | None:
    """Measures the marked finding of one image; reads its mask.

    Args:
        task: The application, which reads the mask.
        sample: The sample.
        image: Its preprocessed image, float32 [channels, size, size], 0 to 1.
        spec: The preprocessing of the image.

    Returns:
        The size; None where the sample has no mask, or one that cannot be read: the size is then not known.
    """
    if sample.mask is None:
        return None
    try:
        mask = task.read_mask(sample, spec)
        pixel_mm = task.pixel_mm(sample, spec)
    except DataError:
        return None
    if mask is None:
        return None
    area = int(mask.sum())
    seen = int(((np.asarray(image).max(axis=0) > DARK) | mask).sum())
    return FindingSize(area / seen if seen else 0.0, None if pixel_mm is None else area * pixel_mm**2)


def finding_sizes(
    task: Task,
    samples: Sequence[Sample],
    positive: NDArray[np.bool_],
    images: Sequence[Image],
    spec: Preprocessing,
    progress: Progress,
) -> list[FindingSize | None]:
    """Measures the marked findings of the positive images; no other mask is read.

    Args:
        task: The application, which reads the masks.
        samples: The N samples.
        positive: bool [N], whether each is positive.
        images: [N] preprocessed images, float32 [channels, size, size], 0 to 1.
        spec: The preprocessing of the images.
        progress: Called with (what, done, total, note).

    Returns:
        [N] sizes, as `finding_size` gives them; None of negative images.
    """
    found: list[FindingSize | None] = [None] * len(samples)
    chosen = [index for index in np.flatnonzero(positive).tolist() if samples[index].mask is not None]
    for done, index in enumerate(chosen, start=1):
        found[index] = finding_size(task, samples[index], images[index], spec)
        progress("measuring findings", done, len(chosen), "")
    return found
