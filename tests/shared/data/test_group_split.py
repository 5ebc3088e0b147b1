"""Splits: what belongs together stays together, every class stands everywhere, and the seed decides the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.data.group_split import draw_split, few_groups, group_units, k_shot
from shared.errors import DataError, LeakError
from shared.samples import SPLITS, Sample

FRACTIONS = (0.6, 0.2, 0.2)


def _samples(groups: Sequence[int], classes: int = 2, domains: int = 1) -> list[Sample]:
    """One sample for each entry, in its group; a group has one class."""
    return [
        Sample(f"id{i}", "", f"class {group % classes}", f"group {group}", f"domain {group // classes % domains}")
        for i, group in enumerate(groups)
    ]


def _patients(count: int, slices: int = 5, **shape: int) -> list[Sample]:
    return _samples([patient for patient in range(count) for _ in range(slices)], **shape)


def _split(samples: Sequence[Sample], seed: int = 0, clusters: Sequence[int] | None = None) -> dict[str, list[int]]:
    splits = draw_split(samples, seed=seed, fractions=FRACTIONS, units=group_units(samples, clusters))
    return {name: [int(i) for i in splits[name]] for name in SPLITS}


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 30), min_size=60, max_size=120), st.integers(0, 1000))
def test_a_group_is_never_divided_and_no_sample_is_lost(groups: list[int], seed: int) -> None:
    samples = _samples([*range(12), *groups])
    splits = _split(samples, seed)
    assert sorted(i for rows in splits.values() for i in rows) == list(range(len(samples)))
    held = [{samples[i].group for i in rows} for rows in splits.values()]
    assert not held[0] & held[1]
    assert not held[0] & held[2]
    assert not held[1] & held[2]


def test_duplicates_join_their_groups_through_others() -> None:
    samples = _patients(20, 2)
    clusters = list(range(len(samples)))
    clusters[2], clusters[4] = clusters[1], clusters[3]  # patient 0 with 1, 1 with 2
    units = group_units(samples, clusters)
    assert len(set(units[:6].tolist())) == 1
    assert len(set(units.tolist())) == 18
    for seed in range(5):
        splits = _split(samples, seed, clusters)
        assert sum(bool({0, 1, 2, 3, 4, 5} & set(rows)) for rows in splits.values()) == 1


def test_each_part_holds_every_class_and_about_its_share_of_each_domain() -> None:
    samples = _patients(60, classes=3, domains=2)
    splits = _split(samples)
    for name, share in zip(SPLITS, FRACTIONS, strict=True):
        for kind in range(3):
            for domain in range(2):
                found = [
                    i
                    for i in splits[name]
                    if (samples[i].label, samples[i].domain) == (f"class {kind}", f"domain {domain}")
                ]
                assert len(found) == pytest.approx(share * len(samples) / 6, abs=10)


def test_a_rare_class_reaches_every_part() -> None:
    samples = [*_samples(range(0, 200, 2)), *(Sample(f"rare{i}", "", "rare", f"rare {i}") for i in range(3))]
    for seed in range(10):
        splits = _split(samples, seed)
        assert all(any(samples[i].label == "rare" for i in rows) for rows in splits.values())


def test_a_class_with_too_few_groups_is_refused_by_name() -> None:
    samples = [*_patients(20), *(Sample(f"rare{i}", "", "rare", "the only one") for i in range(9))]
    with pytest.raises(DataError, match=r"class rare has no sample in .* 9 samples form 1 groups"):
        _split(samples)


def test_the_split_of_the_data_is_kept() -> None:
    samples = [replace(sample, split="test" if i < 20 else "train") for i, sample in enumerate(_patients(30))]
    splits = _split(samples)
    assert splits["test"] == list(range(20))
    assert splits["validation"]


def test_a_group_in_two_given_splits_is_a_leak() -> None:
    samples = _patients(30)
    given = [replace(s, split="test" if i % 5 == 0 else "train") for i, s in enumerate(samples)]
    with pytest.raises(LeakError, match="into both train and test"):
        _split(given)


def test_a_sample_without_a_split_follows_its_group_into_the_test() -> None:
    samples = [replace(s, split="test") if i in (0, 5) else s for i, s in enumerate(_patients(30))]
    assert set(range(10)) == set(_split(samples)["test"])


def test_the_seed_decides_and_repeats() -> None:
    samples = _patients(40)
    assert _split(samples, 3) == _split(samples, 3)
    assert len({tuple(_split(samples, seed)["test"]) for seed in range(5)}) > 1


def test_what_groups_are_called_does_not_matter() -> None:
    samples = _patients(40)
    renamed = [
        replace(s, id=f"x{hash(s.id) % 977}-{s.id}", group=f"{len(samples) - i // 5}") for i, s in enumerate(samples)
    ]
    assert _split(samples) == _split(renamed)
    rows = np.arange(len(samples))
    assert few_groups(samples, rows, 6, 0).tolist() == few_groups(renamed, rows, 6, 0).tolist()


@pytest.mark.parametrize("count", [2, 7])
def test_few_groups_are_whole_and_hold_every_class(count: int) -> None:
    samples = _patients(30)
    rows = np.arange(20, 150)
    for seed in range(5):
        kept = few_groups(samples, rows, count, seed)
        assert len({samples[i].group for i in kept}) == count
        assert len(kept) == 5 * count
        assert {samples[i].label for i in kept} == {"class 0", "class 1"}
        assert set(kept.tolist()) <= set(rows.tolist())


def test_more_groups_than_there_are_or_fewer_than_classes_are_refused() -> None:
    samples = _patients(6, classes=3)
    with pytest.raises(DataError, match="has 6 groups; 7 were asked for"):
        few_groups(samples, np.arange(30), 7, 0)
    with pytest.raises(DataError, match="no draw of 2 groups holds every class"):
        few_groups(samples, np.arange(30), 2, 0)


def test_k_shot_takes_k_of_each_class() -> None:
    samples = _patients(10)
    labels = [str(sample.label) for sample in samples]
    rows = np.arange(10, 50)
    kept = k_shot(rows, labels, 4, 0)
    assert [labels[i] for i in kept].count("class 0") == [labels[i] for i in kept].count("class 1") == 4
    assert set(kept.tolist()) <= set(rows.tolist())
    assert len(set(kept.tolist())) == 8
    with pytest.raises(DataError, match="class class 0 has 20 training images; 21 were asked for"):
        k_shot(rows, labels, 21, 0)


def test_a_class_of_which_nothing_is_learnt_may_stand_in_the_test_alone() -> None:
    samples = [replace(one, split="train") for one in _patients(12)]
    unseen = [Sample(f"new{i}", "", "new", f"new {i}", "domain 0", split="test") for i in range(4)]
    beside = [replace(one, id=f"t{one.id}", group=f"t{one.group}", split="test") for one in _patients(4)]
    together = [*samples, *unseen, *beside]
    with pytest.raises(DataError, match="class new has no sample in"):
        draw_split(together, seed=0)
    splits = draw_split(together, seed=0, test_only=["new"])
    assert set(range(60, 64)) <= set(splits["test"].tolist())
    # where the data fixes no test, one is drawn, and no class is let off
    with pytest.raises(DataError, match="class new has no sample in"):
        draw_split([*samples[:5], *samples[5:], replace(unseen[0], split=None)], seed=0, test_only=["new"])
