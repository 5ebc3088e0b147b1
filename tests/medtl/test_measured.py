"""What was measured: grey slices, whose background is filled, in training as in prediction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from medtl.datasets import load
from medtl.inputs import read_inputs
from medtl.measured import fill_background, measured
from medtl.sample_pixels import read
from shared.errors import DataError, InputRefused

SIDE = 128
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
RADIUS = np.hypot((ROWS - 64) / 1.2, COLUMNS - 64)
HEAD = np.where(RADIUS < 45, 600 + 3 * COLUMNS + 80 * np.sin(ROWS / 6), 12 + ROWS % 7).astype(np.float32)
"""A head with air around it."""


def with_gap(gap: np.ndarray, value: float = np.nan) -> np.ndarray:
    return np.where(gap, np.float32(value), HEAD)


def notch() -> np.ndarray:
    """A hollow of the outline, open to the outside, as between chin and neck."""
    return np.asarray((RADIUS >= 45) | ((np.abs(ROWS - 100) < 5) & (np.abs(COLUMNS - 90) < 8)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_outside_the_head_is_background(value: float) -> None:
    around = RADIUS >= 45
    (filled,), notes = fill_background([with_gap(around, value)])
    np.testing.assert_array_equal(filled, np.where(around, HEAD[~around].min(), HEAD))
    assert notes == ("values outside the head are no numbers (NaN or infinite): taken as background",)


@pytest.mark.parametrize(
    "gap",
    [
        notch(),
        (RADIUS >= 45) | ((np.abs(ROWS - 80) < 6) & (COLUMNS > 84)),  # down to the brain, as at the skull base
        ROWS + COLUMNS < 60,  # a corner that a rotation left empty
        (ROWS % 9 == 0) & (COLUMNS % 7 == 0) & (RADIUS > 50),  # single pixels of air, where a quotient had no noise
        ROWS < 24,
        (RADIUS >= 45) & (np.minimum(ROWS, COLUMNS) > 3) & (np.maximum(ROWS, COLUMNS) < 124),  # made square with 0
    ],
)
def test_a_gap_outside_or_at_the_outline_is_background(gap: np.ndarray) -> None:
    (filled,), notes = fill_background([with_gap(gap)])
    np.testing.assert_array_equal(filled, np.where(gap, HEAD[~gap].min(), HEAD))
    assert len(notes) == 1


@pytest.mark.parametrize(
    "gap",
    [
        (np.abs(ROWS - 64) < 6) & (np.abs(COLUMNS - 80) < 6),
        (ROWS == 70) & (COLUMNS == 50),
        np.abs(ROWS - 64) < 2,  # a band from border to border
        ROWS == 60,
        (np.abs(COLUMNS - 64) < 2) & (ROWS < 80),
        RADIUS < 44,
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_within_the_head_is_refused(gap: np.ndarray, value: float) -> None:
    with pytest.raises(InputRefused, match=r"within the head that are no numbers .* on 1 of 2 slices; write it again"):
        fill_background([HEAD, with_gap(gap, value)])


def test_a_slice_without_any_number_is_blank() -> None:
    (first, second), notes = fill_background([HEAD, np.full_like(HEAD, np.nan)])
    np.testing.assert_array_equal(first, HEAD)
    assert not second.any()
    assert "on 1 of 2 slices" in notes[0]


@pytest.mark.parametrize("fill", [-2000, -1, 63536, 5000])
def test_a_fill_that_nobody_stated_is_background(fill: int) -> None:
    around = np.hypot(ROWS - 64, COLUMNS - 64) > 66
    (filled,), notes = fill_background([np.where(around, np.float32(fill), HEAD)])
    np.testing.assert_array_equal(filled, np.where(around, HEAD[~around].min(), HEAD) if fill != -1 else with_minus())
    assert len(notes) == (fill != -1)


def with_minus() -> np.ndarray:
    """-1 is too near to zero to be told from air."""
    return np.where(np.hypot(ROWS - 64, COLUMNS - 64) > 66, np.float32(-1), HEAD)


def test_usual_backgrounds_stay_as_they_are() -> None:
    skull_stripped = np.where(RADIUS < 45, HEAD, 0)
    standardised = np.where(RADIUS < 45, (HEAD - 800) / 100, -8).astype(np.float32)
    white_around = np.where(RADIUS < 45, HEAD / 5, 255).astype(np.float32)
    for one in (HEAD, skull_stripped, standardised, white_around, np.zeros_like(HEAD)):
        (filled,), notes = fill_background([one])
        np.testing.assert_array_equal(filled, one)
        assert notes == ()


def coloured(map_number: int) -> np.ndarray:
    grey = np.clip(HEAD / 4, 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(grey, map_number), cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize(
    "name", ["JET", "HOT", "HSV", "VIRIDIS", "PLASMA", "INFERNO", "RAINBOW", "COOL", "WINTER", "TURBO", "PARULA"]
)
def test_false_colours_are_refused(name: str) -> None:
    with pytest.raises(InputRefused, match="map in colour"):
        measured([coloured(getattr(cv2, f"COLORMAP_{name}")).astype(np.float32)])


@pytest.mark.parametrize("name", ["JET", "HOT", "PINK"])
def test_false_colours_are_refused_also_where_the_head_fills_a_small_part_of_the_picture(name: str) -> None:
    head = coloured(getattr(cv2, f"COLORMAP_{name}")).astype(np.float32)
    picture = np.zeros((3 * head.shape[0], 3 * head.shape[1], 3), np.float32)
    picture[: head.shape[0], : head.shape[1]] = head
    with pytest.raises(InputRefused, match="map in colour"):
        measured([picture])


def test_a_coloured_letter_on_a_nearly_empty_slice_is_a_mark() -> None:
    picture = np.random.default_rng(0).uniform(0, 9, (128, 128, 1)).repeat(3, axis=2).astype(np.float32)
    picture[4:14, 4:14] = (255, 60, 0)
    measured([picture])


def test_a_map_in_colour_over_a_grey_slice_is_refused() -> None:
    grey = np.repeat(np.clip(HEAD / 4, 0, 255)[..., np.newaxis], 3, axis=2)
    over = np.where((RADIUS < 20)[..., np.newaxis], coloured(cv2.COLORMAP_JET), grey).astype(np.float32)
    with pytest.raises(InputRefused, match="map in colour"):
        measured([over])


def test_grey_in_colour_is_read_with_its_marks_and_tints(tmp_path: Path) -> None:
    grey = np.clip(HEAD / 4, 0, 255).astype(np.uint8)
    marked = np.repeat(grey[..., np.newaxis], 3, axis=2)
    marked[4:8, 20:110] = (250, 20, 20)  # a ruler
    tinted = (marked * np.array([0.9, 0.95, 1.0])).astype(np.uint8)  # a photographed screen
    for name, picture in {"marked.png": marked, "tinted.png": tinted}.items():
        Image.fromarray(picture).save(tmp_path / name)
    Image.fromarray(tinted).save(tmp_path / "tinted.jpg", quality=30)
    items = list(read_inputs([tmp_path]))
    assert [item.refusal for item in items] == [None] * 3


def write_classes(folder: Path, write: Callable[[Path, int], None]) -> None:
    for label in ("glioma", "no_tumour"):
        (folder / label).mkdir(parents=True)
        for number in range(2):
            write(folder / label / f"{number}.png", number)


def test_training_refuses_false_colours_and_names_them(tmp_path: Path) -> None:
    write_classes(tmp_path, lambda path, number: Image.fromarray(coloured(cv2.COLORMAP_JET + number)).save(path))
    samples = load(tmp_path, {}).samples
    assert samples
    with pytest.raises(DataError, match=r"map in colour.*png"):
        read(samples[0])


def test_training_and_prediction_read_the_same_pixels(tmp_path: Path) -> None:
    values = with_gap(RADIUS >= 50)
    grey = np.clip(HEAD / 4, 0, 255).astype(np.uint8)
    clear = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(np.where(RADIUS < 50, 255, 0).astype(np.uint8))])
    for label in ("glioma", "no_tumour"):
        (tmp_path / label).mkdir()
        Image.fromarray(values).save(tmp_path / label / "a.tif")
        clear.save(tmp_path / label / "b.png")
    seen = [read(sample) for sample in load(tmp_path, {}).samples]
    asked = [item.slices[0] for item in read_inputs([tmp_path])]
    assert len(seen) == len(asked) == 4
    for one, other in zip(seen, asked, strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.isfinite(one).all()
        assert one[0, 0] == one.min()
