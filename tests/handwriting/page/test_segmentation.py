from __future__ import annotations

import numpy as np

from handwriting.page.lines import Components
from handwriting.page.segmentation import Cut, cut_line

HEIGHT, STROKE = 40, 5.0


def word(*letters: str, gap: int = 8, headline: bool = True) -> np.ndarray:
    """Letters of 40 rows: `o` a box below the headline, `g` a hook and a bar, `.` a box and a dot, as in ङ."""
    mask = np.zeros((60, 400), dtype=np.bool_)
    left = 10
    for letter in letters:
        if letter == "g":
            mask[10:35, left + 6 : left + 11] = True
            mask[30:35, left : left + 11] = True
            mask[10:50, left + 22 : left + 27] = True
            width = 27
        else:
            mask[10:50, left + 10 : left + 15] = True
            mask[25:30, left : left + 25] = mask[45:50, left : left + 25] = True
            width = 25
            if letter == ".":
                mask[30:36, left + 29 : left + 35] = True
                width = 35
        if headline:
            mask[10:15, left : left + width] = True
        left += width + gap
    if headline:
        mask[10:15, 10 : left - gap] = True
    return mask


def cut(mask: np.ndarray) -> list[Cut]:
    components = Components.from_mask(mask)
    return cut_line(components, range(1, len(components.boxes)), height=HEIGHT, stroke=STROKE)


def test_every_pixel_of_a_word_belongs_to_one_character() -> None:
    mask = word("o", "g", ".", "o")
    cuts = cut(mask)
    assert len(cuts) == 4
    painted = np.zeros(mask.shape, dtype=int)
    for one in cuts:
        row0, column0, row1, column1 = one.box
        painted[row0:row1, column0:column1] += one.ink
    np.testing.assert_array_equal(painted, mask)


def test_bars_and_dots_stay_with_the_letter_on_their_left() -> None:
    assert [one.box[1] for one in cut(word("g", "o", "g"))] == [10, 41, 74]
    dotted = cut(word(".", "o"))
    assert dotted[0].box[3] >= 45


def test_a_headline_is_parted_in_the_middle_of_the_gap_and_marked() -> None:
    first, second = cut(word("o", "o", gap=10))
    assert first.box[3] == second.box[1]
    assert abs(first.box[3] - 40) <= 1
    assert first.headline[:5].mean() > 0.6
    assert not first.headline[6:].any()


def test_letters_that_touch_are_cut_at_the_thinnest_place() -> None:
    mask = word("o", "o", "o", gap=8)
    mask[47:50, 34:45] = True
    cuts = cut(mask)
    assert len(cuts) == 3
    assert abs(cuts[0].box[3] - 39) <= 5


def test_dots_alone_are_no_characters() -> None:
    mask = word("o")
    mask[40:45, 300:305] = True
    assert len(cut(mask)) == 1
    assert cut(mask & (np.arange(400) > 200)) == []
