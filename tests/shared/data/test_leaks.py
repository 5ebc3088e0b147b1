"""Which parts of a given split are not independent."""

from __future__ import annotations

import numpy as np

from shared.data.group_split import group_units
from shared.data.leaks import Leak, find_leaks
from shared.samples import Sample


def _find(rows: list[tuple[str, str | None, int]]) -> tuple[Leak, ...]:
    """Leaks among samples given as (split, group, cluster)."""
    samples = [Sample(str(i), "", split=part or None, group=group) for i, (part, group, _) in enumerate(rows)]
    clusters = np.array([cluster for *_, cluster in rows])
    return find_leaks(samples, clusters, group_units(samples, clusters), np.ones(len(rows), dtype=bool))


def test_parts_that_share_nothing_leak_nothing() -> None:
    assert _find([("train", "a", 0), ("validation", "b", 1), ("test", "c", 2)]) == ()


def test_copies_and_their_patients_are_counted_apart() -> None:
    (leak,) = _find([("train", None, 0), ("train", None, 1), ("test", "p", 0), ("test", "p", 2), ("test", "q", 3)])
    assert (leak.split, leak.earlier.tolist(), leak.later.tolist()) == ("test", [0], [2, 3])
    assert (leak.duplicates, leak.size) == (1, 3)
    assert leak.sentence == (
        "1 of 3 test images are duplicates of training or validation images, 1 more are of the same groups"
    )


def test_a_patient_on_both_sides_leaks_without_any_copy() -> None:
    (leak,) = _find([("train", "p", 0), ("test", "p", 1)])
    assert (leak.duplicates, leak.later.tolist()) == (0, [1])


def test_copies_between_training_and_validation_are_found_too() -> None:
    (leak,) = _find([("train", None, 0), ("validation", None, 0), ("test", None, 1)])
    assert (leak.split, leak.later.tolist()) == ("validation", [1])


def test_a_sample_without_a_split_follows_its_group_and_leaks_nothing() -> None:
    assert _find([("", "p", 0), ("test", "p", 0), ("train", "q", 1)]) == ()
