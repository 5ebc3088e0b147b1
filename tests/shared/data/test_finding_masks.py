from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medtl.task import TASK
from shared.data.finding_masks import with_masks
from shared.data.split import Split
from shared.errors import ConfigError
from shared.samples import Sample
from shared.task import Preprocessing
from tests.shared.small_job import small_split

CLASSES = ("no_tumour", "tumour")
DRAWN = np.eye(16, dtype=np.bool_)


def _split(*masks: str | None) -> Split:
    split = small_split(len(masks), 0)
    samples = [replace(sample, mask=mask) for sample, mask in zip(split.samples, masks, strict=True)]
    return replace(split, samples=samples)


def _read(split: Split, monkeypatch: pytest.MonkeyPatch) -> Split:
    def read(_: object, sample: Sample, spec: Preprocessing) -> np.ndarray | None:
        return DRAWN if sample.mask else None

    monkeypatch.setattr(type(TASK), "read_mask", read)
    return with_masks(split, TASK, CLASSES, Preprocessing(16), lambda *_: None)


def test_a_negative_image_has_an_empty_mask_and_a_positive_one_without_a_mask_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    negative, marked, _, unmarked = _read(_split(None, "drawn.png", None, None), monkeypatch).masks
    assert negative is not None
    assert not negative.any()
    np.testing.assert_array_equal(marked, DRAWN)
    assert marked is not None
    assert marked.dtype == np.bool_
    assert unmarked is None


def test_an_image_without_a_label_is_not_known_to_show_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    split = _split(None, "drawn.png")
    found = _read(replace(split, labels=np.array([-1, 1])), monkeypatch)
    assert found.masks[0] is None


def test_data_without_any_mask_are_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no training image has a mask; give masks"):
        _read(_split(None, None), monkeypatch)
