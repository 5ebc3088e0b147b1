"""What a report says of many classes."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from shared.data.split import Split
from shared.evaluation.cases import Rule
from shared.evaluation.evaluate import evaluate
from shared.reporting.class_report import (
    MAX_EXAMPLES,
    class_rows,
    confusion_pictures,
    confusion_tree,
    curve_tree,
    find_confusions,
    scale_start,
    shaded,
)
from shared.samples import Grouping, Sample

CLASSES = ("a", "b", "c")
TRUTH = [0] * 10 + [1] * 10 + [2] * 10
CALLED = [0] * 10 + [1] * 4 + [2] * 6 + [2] * 8 + [0] * 2
"""Of b six are taken for c, of c two for a."""


def _say(label: str) -> str:
    return f"<{label}>"


@pytest.fixture
def probabilities() -> np.ndarray:
    rows = np.full((30, 3), 0.1)
    # the surest last, so that order must be looked for
    rows[np.arange(30), CALLED] = np.linspace(0.5, 0.8, 30)
    return rows / rows.sum(axis=1, keepdims=True)


@pytest.fixture
def split() -> Split:
    samples = [Sample(f"image-{i}", "nowhere.png", CLASSES[k]) for i, k in enumerate(TRUTH)]
    images = [np.full((1, 8, 8), i / 30, dtype=np.float32) for i in range(30)]
    return Split(samples, images, np.array(TRUTH), Grouping.of(samples, range(30)))


@pytest.fixture
def result(probabilities: np.ndarray, split: Split) -> dict:
    return evaluate(
        probabilities,
        split.labels,
        Rule(CLASSES, (False, False, False), 0.75),
        grouping=split.grouping,
        domains=["x"] * 30,
    )


def test_the_worst_class_comes_first_with_what_it_was_taken_for(result: dict) -> None:
    rows = class_rows(result, CLASSES, _say)
    assert [row["label"] for row in rows] == ["b", "c", "a"]
    assert rows[0]["said"] == "<b>"
    assert rows[0]["recall"] == result["recall"]["b"]
    assert [row["taken_for"] for row in rows] == [
        [{"label": "c", "said": "<c>", "count": 6}],
        [{"label": "a", "said": "<a>", "count": 2}],
        [],
    ]


def test_a_class_without_an_image_comes_last(result: dict) -> None:
    result["recall"]["b"] = {"value": None, "reason": "no such sample"}
    rows = class_rows(result, CLASSES, _say)
    assert [row["label"] for row in rows] == ["c", "a", "b"]


def test_the_scale_of_rates_shows_the_lowest_interval() -> None:
    assert scale_start([{"low": 0.17}, {"low": 0.62}, {"value": None}]) == 0.1
    assert scale_start([{"low": 0.99}]) == 0.9
    assert scale_start([]) == 0.0


def test_confused_pairs_come_by_number_with_their_surest_examples(probabilities: np.ndarray, split: Split) -> None:
    first, second = find_confusions(probabilities, split.labels)
    assert (first.truth, first.called, first.count) == (1, 2, 6)
    assert first.mistaken == (19, 18, 17, 16)
    assert first.right == (27, 26, 25, 24)
    assert (second.truth, second.called, second.count, second.mistaken) == (2, 0, 2, (29, 28))
    assert len(first.right) == MAX_EXAMPLES


def test_no_mistake_is_no_pair(split: Split) -> None:
    assert find_confusions(np.eye(3)[split.labels], split.labels) == []


def test_the_pictures_are_those_of_the_samples_named_and_say_what_was_accepted(
    probabilities: np.ndarray, split: Split
) -> None:
    confusions = find_confusions(probabilities, split.labels)
    tree = confusion_tree(confusions, split, probabilities, CLASSES, _say)
    assert tree[0]["truth"] == {"label": "b", "said": "<b>"}
    assert tree[0]["of"] == 10
    assert [one["sample"] for one in tree[0]["mistaken"]] == ["image-19", "image-18", "image-17", "image-16"]
    threshold = tree[0]["mistaken"][1]["probability"]
    card = confusion_pictures(tree, confusions, split, threshold)[0]
    assert [one["accepted"] for one in card["mistaken"]] == [True, True, False, False]
    png = base64.b64decode(card["mistaken"][0]["image"].removeprefix("data:image/png;base64,"))
    assert np.unique(np.asarray(Image.open(io.BytesIO(png)))).tolist() == [round(255 * 19 / 30)]


def test_the_matrix_is_shaded_by_the_share_of_a_row() -> None:
    cells = shaded([[90, 10, 0], [4, 4, 0], [0, 0, 0]])
    assert [[cell["count"] for cell in row] for row in cells] == [[90, 10, 0], [4, 4, 0], [0, 0, 0]]
    assert [[cell["shade"] for cell in row] for row in cells] == [[0, 0.2, 0], [1, 0, 0], [0, 0, 0]]


def test_the_curve_of_the_json_ends_with_all_answers(probabilities: np.ndarray, split: Split) -> None:
    points = curve_tree({"test": probabilities}, {"test": split})["test"]
    assert points[-1]["coverage"] == 1.0
    assert points[-1]["error"] == pytest.approx(8 / 30)
    assert all(set(point) == {"threshold", "coverage", "error"} for point in points)
