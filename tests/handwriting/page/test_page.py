"""Pages composed of drawn shapes, of DHCD's characters and of fonts, with the truth about every box."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.pages import (
    Composition,
    Style,
    compose_page,
    cut_correctly,
    dhcd_test,
    measure,
    overlap,
    random_words,
    true_boxes,
    type_page,
)
from handwriting.labels import CHARACTERS
from handwriting.page.page import MAX_PIXELS, draw_boxes, read_page
from handwriting.transforms import preprocess
from shared.errors import DataError
from shared.task import Preprocessing

FONTS = Path("/usr/share/fonts/truetype")
FONT = FONTS / "lohit-devanagari" / "Lohit-Devanagari.ttf"
PLAIN = Style(noise=2.0, texture=1.0)
WORDS = [[3, 2], [4], [2, 3, 1]]


def shape(label: str) -> NDArray[np.float32]:
    """Like क (stem and bows), ग (a hook, a gap, a bar) or ० (a ring), ink 1 in a frame of 32 x 32."""
    ink = np.zeros((32, 32), dtype=np.float32)
    row, column = np.mgrid[:32, :32]
    if label == "digit_0":
        return ((np.hypot(row - 16, column - 16) < 13) & (np.hypot(row - 16, column - 16) > 9)).astype(np.float32)
    ink[2:5, 2:30] = 1
    if label == "ga":
        ink[2:20, 12:15] = 1
        ink[17:20, 5:15] = 1
        ink[2:30, 22:25] = 1
    else:
        ink[2:30, 15:18] = 1
        ink[12:15, 6:26] = 1
        ink[12:22, 6:9] = 1
        ink[12:22, 23:26] = 1
    return ink


def page_of(style: Style, seed: int = 0, cycle: tuple[str, ...] = ("ka", "ga")) -> Composition:
    labels = [cycle[index % len(cycle)] for index in range(sum(map(sum, WORDS)))]
    return compose_page([shape(one) for one in labels], labels, WORDS, style, np.random.default_rng(seed))


@pytest.mark.parametrize("joined", [False, True])
def test_characters_are_cut_in_reading_order_by_lines_and_words(joined: bool) -> None:
    composition = page_of(replace(PLAIN, joined=joined))
    page = read_page(composition.pixels)
    assert [[len(word.characters) for word in line] for line in page.lines] == WORDS
    boxes = [character.box for character in page.characters]
    assert all(overlap(*pair) >= 0.5 for pair in zip(true_boxes(composition, page), boxes, strict=True))


def test_a_gap_below_the_headline_does_not_part_a_letter_from_its_bar() -> None:
    for seed in range(3):
        composition = page_of(replace(PLAIN, joined=True), seed, cycle=("ga",))
        assert cut_correctly(composition, read_page(composition.pixels)) == (15, 15)


@pytest.mark.parametrize("degrees", [-10, -3, 4, 10])
def test_the_slant_of_the_page_is_found_and_undone(degrees: int) -> None:
    composition = page_of(replace(PLAIN, joined=True, skew_degrees=degrees))
    page = read_page(composition.pixels)
    assert page.angle_degrees == pytest.approx(degrees, abs=0.8)
    assert cut_correctly(composition, page) == (15, 15)


@pytest.mark.parametrize(
    "change",
    [
        {"shade": 0.6},
        {"noise": 14.0},
        {"texture": 6.0},
        {"ruled": True},
        {"light_ink": True},
        {"light_ink": True, "noise": 12.0, "texture": 5.0},
        {"height": 30},
        {"height": 160},
    ],
    ids=lambda change: ", ".join(f"{name}={value}" for name, value in change.items()),
)
def test_light_noise_paper_polarity_and_size_do_not_matter(change: dict[str, float]) -> None:
    style = replace(PLAIN, joined=True, **change)
    composition = page_of(style)
    page = read_page(composition.pixels)
    assert page.light_ink == style.light_ink
    assert cut_correctly(composition, page) == (15, 15)


def test_a_shadow_and_the_table_around_the_paper_are_no_ink() -> None:
    composition = page_of(replace(PLAIN, joined=True))
    pixels = composition.pixels.copy()
    pixels[:, pixels.shape[1] // 2 :] *= 0.5
    assert cut_correctly(composition, read_page(pixels)) == (15, 15)
    framed = np.pad(composition.pixels, 100, constant_values=50)
    assert len(read_page(framed).characters) == 15


def test_unit_and_colour_do_not_matter() -> None:
    pixels = page_of(PLAIN).pixels
    expected = [character.box for character in read_page(pixels).characters]
    for other in (pixels * 257, pixels / 255, np.stack([pixels] * 3, axis=2)):
        assert [character.box for character in read_page(other.astype(np.float32)).characters] == expected


def test_words_of_consonants_have_a_headline_and_numbers_have_none() -> None:
    composition = page_of(replace(PLAIN, joined=True))
    for word in (word for line in read_page(composition.pixels).lines for word in line):
        assert word.headline_row is not None
        top = min(character.box[0] for character in word.characters)
        assert word.headline_row - top < PLAIN.height / 4
    numbers = read_page(page_of(PLAIN, cycle=("digit_0",)).pixels)
    assert [word.headline_row for line in numbers.lines for word in line] == [None] * 6


def test_a_crop_shows_its_character_alone_and_preprocess_takes_it() -> None:
    composition = page_of(replace(PLAIN, joined=True))
    page = read_page(composition.pixels)
    image = preprocess(page.characters[0].pixels, Preprocessing(32))
    alone = preprocess(shape("ka"), Preprocessing(32))
    other = preprocess(shape("ga"), Preprocessing(32))
    likeness, unlikeness = (np.corrcoef(image.ravel(), one.ravel())[0, 1] for one in (alone, other))
    assert likeness > unlikeness + 0.1
    for character in page.characters:
        row0, column0, row1, column1 = character.box
        rows, columns = character.pixels.shape
        assert character.pixels.dtype == np.float32
        assert 0 < rows - (row1 - row0) < PLAIN.height
        assert 0 < columns - (column1 - column0) < PLAIN.height
        # the border is paper, though neighbours and their headline touch the box
        rim = np.concatenate([character.pixels[[0, -1]].ravel(), character.pixels[:, [0, -1]].ravel()])
        assert np.ptp(rim) == 0
        assert rim[0] > 180


def test_one_character_is_a_page_too() -> None:
    for label in ("ka", "ga", "digit_0"):
        pixels = 230 - 180 * np.kron(shape(label), np.ones((2, 2), np.float32))
        (character,) = read_page(pixels).characters
        assert overlap(character.box, (4, 4, 60, 60)) > 0.6


def test_the_drawing_is_a_png_of_the_deskewed_page_with_coloured_boxes() -> None:
    page = read_page(page_of(replace(PLAIN, skew_degrees=5)).pixels)
    image = Image.open(io.BytesIO(draw_boxes(page)))
    assert image.format == "PNG"
    assert image.size == page.picture.shape[::-1]
    pixels = np.asarray(image).astype(int)
    for character in page.characters:
        row, column = character.box[0], (character.box[1] + character.box[3]) // 2
        assert np.ptp(pixels[row, column]) > 60


def blank(noise: float, shadow: bool = False) -> NDArray[np.float32]:
    light = np.full((300, 400), 210.0)
    light[:, 200:] *= 0.5 if shadow else 1
    return (light + np.random.default_rng(0).normal(0, noise, light.shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.full((40, 40), 7, np.float32), "blank"),
        (blank(2), "no character was found"),
        (blank(12), "no character was found"),
        (blank(4, shadow=True), "no character was found"),
        (np.zeros((8, 300), np.float32), "at least 16 x 16"),
        (np.full((40, 40), np.nan, np.float32), "not finite"),
        (np.zeros((40, 40, 2), np.float32), "shape"),
        (np.broadcast_to(np.float32(0), (MAX_PIXELS // 1000 + 1, 1000)), "scale it down"),
    ],
)
def test_what_cannot_be_a_page_is_refused(pixels: NDArray[np.float32], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_page(pixels)


def test_printed_lines_are_cut_without_a_fault() -> None:
    if not FONT.is_file():
        pytest.skip("the Devanagari font Lohit is not installed")
    random = np.random.default_rng(3)
    known = [one.label for one in CHARACTERS.values() if one.kind != "vowel"]
    labels, words = random_words(known, random, lines=4, numbers=0.2)
    composition = type_page(FONT, labels, words, replace(PLAIN, skew_degrees=-6), random)
    page = read_page(composition.pixels)
    assert cut_correctly(composition, page) == (len(labels), len(labels))
    assert [[len(word.characters) for word in line] for line in page.lines] == words


@pytest.mark.skipif(not FONT.exists(), reason=f"{FONT} is not there")
def test_printed_words_end_with_their_headline_however_close_they_stand() -> None:
    picture = Image.new("L", (900, 200), 230)
    face = ImageFont.truetype(str(FONT), 90)
    ImageDraw.Draw(picture).text((40, 50), "कखग चछज ठड १२३", font=face, fill=40)
    page = read_page(np.asarray(picture, dtype=np.float32))
    assert [[len(word.characters) for word in line] for line in page.lines] == [[3, 3, 2, 3]]


@pytest.mark.data
@pytest.mark.parametrize(("joined", "share"), [(False, 0.98), (True, 0.95)])
def test_pages_of_real_characters_are_cut_into_them(data_dir: Path, joined: bool, share: float) -> None:
    """Synthetic pages, DHCD's characters; `python -m benchmarks.pages` measures more of them."""
    images = dhcd_test(data_dir / "dhcd.zip", each=5)
    right, true, found = np.sum(list(measure(images, joined=joined, pages=3)), axis=0)
    assert right >= share * true
    assert found <= true * (2 - share)
