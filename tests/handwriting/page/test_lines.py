from __future__ import annotations

import numpy as np

from handwriting.page.lines import Components, find_lines, text_height, without_specks


def marks(places: list[tuple[int, int, int, int]]) -> np.ndarray:
    mask = np.zeros((300, 400), dtype=np.bool_)
    for row, column, rows, columns in places:
        mask[row : row + rows, column : column + columns] = True
    return mask


def test_height_is_that_of_the_writing_and_not_of_the_many_specks() -> None:
    specks = [(200, column, 2, 2) for column in range(0, 400, 8)]
    components = Components.from_mask(marks([(20, 50 * index, 40, 30) for index in range(4)] + specks))
    assert text_height(components) == 40
    assert text_height(Components.from_mask(marks([]))) == 0


def test_specks_go_and_dots_stay() -> None:
    letters, dot, speck = [(20, 50 * index, 40, 30) for index in range(4)], (45, 90, 5, 5), (150, 150, 2, 2)
    cleaned = without_specks(marks([*letters, dot, speck]))
    np.testing.assert_array_equal(cleaned, marks([*letters, dot]))


def test_bent_and_overlapping_lines_are_kept_apart_from_top_to_bottom() -> None:
    # the second line sinks by 45 rows, below where the first one's letters end at the other side
    first = [(20 + 5 * index, 40 * index, 40, 30) for index in range(9)]
    second = [(75 + 5 * index, 40 * index, 40, 30) for index in range(9)]
    components = Components.from_mask(marks([*second, *first]))
    lines = find_lines(components)
    tops = [sorted(int(components.boxes[one, 0]) for one in line) for line in lines]
    assert tops == [[20 + 5 * index for index in range(9)], [75 + 5 * index for index in range(9)]]


def test_a_dot_joins_its_line_and_dirt_far_away_joins_none() -> None:
    components = Components.from_mask(marks([(20, 20, 40, 30), (100, 20, 40, 30), (130, 55, 8, 8), (280, 380, 8, 8)]))
    assert [len(line) for line in find_lines(components)] == [1, 2]
