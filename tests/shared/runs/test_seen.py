"""What a run has seen: descriptors and groups, written and read back, and refused where they are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.data.descriptors import CopyRule, describe
from shared.errors import RunError
from shared.io.atomic import write_array
from shared.runs.folder import SEEN_DIGESTS, SEEN_IMAGES
from shared.runs.seen import Seen
from shared.samples import Sample

RULE = CopyRule(mirrored=False, altered=False)


def _images(*seeds: int) -> np.ndarray:
    return np.stack([describe(np.random.default_rng(seed).random((32, 32)), RULE) for seed in seeds])


def test_what_was_seen_is_read_back_and_told_from_what_is_new(tmp_path: Path) -> None:
    samples = [Sample("a", "", group="1f", has_global_group_id=True), Sample("b", "", group="2")]
    Seen.of(RULE, _images(1, 2, 2), samples).joined(Seen.of(RULE, _images(3), ())).write(tmp_path)
    seen = Seen.read(tmp_path, RULE)
    assert len(seen.images) == 3
    assert seen.groups == {"group:1f"}
    assert [seen.has_group_of(sample) for sample in samples] == [True, False]
    assert seen.copies(_images(3, 4)) == ["near", None]
    assert Seen.none(RULE).copies(_images(1)) == [None]


@pytest.mark.parametrize(
    "array", [np.zeros((2, 5), np.uint8), np.zeros((2, RULE.width)), np.zeros(RULE.width, np.uint8)]
)
def test_an_array_that_holds_no_descriptors_is_refused(array: np.ndarray, tmp_path: Path) -> None:
    Seen.none(RULE).write(tmp_path)
    write_array(tmp_path / SEEN_IMAGES, array)
    with pytest.raises(RunError, match=r"in place of uint8 \[images, 1024\]"):
        Seen.read(tmp_path, RULE)


@pytest.mark.parametrize("content", [b"", b"no array", None], ids=["empty", "text", "missing"])
def test_a_damaged_file_is_refused(content: bytes | None, tmp_path: Path) -> None:
    Seen.none(RULE).write(tmp_path)
    (tmp_path / SEEN_IMAGES).unlink()
    if content is not None:
        (tmp_path / SEEN_IMAGES).write_bytes(content)
    with pytest.raises(RunError, match="cannot be read"):
        Seen.read(tmp_path, RULE)


def test_what_is_passed_on_tells_identical_images_alone_and_no_group(tmp_path: Path) -> None:
    flat = np.zeros((1, RULE.width), dtype=np.uint8)
    shown = np.concatenate([_images(1, 2), flat])
    samples = [Sample("a", "", group="1f", has_global_group_id=True)] * 3
    Seen.of(RULE, shown, samples).without_pictures().write(tmp_path)
    seen = Seen.read(tmp_path, RULE)
    assert (len(seen.images), len(seen.digests), seen.groups) == (0, 3, frozenset())
    assert seen.copies(np.concatenate([_images(2, 3), _images(1) ^ 1, flat])) == ["near", None, None, None]
    both = Seen.of(RULE, _images(4), ()).joined(seen)
    assert both.copies(_images(1, 4, 5)) == ["near", "near", None]
    assert both.without_pictures().copies(_images(1, 4, 5)) == ["near", "near", None]


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros((2, 2), np.uint64)])
def test_digests_that_are_none_are_refused(array: np.ndarray, tmp_path: Path) -> None:
    Seen.none(RULE).write(tmp_path)
    write_array(tmp_path / SEEN_DIGESTS, array)
    with pytest.raises(RunError, match=r"seen_digests.npy holds .* in place of uint64 \[images\]"):
        Seen.read(tmp_path, RULE)
