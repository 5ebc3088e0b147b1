"""The size of a marked finding is its share of what the image shows, and its area where the spacing is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from handwriting.task import HandwritingTask
from shared.errors import DataError
from shared.evaluation.finding_size import FindingSize, finding_size, finding_sizes
from shared.samples import Sample
from shared.task import Preprocessing

SPEC = Preprocessing(20)
MARKED = Sample("0", "", mask="mask.png")


class Marked(HandwritingTask):
    """A task whose masks are given, and which counts how many are read."""

    def __init__(self, mask: Any, spacing_mm: float | None = None) -> None:
        self.mask, self.spacing_mm, self.reads = mask, spacing_mm, 0

    def read_mask(self, sample: Sample, spec: Preprocessing) -> Any:
        self.reads += 1
        if isinstance(self.mask, Exception):
            raise self.mask
        return self.mask

    def pixel_mm(self, sample: Sample, spec: Preprocessing) -> float | None:
        return self.spacing_mm


def _image() -> Any:
    """A head of 10 x 10 bright pixels in faint noise."""
    image = np.full((1, 20, 20), 0.02, dtype=np.float32)
    image[0, 5:15, 5:15] = 0.6
    return image


def _mask(rows: int) -> Any:
    mask = np.zeros((20, 20), dtype=bool)
    mask[5 : 5 + rows, 5:10] = True
    return mask


def test_size_is_the_share_of_what_is_not_dark_and_mm2_where_known() -> None:
    assert finding_size(Marked(_mask(2)), MARKED, _image(), SPEC) == FindingSize(0.1, None)
    found = finding_size(Marked(_mask(2), 2.5), MARKED, _image(), SPEC)
    assert found is not None
    assert found.mm2 == pytest.approx(10 * 2.5**2)


def test_a_dark_finding_counts_among_what_is_shown() -> None:
    image = _image()
    image[0, 5:10, 5:10] = 0.0
    assert finding_size(Marked(_mask(5)), MARKED, image, SPEC) == FindingSize(0.25, None)


def test_a_finding_too_small_for_a_pixel_is_known_to_be_small() -> None:
    assert finding_size(Marked(_mask(0), 1.0), MARKED, _image(), SPEC) == FindingSize(0.0, 0.0)


@pytest.mark.parametrize("mask", [None, DataError("mask.png is damaged")])
def test_what_cannot_be_read_has_no_size(mask: Any) -> None:
    assert finding_size(Marked(mask), MARKED, _image(), SPEC) is None


def test_only_masks_of_positive_images_are_read() -> None:
    task, samples = Marked(_mask(2)), [MARKED, MARKED, Sample("2", "")]
    steps: list[tuple[int, int]] = []
    found = finding_sizes(
        task,
        samples,
        np.array([True, False, True]),
        [_image()] * 3,
        SPEC,
        lambda what, done, total, note: steps.append((done, total)),
    )
    assert found == [FindingSize(0.1, None), None, None]
    assert (task.reads, steps) == (1, [(1, 1)])
