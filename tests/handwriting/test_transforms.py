from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from handwriting.datasets import load, read
from handwriting.labels import CHARACTERS
from handwriting.transforms import images, preprocess
from shared.errors import ConfigError, DataError
from shared.io.archives import list_sources
from shared.samples import Sample
from shared.task import Preprocessing

SPEC = Preprocessing(32)
PHOTOGRAPHS = Preprocessing(32, 1, {"photographs": True})


def letter(rows: int = 60, columns: int = 50) -> NDArray[np.float32]:
    """A letter-like shape, ink 255 on paper 0: headline, stem and a bow."""
    ink = np.zeros((rows, columns), dtype=np.float32)
    ink[10:15, 8:42] = 255
    ink[10:50, 30:35] = 255
    ink[30:35, 15:32] = 255
    return ink


def correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def extent(image: NDArray[np.float32]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero((image[0] > 0.2).any(axis=1)), np.flatnonzero((image[0] > 0.2).any(axis=0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def test_result_is_light_ink_on_black_in_the_frame_of_dhcd() -> None:
    image = preprocess(letter(), SPEC)
    assert (image.dtype, image.shape) == (np.float32, (1, 32, 32))
    assert (image.min(), image.max()) == (0.0, 1.0)
    top, bottom, left, right = extent(image)
    assert (top, bottom) == (2, 29)
    # the box of 40 x 34 keeps its proportions: 28 x 24, in the middle
    assert (left, right) == (4, 27)


@pytest.mark.parametrize(("low", "high"), [(0, 255), (0, 1), (-3, 5), (0, 65535), (100, 140)])
def test_polarity_and_unit_do_not_matter(low: float, high: float) -> None:
    expected = preprocess(letter(), SPEC)
    light = low + letter() / 255 * (high - low)
    for pixels in (light, low + high - light, np.stack([low + high - light] * 3, axis=2)):
        np.testing.assert_allclose(preprocess(pixels.astype(np.float32), SPEC), expected, atol=2e-3)


def test_place_and_size_on_the_paper_do_not_matter() -> None:
    expected = preprocess(letter(), Preprocessing(64))
    page = np.full((300, 400), 250, dtype=np.float32)
    big = np.asarray(Image.fromarray(letter()).resize((150, 180), Image.Resampling.NEAREST))
    page[40:220, 200:350] -= big * 0.8
    assert correlation(preprocess(page, Preprocessing(64)), expected) > 0.97


def test_paper_is_found_where_the_crop_is_tight() -> None:
    dark = 255 - letter()[10:50, 8:42]  # the headline runs along the whole upper border
    np.testing.assert_allclose(preprocess(dark, SPEC), preprocess(letter(), SPEC), atol=1e-3)


def test_noise_and_specks_do_not_widen_the_box_but_a_dot_does() -> None:
    expected = preprocess(letter(), SPEC)
    rng = np.random.default_rng(0)
    noisy = 220 - letter() * 0.7 + rng.normal(0, 8, letter().shape).astype(np.float32)
    noisy[56, 46] = 20  # one pixel of dirt in a corner
    assert correlation(preprocess(noisy, SPEC), expected) > 0.97
    dotted = letter()
    dotted[44:48, 44:48] = 255
    assert extent(preprocess(dotted, SPEC))[3] > extent(expected)[3]


def test_margin_is_kept_free() -> None:
    assert extent(preprocess(letter(), Preprocessing(32, 1, {"margin": 0.25})))[:2] == (8, 23)
    assert extent(preprocess(letter(), Preprocessing(32, 1, {"margin": 0})))[:2] == (0, 31)


def test_thin_strokes_keep_their_proportions() -> None:
    line = np.zeros((40, 90), dtype=np.float32)
    line[20, 5:85] = 1
    top, bottom, left, right = extent(preprocess(line, SPEC))
    assert (left, right) == (2, 29)
    assert bottom == top


def photograph(ink: NDArray[np.float32], *, loss: float, light_ink: bool) -> NDArray[np.float32]:
    """A letter in the middle of a sheet or a blackboard, whose far corner has lost a share of the light."""
    sheet = np.pad(np.kron(ink / 255, np.ones((2, 2), np.float32)), 30)
    y, x = np.mgrid[: sheet.shape[0], : sheet.shape[1]] / np.array(sheet.shape).reshape(2, 1, 1)
    grey = 50 + 150 * sheet if light_ink else 230 - 150 * sheet
    noise = np.random.default_rng(0).normal(0, 3, sheet.shape)
    return (grey * (1 - loss * (x + y) / 2) + noise).astype(np.float32)


@pytest.mark.parametrize("light_ink", [False, True])
def test_the_light_of_a_photograph_does_not_matter(light_ink: bool) -> None:
    found = preprocess(photograph(letter(), loss=0.6, light_ink=light_ink), PHOTOGRAPHS)
    assert correlation(found, preprocess(letter(), PHOTOGRAPHS)) > 0.9  # noise moves the box by up to a pixel


def test_faint_ruling_is_no_ink() -> None:
    ruled = 250 - letter() * 0.8
    ruled[::12] -= np.where(letter()[::12] > 0, 0, 60).astype(np.float32)
    sheet = np.kron(ruled, np.ones((2, 2), np.float32))
    assert correlation(preprocess(sheet, PHOTOGRAPHS), preprocess(letter(), PHOTOGRAPHS)) > 0.9


def test_a_small_crop_is_no_photograph() -> None:
    crop = letter()[8:52, 5:45]
    np.testing.assert_array_equal(preprocess(crop, PHOTOGRAPHS), preprocess(crop, SPEC))


def test_a_photograph_of_bare_paper_is_refused() -> None:
    with pytest.raises(DataError, match="has no ink"):
        preprocess(np.tile(np.linspace(100, 101, 90, dtype=np.float32), (90, 1)), PHOTOGRAPHS)


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((5, 5), np.float32), "blank"),
        (np.full((5, 5), np.nan, np.float32), "not finite"),
        (np.zeros((5, 5, 2), np.float32), "shape"),
        (np.zeros((0, 5), np.float32), "shape"),
    ],
)
def test_what_cannot_be_a_character_is_refused(pixels: NDArray[np.float32], words: str) -> None:
    with pytest.raises(DataError, match=words):
        preprocess(pixels, SPEC)


def test_wrong_settings_are_refused() -> None:
    for spec in (Preprocessing(32, 3), Preprocessing(32, 1, {"crop": True}), Preprocessing(32, 1, {"margin": 0.5})):
        with pytest.raises(ConfigError):
            preprocess(letter(), spec)


@pytest.mark.parametrize("seed", range(20))
def test_any_pixels_with_contrast_give_a_valid_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.choice([rng.normal(size=(9, 17)), rng.integers(0, 2, (9, 17)), rng.random((9, 17)) ** 20])
    pixels[0, 0] += 1e-3
    image = preprocess(pixels.astype(np.float32), SPEC)
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() > 0.2


def make(root: Path, count: int) -> None:
    (root / "ka").mkdir(parents=True)
    for number in range(count):
        Image.fromarray(letter(60 + number).astype(np.uint8)).save(root / "ka" / f"{number}.png")


def test_images_are_those_of_preprocess_to_within_a_byte(tmp_path: Path) -> None:
    make(tmp_path, 3)
    samples = load(tmp_path, {}).samples
    kept = images(samples, SPEC, "data", read)
    assert len(kept) == 3
    for index, sample in enumerate(samples):
        assert kept[index].dtype == np.float32
        np.testing.assert_allclose(kept[index], preprocess(read(sample), SPEC), atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(kept[1:][0], kept[1])
    with pytest.raises(IndexError):
        kept[3]


def test_images_are_decoded_once_for_all_splits(tmp_path: Path) -> None:
    make(tmp_path, 4)
    samples, count = load(tmp_path, {}).samples, itertools.count()

    def counted(sample: Sample) -> np.ndarray:
        next(count)
        return read(sample)

    images(samples[:3], SPEC, "data", counted)
    images(samples[1:], SPEC, "data", counted)
    images(samples[::-1], SPEC, "data", counted)
    assert next(count) == 4
    images(samples[:1], replace(SPEC, size=48), "data", counted)
    images(samples[:1], SPEC, "other", counted)
    assert next(count) == 7


def test_damaged_files_are_reported_together_by_pseudonym(tmp_path: Path) -> None:
    make(tmp_path, 4)
    (tmp_path / "ka" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    Image.new("L", (9, 9)).save(tmp_path / "ka" / "2.png")
    samples = load(tmp_path, {}).samples
    with pytest.raises(DataError) as caught:
        images(samples, SPEC, "data", read)
    text = str(caught.value)
    assert text.startswith("2 images cannot be read")
    assert f"{samples[1].id}: the picture is damaged" in text
    assert f"{samples[2].id}: the image is blank" in text


@pytest.mark.data
def test_the_same_character_of_two_collections_looks_alike(data_dir: Path) -> None:
    """Mean images of all 46 classes: the collections differ in polarity, size and frame, and yet their means agree."""
    dhcd, nhcd = (list_sources(data_dir / name) for name in ("dhcd.zip", "nhcd.zip"))
    ours, theirs = [], []
    for label, one in CHARACTERS.items():
        if one.kind != "vowel":
            consonant = one.kind == "consonant"
            ours.append(mean_image(dhcd, f"Test/character_{one.number}_{label}/" if consonant else f"Test/{label}/"))
            theirs.append(mean_image(nhcd, f"nhcd/{'consonants' if consonant else 'numerals'}/{one.number}/"))
    table = np.array([[correlation(first, second) for second in theirs] for first in ours])
    assert table.shape == (46, 46)
    assert table.diagonal().min() > 0.6
    assert np.median(table.diagonal()) > np.median(table) + 0.25


def mean_image(sources: list[str], folder: str) -> NDArray[np.float32]:
    inside = [source for source in sources if f"::{folder}" in source]
    # spread over the folder: files of one writer lie side by side
    pixels = [read(Sample(id="x", source=source)) for source in inside[:: len(inside) // 30]]
    return np.mean([preprocess(one, SPEC) for one in pixels], axis=0)
