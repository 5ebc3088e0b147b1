"""A page that lies on its side or upside down is noticed; an upright one is left in peace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.pages import Style, dhcd_test, random_page
from handwriting.page.page import read_page
from handwriting.page.turned import turned_notes
from tests.handwriting.page.test_page import PLAIN, page_of

WORDS = {1: "90 degrees clockwise", 2: "upside down", 3: "90 degrees counter-clockwise"}


def turned(pixels: np.ndarray, quarters: int) -> tuple[str, ...]:
    """The notes on a page that was turned clockwise by so many quarters."""
    return read_page(np.ascontiguousarray(np.rot90(pixels, -quarters))).notes


def test_an_upright_page_is_not_noted() -> None:
    assert turned(page_of(PLAIN).pixels, 0) == ()


@pytest.mark.parametrize("quarters", WORDS)
def test_a_turned_page_is_noticed(quarters: int) -> None:
    (note,) = turned(page_of(PLAIN).pixels, quarters)
    assert WORDS[quarters] in note


def test_digits_and_few_letters_say_nothing() -> None:
    assert turned(page_of(PLAIN, cycle=("digit_0",)).pixels, 2) == ()
    headline_below = np.zeros((40, 40), dtype=bool)
    headline_below[-5:] = True
    headline_below[:, 18:22] = True
    assert turned_notes([headline_below] * 3) == ()
    assert "upside down" in turned_notes([headline_below] * 4)[0]
    assert turned_notes([]) == ()


@pytest.mark.data
@pytest.mark.parametrize("joined", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_pages_of_real_characters_are_noticed_when_they_are_turned(data_dir: Path, joined: bool) -> None:
    images = dhcd_test(data_dir / "dhcd.zip", each=4)
    random = np.random.default_rng((7, int(joined)))
    pixels = random_page(images, Style.drawn(random, joined=joined), random).pixels
    assert turned(pixels, 0) == ()
    for quarters, words in WORDS.items():
        assert words in turned(pixels, quarters)[0]
