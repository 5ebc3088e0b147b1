"""The judges of handwriting's released model: that drawings and pictures are what they are said to be."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.character_pictures import KINDS, picture
from benchmarks.devanagari_released import Judged, table
from benchmarks.mouse_drawings import HANDS, INK, PEN_WIDTHS, SIDE, drawings, read_strokes
from handwriting.inputs import character_item
from handwriting.labels import CHARACTERS
from shared.prediction.answer import Answer


def test_every_character_of_dhcd_is_drawn_by_every_hand_with_every_pen() -> None:
    known = [label for label, one in CHARACTERS.items() if one.kind != "vowel"]
    assert list(read_strokes()) == known
    found = drawings(0)
    assert len(found) == len(known) * len(HANDS) * len(PEN_WIDTHS)
    for canvas in found.values():
        assert canvas.shape == (SIDE, SIDE)
        assert canvas[[0, -1]].min() == canvas[:, [0, -1]].min() == 255
        assert canvas.min() == INK
    ink = [np.mean([(found[label, "quick", width] < 128).mean() for label in known]) for width in PEN_WIDTHS]
    assert ink == sorted(ink)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_files_that_are_read_and_depend_on_the_draw(kind: str) -> None:
    image = np.zeros((32, 32), dtype=np.float32)
    image[4:8, 4:28] = image[4:28, 18:22] = 1.0
    first, again, other = (picture(image, kind, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other
    item = character_item(kind, first)
    assert item.refusal is None
    assert min(item.slices[0].shape[:2]) > 48


def test_an_answer_counts_only_where_it_was_given() -> None:
    likely = {"ka": 0.2, "kha": 0.5, "ga": 0.2, "gha": 0.1}
    answers = [
        Answer("a", "m", "assessed", decision="accepted", probabilities=likely),
        Answer("b", "m", "assessed", decision="rejected", probabilities=likely),
        Answer("c", "m", "not assessed", probabilities=likely),
        Answer("d", "m", "refused", "blank"),
    ]
    rows = table([Judged("kind", "kha", one) for one in answers])
    assert rows[2] == "| kind | 4 | 0.500 | 0.750 | 0.500 | 0.500 | 0.250 | 0: 0.0000 [0.0000, 0.7935] |"
    wrong = table([Judged("kind", "gha", one) for one in answers])
    assert wrong[2].startswith("| kind | 4 | 0.500 | 0.000 | 0.000 | 0.000 | 0.250 | 1: 1.0000")
