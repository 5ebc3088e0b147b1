"""Letters with signs above and below are told from bare ones by their place on the line."""

from __future__ import annotations

import numpy as np
import pytest

from handwriting.page.page import read_page
from handwriting.page.signs import headline_row

LETTER, STROKE, GAP = 60, 6, 24


def letter() -> np.ndarray:
    """A headline with a bar and a bow, like क."""
    ink = np.zeros((LETTER, LETTER), dtype=bool)
    ink[:STROKE] = True
    ink[:, 27:33] = True
    ink[24:30, 10:50] = True
    ink[24:46, 10:16] = True
    return ink


def line(signs: dict[int, str], count: int = 6) -> np.ndarray:
    """A page with a line of letters, some with a sign, dark on white."""
    page = np.zeros((200, count * (LETTER + GAP) + 80), dtype=bool)
    for number in range(count):
        left = 40 + number * (LETTER + GAP)
        page[70 : 70 + LETTER, left : left + LETTER] |= letter()
        sign = signs.get(number)
        if sign == "above":  # the arc of े or ै
            for step in range(20):
                page[50 + step : 56 + step, left + 12 + step : left + 18 + step] = True
        elif sign == "dot":  # the anusvara of कं
            page[50:60, left + 25 : left + 35] = True
        elif sign == "below":  # the hook of ु
            page[130:158, left + 27 : left + 33] = True
            page[152:158, left + 5 : left + 33] = True
        elif sign == "bent":  # ि: a bar of its own before the letter, whose arc bends over it
            page[70 : 70 + LETTER, left - 14 : left - 8] = True
            page[70:76, left - 20 : left] = True
            page[46:52, left - 14 : left + 26] = True
            page[46:76, left - 14 : left - 8] = True
            page[46:76, left + 20 : left + 26] = True
    return np.where(page, 20.0, 235.0).astype(np.float32)


def signed(signs: dict[int, str]) -> list[bool]:
    return [one.has_sign for one in read_page(line(signs)).characters]


def test_bare_letters_have_no_sign() -> None:
    assert signed({}) == [False] * 6


@pytest.mark.parametrize("sign", ["above", "dot", "below"])
def test_a_sign_is_seen_on_its_letter_alone(sign: str) -> None:
    assert signed({1: sign, 4: sign}) == [False, True, False, False, True, False]


def test_a_sign_that_bends_over_the_next_letter_belongs_to_both() -> None:
    found = signed({2: "bent"})
    assert any(found[2:4])
    assert not any(found[:2])
    assert not any(found[-2:])


def test_a_headline_may_slope() -> None:
    ink = np.zeros((60, 60), dtype=bool)
    for column in range(60):
        ink[8 + column // 8 : 13 + column // 8, column] = True
    assert headline_row(ink) is not None
    assert headline_row(np.flipud(ink)) is None
    assert headline_row(np.zeros((60, 60), dtype=bool)) is None
