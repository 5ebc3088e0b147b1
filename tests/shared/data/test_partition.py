"""What is left out of a dataset before it is divided, and that every step says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from handwriting.task import TASK
from shared.config.schema import BudgetSection, DataSection, FoldSplit, HeldOutSplit, TargetSection
from shared.data.partition import SplitData, split_data
from shared.errors import DataError, LeakError
from shared.samples import Dataset, Sample


class _Noise:
    """A task whose images are noise, drawn from the number in `Sample.source`; -1 is blank, -2 cannot be read."""

    flip_invariant = False

    def __getattr__(self, name: str) -> Any:
        return getattr(TASK, name)

    def read(self, sample: Sample) -> np.ndarray:
        if int(sample.source) == -2:
            raise DataError("damaged")
        if int(sample.source) == -1:
            return np.zeros((32, 32), dtype=np.float32)
        return np.random.default_rng(int(sample.source)).random((32, 32), dtype=np.float32)


def _samples(count: int = 24, **shape: Any) -> list[Sample]:
    """Half of class ka and half of kha, each image of a group of its own."""
    return [Sample(f"s{i}", str(i), ("ka", "kha")[i % 2], f"g{i}", **shape) for i in range(count)]


def _split(samples: Sequence[Sample], seed: int = 0, others: Sequence[Sample] = (), **section: Any) -> SplitData:
    dataset = Dataset(tuple(samples), ("ka", "kha"), "hash", notes=("of the data",))
    return split_data(
        _Noise(), DataSection(**section), dataset, exclude_copies_of=others, seed=seed, progress=lambda *_: None
    )


def _ids(data: SplitData, split: str) -> set[str]:
    return {data.dataset.samples[i].id for i in data.splits[split]}


def test_notes_begin_with_those_of_the_data_and_of_the_audit() -> None:
    data = _split(_samples())
    assert len(data.dataset.samples) == len(data.units) == sum(len(rows) for rows in data.splits.values()) == 24
    assert data.sound
    first, second = data.notes
    assert first == "of the data"
    assert second.startswith("Looked for duplicates among 24 images: 0 are copies of others")


def test_unreadable_images_are_refused_and_blank_ones_left_out() -> None:
    samples = _samples()
    with pytest.raises(DataError, match="1 of 24 images cannot be read"):
        _split([replace(samples[0], source="-2"), *samples[1:]])
    data = _split([*(replace(one, source="-1") for one in samples[:2]), *samples[2:]])
    assert len(data.dataset.samples) == 22
    assert data.notes[2] == "2 blank images (all pixels alike) were left out."


def test_images_all_of_which_are_blank_are_refused_for_that() -> None:
    with pytest.raises(DataError, match="nothing is left of the 24 images of the data: all are blank"):
        _split([replace(one, source="-1") for one in _samples()])


def test_copies_of_another_dataset_and_its_patients_are_left_out() -> None:
    samples = [replace(one, has_global_group_id=True) for one in _samples()]
    others = [Sample("x", "3"), Sample("y", "99", group="g5", has_global_group_id=True)]
    data = _split(samples, others=others)
    assert {one.id for one in samples} - {one.id for one in data.dataset.samples} == {"s3", "s5"}
    assert data.notes[2].startswith("1 images are copies of some in data.exclude_copies_of, 1 are of groups there")
    assert "among 24 images" in data.notes[1]


def test_copies_of_labelled_images_are_left_out_of_the_target() -> None:
    near, far = _samples(domain="near"), [replace(one, id=f"far {one.id}", domain="far") for one in _samples(40)[24:]]
    copy = Sample("copy", "0", "ka", "other", "far")
    data = _split([*near, *far, copy], target=TargetSection(domain="far"))
    assert "copy" not in {one.id for one in data.dataset.samples}
    assert data.notes[2] == "1 images of the target are copies of labelled ones; they were left out of it."
    with pytest.raises(DataError, match="all 1 images of the target are copies"):
        _split([*near, copy], target=TargetSection(domain="far"))


def test_a_fold_becomes_the_test_and_each_sample_is_tested_once() -> None:
    samples = [replace(one, split="train") for one in _samples()]
    tested = [_ids(_split(samples, split=FoldSplit(folds=3, fold=fold)), "test") for fold in range(3)]
    assert sorted(name for ids in tested for name in ids) == sorted(one.id for one in samples)


def test_a_held_out_domain_is_the_test_and_its_patients_are_left_out_elsewhere() -> None:
    samples = [*_samples(domain="near"), *(replace(one, domain="far") for one in _samples(40)[24:])]
    samples[0] = replace(samples[0], group="g24")
    data = _split(samples, split=HeldOutSplit(held_out_domain="far"))
    assert _ids(data, "test") == {f"s{i}" for i in range(24, 40)}
    assert "s0" not in {one.id for one in data.dataset.samples}
    assert data.notes[2] == "1 images whose group or picture is in the test were left out of training."


def _leaking() -> list[Sample]:
    """Of the 6 test images, one shows the picture of a training image; of 6 of validation, another."""
    splits = ["train"] * 12 + ["validation"] * 6 + ["test"] * 6
    samples = [replace(one, split=split) for one, split in zip(_samples(), splits, strict=True)]
    samples[12] = replace(samples[12], source="0")
    samples[18] = replace(samples[18], source="2")
    return samples


@pytest.mark.parametrize(
    ("rule", "left_out", "words"),
    [
        ("drop", {"s12", "s18"}, "these 1 were left out of test."),
        ("keep_test", {"s0", "s2"}, "the 1 that they belong with were left out, test is whole."),
        ("allow", set(), "LEAK ALLOWED: 1 of 6 test images are duplicates"),
    ],
)
def test_leaks_are_treated_by_the_rule(rule: str, left_out: set[str], words: str) -> None:
    with pytest.raises(LeakError, match=r"1 of 6 test .*; 1 of 6 validation .*; set data\.leaks=drop"):
        _split(_leaking())
    data = _split(_leaking(), leaks=rule)
    assert {f"s{i}" for i in range(24)} - {one.id for one in data.dataset.samples} == left_out
    assert words in data.notes[2]
    assert data.sound == (rule != "allow")


def test_a_split_of_the_data_is_not_replaced_where_nothing_is_left_of_it() -> None:
    samples = [replace(one, split="test" if i < 2 else "train") for i, one in enumerate(_samples())]
    samples[:2] = [replace(one, source=str(i + 2)) for i, one in enumerate(samples[:2])]
    with pytest.raises(DataError, match="nothing is left of the 2 test images of the data"):
        _split(samples, leaks="drop")


def test_the_budget_cuts_training_and_leaves_it_no_other_validation() -> None:
    whole, cut = _split(_samples()), _split(_samples(), budget=BudgetSection(labels_per_class=2))
    assert len(cut.splits["train"]) == 4
    assert _ids(cut, "train") < _ids(whole, "train")
    assert _ids(cut, "validation") == _ids(cut, "train")
    assert np.array_equal(cut.splits["test"], whole.splits["test"])
    assert cut.folds is not None
    assert cut.folds.count == 2
    assert cut.notes[2].startswith(f"Few labels: training kept 4 of {len(whole.splits['train'])} images; 2 folds of")
    assert whole.folds is None


@pytest.mark.parametrize(("parts", "count"), [("groups", 5), ("domains", 2)])
def test_cross_fitting_keeps_the_images_of_validation_in_training(parts: str, count: int) -> None:
    samples = [replace(one, domain="ab"[i // 2 % 2]) for i, one in enumerate(_samples())]
    whole, fitted = _split(samples), _split(samples, cross_fitting=parts)
    assert _ids(fitted, "train") == _ids(fitted, "validation") == _ids(whole, "train") | _ids(whole, "validation")
    assert np.array_equal(fitted.splits["test"], whole.splits["test"])
    assert fitted.folds is not None
    assert fitted.folds.count == count
    assert fitted.notes[2].startswith("Cross-fitted: training kept the images of validation")


def test_validation_keeps_its_labels_where_that_is_asked_for() -> None:
    budget = BudgetSection(labels_per_class=2, validation="labelled")
    whole, cut = _split(_samples()), _split(_samples(), budget=budget)
    assert len(cut.splits["train"]) == 4
    assert all(np.array_equal(cut.splits[name], whole.splits[name]) for name in ("validation", "test"))
    assert cut.folds is None
    assert "validation, which chose layers, epochs," in cut.notes[2]
    assert "kept all their labels" in cut.notes[2]


def test_copies_of_a_picture_are_in_one_fold() -> None:
    samples = _samples()
    samples[1:8:2] = [replace(one, source="1") for one in samples[1:8:2]]
    data = _split(samples, budget=BudgetSection(train_groups=12))
    assert data.folds is not None
    copies = [row for row, i in enumerate(data.splits["train"]) if data.dataset.samples[i].source == "1"]
    assert len(set(data.folds.numbers[copies].tolist())) <= 1
    assert data.folds.count >= 2
