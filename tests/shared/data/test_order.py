"""The order of an epoch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from shared.data.order import Balance, balanced_keys, endless, epoch_order
from shared.data.split import Split
from shared.samples import Grouping, Sample


def _random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_one_key_is_a_plain_shuffle() -> None:
    order = epoch_order(np.zeros((10, 3), dtype=np.int64), _random())
    assert sorted(order.tolist()) == list(range(10))
    assert order.tolist() == _random().permutation(10).tolist()


def test_rare_keys_come_as_often_as_frequent_ones_and_no_sample_again_before_all_came() -> None:
    keys = np.array([0] * 90 + [1] * 8 + [2] * 3)
    order = epoch_order(np.stack([keys, *np.zeros((2, 101), dtype=np.int64)], axis=1), _random())
    assert len(order) == 101
    assert np.ptp(np.bincount(keys[order])) <= 1
    counts = np.bincount(order, minlength=101)
    assert counts[:90].max() == 1
    assert np.ptp(counts[90:98]) <= 1
    assert np.ptp(counts[98:]) <= 1


@pytest.mark.parametrize(
    ("balance", "groups"),
    [
        ("none", [[0, 1, 2, 3, 4]]),
        ("class", [[0, 2], [1, 3, 4]]),
        ("domain", [[0, 1], [2, 3, 4]]),
        ("class_and_domain", [[0], [1], [2], [3, 4]]),
        ("class_domain_and_group", [[0], [1], [2], [3], [4]]),
    ],
)
def test_balance_names_what_is_told_apart(balance: Balance, groups: list[list[int]]) -> None:
    labels = np.array([0, 1, 0, 1, 1])
    samples = [Sample(str(i), "", domain="a" if i < 2 else "b") for i in range(5)]
    keys = balanced_keys(Split(samples, [], labels, Grouping.of(samples, range(5))), balance)
    assert sorted(np.flatnonzero((keys == key).all(axis=1)).tolist() for key in np.unique(keys, axis=0)) == groups


def test_a_collection_of_one_class_does_not_make_it_more_frequent_and_small_ones_are_not_drowned() -> None:
    labels = np.array([0] * 10 + [1] * 9 + [1] * 81)
    samples = [Sample(str(i), "", domain="both" if i < 19 else "ill") for i in range(100)]
    split = Split(samples, [], labels, Grouping.of(samples, range(100)))
    order = epoch_order(balanced_keys(split, "class_and_domain"), _random())
    assert int((order < 10).sum()) == 50
    assert int(((order >= 10) & (order < 19)).sum()) in (12, 13)  # 9 and 81 images: one to three
    assert int((order >= 19).sum()) in (37, 38)


def _of_groups(sizes: dict[str, int], contrasts: dict[str, str] | None = None) -> Split:
    """One class in one domain; names of groups begin with that of their contrast."""
    groups = [name for name, size in sizes.items() for _ in range(size)]
    acquisitions = [{} if contrasts is None else {"contrast": contrasts[name]} for name in groups]
    samples = [
        Sample(str(i), "", group=group, acquisition=acquisition)
        for i, (group, acquisition) in enumerate(zip(groups, acquisitions, strict=True))
    ]
    labels = np.zeros(len(samples), dtype=np.int64)
    return Split(samples, [], labels, Grouping.of(samples, range(len(samples))))


def _drawn(split: Split, keys: np.ndarray, seed: int = 0) -> Counter[str]:
    order = epoch_order(keys, _random(seed))
    assert len(order) == len(split.samples)
    return Counter(str(split.samples[index].group) for index in order)


def test_a_patient_of_many_slices_counts_by_their_square_root() -> None:
    split = _of_groups({"many": 81, "some": 9, "few": 9, "one": 1})
    drawn = _drawn(split, balanced_keys(split, "class_domain_and_group"))
    for group, root in {"many": 9, "some": 3, "few": 3, "one": 1}.items():
        assert abs(drawn[group] - 100 * root / 16) <= 1
    for group in ("many", "few"):
        indices = [i for i, sample in enumerate(split.samples) if sample.group == group]
        order = epoch_order(balanced_keys(split, "class_domain_and_group"), _random())
        counts = np.bincount(order, minlength=100)[indices]
        assert np.ptp(counts) <= 1


def test_groups_that_are_due_less_than_once_come_by_turns_as_often_as_they_are_due() -> None:
    split = _of_groups({"large": 100, **{f"single {i}": 1 for i in range(100)}})
    keys = balanced_keys(split, "class_domain_and_group")
    large = [_drawn(split, keys, seed)["large"] for seed in range(20)]
    assert set(large) <= {18, 19}  # 200 draws, a weight of 10 beside 100 of 1
    singles = sum((_drawn(split, keys, seed) for seed in range(20)), Counter[str]())
    assert min(singles[f"single {i}"] for i in range(100)) >= 20


def test_a_contrast_of_few_images_is_not_drowned_where_the_task_tells_contrasts_apart() -> None:
    contrasts = {"a": "T1", "b": "T1", "c": "FLAIR"}
    split = _of_groups({"a": 40, "b": 41, "c": 9}, contrasts)
    apart = _drawn(split, balanced_keys(split, "class_domain_and_group", ["contrast"]))
    assert apart["c"] in (22, 23)  # 81 and 9 images: three to one
    together = _drawn(split, balanced_keys(split, "class_domain_and_group", ["plane"]))
    assert together["c"] in (17, 18, 19, 20)  # three groups: 6.3, 6.4 and 3


def test_a_share_may_be_nothing() -> None:
    keys = np.array([[0, 0, 0]] * 9 + [[0, 1, 0]] + [[part, 0, 0] for part in (1, 2, 3)])
    for seed in range(20):
        order = epoch_order(keys, _random(seed))
        assert len(order) == 13
        assert np.ptp(np.bincount(keys[order, 0])) <= 1


def test_what_a_larger_domain_holds_too_is_its_own_but_not_a_patient_of_two_scanners() -> None:
    domains = ["large"] * 4 + ["small"] * 3 + ["third"] * 2
    groups: list[str | None] = [None] * 7 + ["one patient"] * 2
    domains[7] = "large"
    samples = [Sample(str(i), "", domain=d, group=g) for i, (d, g) in enumerate(zip(domains, groups, strict=True))]
    units = [0, 1, 2, 3, 0, 1, 4, 5, 5]  # two of the small one are copies
    keys = balanced_keys(Split(samples, [], np.ones(9, dtype=np.int64), Grouping.of(samples, units)), "domain")[:, 0]
    assert [names.tolist() for names in (np.flatnonzero(keys == key) for key in np.unique(keys))] == [
        [0, 1, 2, 3, 4, 5, 7],
        [6],
        [8],
    ]


def test_the_endless_stream_is_the_same_wherever_it_is_entered() -> None:
    whole = endless(7, 0, 50, _random)
    assert [sorted(whole[start : start + 7].tolist()) for start in range(0, 49, 7)] == [list(range(7))] * 7
    assert whole[:7].tolist() != whole[7:14].tolist()
    for start in (0, 3, 7, 20):
        assert endless(7, start, 11, _random).tolist() == whole[start : start + 11].tolist()
