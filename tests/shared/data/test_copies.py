"""Which alterations leave a picture a copy, by one test for pairs and for new images, and which are another picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift

from shared.data.altered_copies import ALTERED_CORRELATION, align, edge_correlation
from shared.data.copies import CopySearch, Kind, copies_text
from shared.data.descriptors import PICTURE, CopyRule, content_box, describe, pictures, thumbnails

Picture = NDArray[np.float32]
HEADS = CopyRule(mirrored=True, altered=True)
CHARACTERS = CopyRule(mirrored=False, altered=False)


def _head(seed: int, side: int = 128) -> Picture:
    """An ellipse on black with structures of its own, 0 to 255."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius = np.hypot(rows / random.uniform(0.6, 0.75), columns / random.uniform(0.5, 0.65))
    tissue = gaussian_filter(random.normal(size=(side, side)), side / 40)
    inside = 120 + 50 * tissue / tissue.std() + 60 * (np.abs(radius - 0.95) < 0.05)
    return np.clip(np.where(radius < 1, inside, 3.0), 0, 255).astype(np.float32)


def _descriptors(found: list[Picture], rule: CopyRule = HEADS) -> NDArray[np.uint8]:
    return np.stack([describe(picture, rule) for picture in found])


ALTERED: dict[str, Callable[[Picture], Picture]] = {
    "gamma": lambda picture: 255 * (picture / 255) ** 0.5,
    "windowed": lambda picture: np.clip(2 * picture - 120, 0, 255),
    "inverted": lambda picture: 255 - picture,
    "sharpened": lambda picture: np.clip(3 * picture - 2 * gaussian_filter(picture, 2), 0, 255),
    "shifted": lambda picture: shift(picture, (7, -6), order=1),
    "cropped": lambda picture: picture[6:, 4:-3],
    "padded": lambda picture: np.pad(picture, ((4, 12), (10, 3))),
    "mirrored, gamma": lambda picture: 255 * (picture[:, ::-1] / 255) ** 1.8,
}


@pytest.mark.parametrize("kind", ALTERED)
def test_an_altered_picture_is_a_copy_and_other_pictures_are_not(kind: str) -> None:
    heads = [_head(seed) for seed in range(12)]
    search = CopySearch(_descriptors(heads), HEADS)
    copy = ALTERED[kind](heads[5]).astype(np.float32)
    assert search.kinds(_descriptors([copy, _head(99)])) == ["altered", None]
    assert search.kinds(_descriptors([copy, copy]), altered_among={1}) == [None, "altered"]
    joined = CopySearch(_descriptors([*heads, copy]), HEADS)
    known = {(pair.i, pair.j) for pair in joined.near_pairs()}
    assert [(pair.i, pair.j, pair.kind) for pair in joined.altered_pairs(known, lambda *_: None)] == [
        (5, 12, "altered")
    ]


def test_new_images_are_told_by_the_plainest_kind() -> None:
    heads = [_head(seed) for seed in range(6)]
    mirrored, brighter = np.ascontiguousarray(heads[1][:, ::-1]), heads[2] * np.float32(1.4) + 9
    found = CopySearch(_descriptors(heads), HEADS).kinds(_descriptors([heads[0], mirrored, brighter, _head(50)]))
    assert found == ["near", "mirrored", "near", None]
    assert copies_text(found) == "2 near, 1 mirrored"
    nothing: list[Kind | None] = [None]
    assert CopySearch(_descriptors(heads)[:0], HEADS).kinds(_descriptors([heads[0]])) == nothing


def test_characters_are_neither_mirrored_nor_altered_copies() -> None:
    one = _head(3, 32)
    search = CopySearch(_descriptors([one], CHARACTERS), CHARACTERS)
    others = [np.ascontiguousarray(one[:, ::-1]), np.roll(one, 2, axis=1), 255 * (one / 255) ** 0.4]
    assert search.kinds(_descriptors([one, *map(np.float32, others)], CHARACTERS)) == ["near", None, None, None]


def test_pairs_that_are_known_are_not_found_again() -> None:
    heads = _descriptors([_head(1), 255 * (_head(1) / 255) ** 0.5])
    search = CopySearch(heads, HEADS)
    assert len(list(search.altered_pairs(set(), lambda *_: None))) == 1
    assert not list(search.altered_pairs({(0, 1)}, lambda *_: None))


def test_a_descriptor_holds_the_picture_whatever_its_range_and_colours() -> None:
    head = _head(7)
    for same in (head * np.float32(16) - 500, np.repeat(head[..., None], 3, axis=2)):
        np.testing.assert_allclose(describe(same, HEADS).astype(int), describe(head, HEADS), atol=2)
    assert (len(describe(head, HEADS)), len(describe(head, CHARACTERS))) == (HEADS.width, CHARACTERS.width)
    small = thumbnails(_descriptors([head]))[0]
    assert (small.shape, float(small.sum())) == ((32, 32), pytest.approx(0, abs=1e-4))
    assert float((small**2).sum()) == pytest.approx(1)


def test_a_pattern_finer_than_the_descriptor_is_a_copy_of_nothing() -> None:
    stripes = np.zeros((PICTURE * 2, PICTURE * 2), dtype=np.float32)
    stripes[::2] = 1.0
    found = _descriptors([stripes, stripes.T])
    assert not found.any()
    assert CopySearch(found, HEADS).kinds(found) == [None, None]


def test_the_content_box_is_that_of_what_is_not_dark() -> None:
    picture = np.full((48, 48), 4, dtype=np.float32)
    picture[10:30, 5:40] = 200
    assert np.abs(np.array(content_box(picture)) - (10, 30, 5, 40)).max() <= 1
    picture[:] = 4
    picture[20:24, 20:24] = 200
    assert content_box(picture) == (0, 48, 0, 48)


def test_alignment_finds_the_shift_and_only_then_edges_correlate() -> None:
    one = pictures(_descriptors([_head(1)]))[0]
    other = shift(one, (3, -2), order=1, mode="nearest").astype(np.float32)
    start = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32)
    found = align(one, other, start)
    assert found is not None
    np.testing.assert_allclose(found[:, 2], (2, -3), atol=0.7)
    assert edge_correlation(one, other, start) < 0.6 < ALTERED_CORRELATION < edge_correlation(one, other, found)


def test_pictures_with_little_content_are_altered_copies_of_nothing() -> None:
    rows, columns = np.mgrid[-1:1:128j, -1:1:128j]
    ovals = [
        np.where(np.hypot(rows / size, columns / (0.8 * size)) < 1, 200.0, 3.0).astype(np.float32)
        for size in (0.2, 0.26)
    ]
    pairs = CopySearch(_descriptors(ovals), HEADS).altered_pairs(set(), lambda *_: None)
    assert not list(pairs)
    large = [np.where(np.hypot(rows / size, columns / size) < 1, 200.0, 3.0).astype(np.float32) for size in (0.5, 0.6)]
    assert list(CopySearch(_descriptors(large), HEADS).altered_pairs(set(), lambda *_: None))
