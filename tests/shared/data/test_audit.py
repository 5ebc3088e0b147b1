"""The audit: which images are copies, to the last pixel, nearly, or mirrored, and which are only alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from shared.data import audit as module
from shared.data import near_copies
from shared.data.audit import AuditResult, audit, from_arrays, to_arrays
from shared.data.copies import copy_rule_of
from shared.data.descriptors import CopyRule, describe, grey_of, thumbnails
from shared.data.near_copies import COPY_CORRELATION
from shared.errors import DataError
from shared.samples import Sample

Picture = NDArray[np.float32]


def _picture(seed: int, side: int = 96) -> Picture:
    noise = np.random.default_rng(seed).normal(size=(side, side))
    return (gaussian_filter(noise, 5.0) * 1000 + 500).astype(np.float32)


def _audit(pictures: list[Picture | None], labels: list[str] | None = None, **options: bool) -> AuditResult:
    samples = [Sample(f"id{i}", str(i), (labels or ["a"] * len(pictures))[i]) for i in range(len(pictures))]

    def read(sample: Sample) -> Picture:
        found = pictures[int(sample.source)]
        if found is None:
            raise DataError("the picture is damaged")
        return found

    return audit(samples, read, CopyRule(**{"mirrored": True, "altered": False} | options))


def _kinds(result: AuditResult) -> dict[tuple[int, int], str]:
    return {(pair.i, pair.j): pair.kind for pair in result.pairs}


def test_copies_are_found_by_their_kind() -> None:
    original = _picture(0)
    brighter = original * np.float32(1.3) + 40
    cropped = original[1:, 1:]
    mirrored = np.ascontiguousarray(original[:, ::-1])
    result = _audit([original, _picture(1), original.copy(), brighter, cropped, mirrored])
    found = _kinds(result)
    assert found[0, 2] == "pixels"
    assert found[0, 3] == found[0, 4] == "near"
    assert found[0, 5] == "mirrored"
    assert not any(1 in pair for pair in found)
    assert len(set(result.clusters[[0, 2, 3, 4, 5]].tolist())) == 1
    assert result.clusters[1] != result.clusters[0]


def test_mirror_images_are_others_where_the_task_says_so() -> None:
    pictures = [_picture(0), np.ascontiguousarray(_picture(0)[:, ::-1])]
    assert _audit(pictures).pairs
    assert not _audit(pictures, mirrored=False).pairs


def test_what_was_kept_of_an_audit_is_the_same_with_the_labels_of_now() -> None:
    original = _picture(0)
    pictures = [original, None, original.copy(), np.zeros((96, 96), np.float32), original * np.float32(1.3) + 40]
    kept = to_arrays(_audit(pictures))
    for labels in (["a"] * 5, ["a", "a", "b", "a", "a"]):
        anew = _audit(pictures, labels)
        again = from_arrays([Sample(f"id{i}", str(i), label) for i, label in enumerate(labels)], kept)
        for name in ("pairs", "unreadable", "blank", "contradictions", "faults"):
            assert getattr(again, name) == getattr(anew, name), name
        np.testing.assert_array_equal(again.clusters, anew.clusters)
        np.testing.assert_array_equal(again.descriptors, anew.descriptors)
    assert again.contradictions


def test_the_search_finds_what_comparing_all_thumbnails_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_copies, "ROWS", 16)
    monkeypatch.setattr(near_copies, "COLUMNS", 48)
    monkeypatch.setattr(near_copies, "CONFIRMED_AT_ONCE", 5)
    random = np.random.default_rng(7)
    pictures: list[Picture | None] = [_picture(seed, 48) for seed in range(60)]
    for seed in range(60):
        # noise of all sizes, so that correlations lie on both sides of the limit
        noise = random.normal(scale=random.uniform(0, 25), size=(48, 48))
        pictures.append((_picture(seed, 48) + noise).astype(np.float32))
    rule = CopyRule(mirrored=True, altered=False)
    small = thumbnails(np.stack([describe(picture, rule) for picture in pictures if picture is not None]))
    straight = np.einsum("iyx,jyx->ij", small, small)
    flipped = np.einsum("iyx,jyx->ij", small, small[:, :, ::-1])
    expected = {(int(i), int(j)) for i, j in np.argwhere(np.triu(np.maximum(straight, flipped) >= COPY_CORRELATION, 1))}
    assert 10 < len(expected) < 60
    assert set(_kinds(_audit(pictures))) == expected


def test_damaged_and_blank_images_are_told_and_not_compared() -> None:
    blank = np.full((40, 40), 7.0, dtype=np.float32)
    broken = np.full((40, 40), np.nan, dtype=np.float32)
    result = _audit([blank, None, blank.copy(), broken, _picture(0)])
    assert result.blank == (0, 2)
    assert result.unreadable == (1, 3)
    assert len(result.faults) == 2
    assert "values that are not finite" in result.faults[1]
    assert result.of_first(3).faults == result.faults[:1]
    assert result.why_unreadable().startswith("2 of 5 images cannot be read (1 of them: ")
    assert result.of_first(1).why_unreadable() == ""
    assert not result.pairs
    assert len(set(result.clusters.tolist())) == 5


@pytest.mark.parametrize("image", [None, np.zeros((40, 40), dtype=np.float32)], ids=["damaged", "blank"])
def test_images_none_of_which_can_be_compared_are_told(image: np.ndarray | None) -> None:
    result = _audit([image, image])
    assert result.unreadable + result.blank == (0, 1)
    assert not result.pairs


def test_copies_with_different_labels_contradict_each_other() -> None:
    result = _audit([_picture(0), _picture(0), _picture(1), _picture(1)], ["glioma", "no_tumour", "glioma", "glioma"])
    assert [(pair.i, pair.j) for pair in result.contradictions] == [(0, 1)]
    assert result.counts()["contradictions"] == 1
    assert result.counts()["pairs_pixels"] == 2
    assert result.counts()["copies"] == 2


def test_a_leak_is_found_through_copies_in_between() -> None:
    pairs = (module.Pair(0, 1, "near", 0.995), module.Pair(1, 2, "near", 0.995))
    result = AuditResult(pairs, module._clusters(pairs, 4), (), ())
    assert result.leaked([0], [2, 3]) == [2]
    assert result.across([0], [1, 2]) == [pairs[0]]


def test_a_pattern_finer_than_the_thumbnail_makes_no_pairs() -> None:
    stripes = np.zeros((64, 64), dtype=np.float32)
    stripes[::2] = 1.0
    checks = np.indices((64, 64)).sum(axis=0).astype(np.float32) % 2
    assert not _audit([stripes, checks]).pairs


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "across", "images"),
    [pytest.param("sartaj.zip", 251, 394, marks=pytest.mark.slow), ("navoneel.zip", 0, 253)],  # a minute of a core
)
def test_known_copies_of_real_sets_are_found(data_dir: Path, name: str, across: int, images: int) -> None:
    from medtl.task import TASK

    dataset = TASK.load(data_dir / name, options=dict(TASK.default_options))
    result = audit(dataset.samples, TASK.read, copy_rule_of(TASK))
    testing = [i for i, sample in enumerate(dataset.samples) if sample.split == "test"]
    learning = sorted(set(range(len(dataset.samples))) - set(testing))
    if across:
        exact = {p.j if p.j in set(testing) else p.i for p in result.across(learning, testing) if p.kind == "pixels"}
        assert (len(exact), len(testing)) == (across, images)
        assert len(result.leaked(learning, testing)) >= 255
    else:
        assert len(dataset.samples) == images
        # all altered pairs were looked at: 11 of 210 pictures are others with another frame or contrast
        assert result.counts()["pairs_altered"] == 17
        assert len(dataset.samples) - result.counts()["copies"] == 199


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_grey_has_the_bits_of_the_mean_of_the_colours(dtype: type[np.generic]) -> None:
    pixels = (np.random.default_rng(0).random((17, 13, 3)) * 255).astype(dtype)
    expected = pixels.mean(axis=2)
    found = grey_of(pixels)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)
    assert grey_of(expected) is expected
