"""Training keeps slices with little head, and says how many of them are labelled as tumours."""

from __future__ import annotations

import numpy as np
import pytest

from medtl.labelled_heads import LabelledHeads
from medtl.transforms import images
from shared.samples import Sample
from shared.task import Preprocessing

ROWS, COLUMNS = np.mgrid[-1 : 1 : 64 * 1j, -1 : 1 : 64 * 1j]


def head(radius: float) -> np.ndarray:
    return np.where(np.hypot(ROWS, COLUMNS) < radius, 100 + 20 * np.sin(9 * ROWS), 0).astype(np.float32)


def series(label: str) -> list[Sample]:
    """Three slices, the last with little head, of which the first is tumour-free."""
    return [Sample(str(number), "", "no_tumour" if number == 0 else label, series="a") for number in range(3)]


def read(sample: Sample) -> np.ndarray:
    return head({"0": 0.7, "1": 0.6, "2": 0.2}[sample.id])


def test_all_slices_are_kept_and_tumours_with_little_head_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    assert len(images(series("glioma"), Preprocessing(32, 1), "data", read)) == 3
    assert "1 of 2 images that are labelled as tumours show little head" in caplog.text


def test_images_that_are_read_from_disk_are_counted_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    few, spec = series("glioma")[1:2], Preprocessing(32, 1)
    images(few, spec, "data", read)
    images(series("glioma"), spec, "data", read)
    caplog.clear()
    images(series("glioma"), spec, "data", lambda _: pytest.fail("it was read again"))
    assert "1 of 2 images that are labelled as tumours show little head" in caplog.text


def test_tumour_free_slices_with_little_head_need_no_word(caplog: pytest.LogCaptureFixture) -> None:
    assert len(images(series("no_tumour"), Preprocessing(32, 1), "data", read)) == 3
    assert caplog.text == ""


def test_a_picture_without_a_series_is_compared_with_none() -> None:
    samples = [Sample("0", "", "tumour"), Sample("1", "", "tumour")]
    heads = LabelledHeads(samples, "data")
    for sample, radius in zip(samples, (0.8, 0.3), strict=True):
        heads.add(sample, head(radius))
    assert heads.note(read) == ""
