from __future__ import annotations

import pytest

from shared.experiments.advice.recipes import FINETUNE, PROBE, PROBE_AUTO
from shared.experiments.advice.rules import SCENARIOS, is_alike, size_of, tuning_pays


@pytest.mark.parametrize(
    ("counts", "groups", "images", "size"),
    [
        ({"a": 500, "b": 500}, 1000, 1000, "large"),
        ({"a": 980, "b": 20}, 1000, 1000, "small"),
        ({"a": 500, "b": 500}, 11, 1000, "small"),
        ({"a": 500, "b": 500}, 200, 1000, "large"),
    ],
)
def test_size_counts_the_rarest_class_and_groups(counts: dict[str, int], groups: int, images: int, size: str) -> None:
    assert size_of(counts, groups, images) == size


def test_images_are_like_imagenets_where_no_earlier_layer_does_much_better() -> None:
    assert is_alike(0.90, 0.91)
    assert not is_alike(0.70, 0.90)


def test_few_labels_call_for_heads_and_many_for_fine_tuning() -> None:
    assert SCENARIOS["small", True][0] == PROBE
    assert SCENARIOS["small", False][0] == PROBE_AUTO
    assert {SCENARIOS["large", alike][0] for alike in (True, False)} == {FINETUNE}


def test_fine_tuning_is_advised_where_it_gains() -> None:
    assert tuning_pays(0.01)
    assert not tuning_pays(0.0)
    assert not tuning_pays(-0.01)
