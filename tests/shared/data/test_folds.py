"""Folds of few labelled images: every class stays in what is left, and what belongs together is held out together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.data.folds import FOLDS, Folds, domain_folds, draw_folds
from shared.data.group_split import group_units
from shared.errors import DataError
from shared.samples import Sample


def _samples(each: int, classes: int = 3) -> list[Sample]:
    return [Sample(f"{label}-{i}", "", f"class {label}") for label in range(classes) for i in range(each)]


@pytest.mark.parametrize(("each", "count"), [(1, 0), (2, 2), (3, 3), (5, FOLDS), (20, FOLDS)])
def test_there_are_as_many_folds_as_a_class_has_images_up_to_five(each: int, count: int) -> None:
    samples = _samples(each)
    folds = draw_folds(samples, group_units(samples), seed=0)
    assert folds.count == len(list(folds.parts())) == count
    judged = [i for _, held_out in folds.parts() for i in held_out.tolist()]
    assert sorted(judged) == (list(range(len(samples))) if count else [])
    for rest, held_out in folds.parts():
        assert not set(rest) & set(held_out)
        assert len(np.unique(folds.labels[rest])) == len(np.unique(folds.labels[held_out])) == 3


@pytest.mark.parametrize("seed", range(5))
def test_a_patient_and_the_copies_of_a_picture_are_held_out_together(seed: int) -> None:
    samples = [replace(one, group=f"patient {i // 2}") for i, one in enumerate(_samples(8, classes=2))]
    copies = [0 if i in (1, 6) else i for i in range(len(samples))]  # joins the first patient with the fourth
    units = group_units(samples, copies)
    folds = draw_folds(samples, units, seed)
    assert folds.count >= 2
    for unit in np.unique(units):
        assert len(np.unique(folds.numbers[units == unit])) == 1
    for rest, _ in folds.parts():
        assert set(folds.labels[rest]) == {0, 1}


def test_a_class_of_one_patient_cannot_be_held_out() -> None:
    samples = [replace(one, group="the only one" if one.label == "class 0" else None) for one in _samples(6)]
    folds = draw_folds(samples, group_units(samples), seed=0)
    assert folds.count == 0
    assert "nothing was chosen" in folds.statement


def test_the_draw_depends_on_the_seed_alone() -> None:
    samples = _samples(10)
    renamed = [replace(one, group=f"other {one.id}") for one in samples]
    first, again, other = (
        draw_folds(those, group_units(those), seed).numbers.tolist()
        for those, seed in ((samples, 1), (renamed, 1), (samples, 2))
    )
    assert first == again
    assert first != other


def test_a_selection_of_images_keeps_their_folds_and_may_leave_nothing_to_hold_out() -> None:
    folds = Folds(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), np.arange(4))
    assert folds.at(np.array([3, 0, 1, 2])).numbers.tolist() == [1, 0, 1, 0]
    assert folds.at(np.array([0, 2, 3])).count == 0


def test_each_domain_is_a_fold_and_training_without_it_leaves_out_its_patients_elsewhere() -> None:
    domains = ["a", "a", "b", "b", "c", "c"]
    samples = [Sample(f"{i}", "", f"class {i % 2}", domain=name) for i, name in enumerate(domains)]
    units = np.array([0, 1, 0, 2, 3, 4])  # the first of b is a copy of the first of a
    folds = domain_folds(samples, units)
    assert folds.count == 3
    assert [(rest.tolist(), held.tolist()) for rest, held in folds.parts()] == [
        ([3, 4, 5], [0, 1]),
        ([1, 4, 5], [2, 3]),
        ([0, 1, 2, 3], [4, 5]),
    ]
    assert "3 domains of these, each judged by a network that was trained without it," in folds.statement


@pytest.mark.parametrize(
    ("domains", "said"),
    [
        (("a", "a", "a", "a"), "all training images are of one, a"),
        (("a", "b", "a", "b"), "no image of a class is left"),
    ],
    ids=["one domain", "a class of one domain"],
)
def test_domains_that_cannot_be_held_out_are_refused(domains: str, said: str) -> None:
    samples = [Sample(f"{i}", "", f"class {i % 2}", domain=name) for i, name in enumerate(domains)]
    with pytest.raises(DataError, match=said):
        domain_folds(samples, np.arange(len(samples)))
