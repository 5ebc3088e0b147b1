"""What a training may see of its target, and how the data are split for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handwriting.task import TASK
from shared.adaptation.target import with_target
from shared.config.read import load_config
from shared.config.schema import BudgetSection, DataSection, TargetSection
from shared.data.loading import load_dataset
from shared.data.partition import split_data
from shared.data.split import Split
from shared.errors import ConfigError, DataError
from shared.samples import Dataset, Grouping, Sample
from shared.task import Preprocessing

Draw = Callable[..., Path]


def _quiet(*_: object) -> None:
    return


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory, draw_characters: Draw) -> tuple[DataSection, Dataset]:
    """Two collections; the far one has three images of the near one too."""
    root = tmp_path_factory.mktemp("joined")
    near, far = (draw_characters(root / name, each=12, seed=seed) for seed, name in enumerate(("near", "far")))
    for index in range(3):
        shutil.copy(near / "digit_0" / f"{index:03d}.png", far / "digit_0" / f"copy{index}.png")
    wanted = DataSection(collections={"near": str(near), "far": str(far)}, target=TargetSection(domain="far"))
    return wanted, load_dataset(TASK, wanted, Preprocessing(32, 1, TASK.default_options), root, _quiet)


def test_copies_of_labelled_images_are_left_out_of_the_target(joined: tuple[DataSection, Dataset]) -> None:
    wanted, dataset = joined
    split = split_data(TASK, wanted, dataset, seed=0, progress=_quiet)
    assert sum(sample.domain == "far" for sample in split.dataset.samples) == 36
    assert sum(sample.domain == "near" for sample in split.dataset.samples) == 36
    assert any("3 images of the target are copies" in note for note in split.notes)


def test_the_split_does_not_depend_on_labels_of_the_target(joined: tuple[DataSection, Dataset]) -> None:
    wanted, dataset = joined
    other = replace(
        dataset,
        samples=tuple(replace(one, label="ka") if one.domain == "far" else one for one in dataset.samples),
    )
    first, second = (split_data(TASK, wanted, one, seed=3, progress=_quiet) for one in (dataset, other))
    assert all(np.array_equal(first.splits[name], second.splits[name]) for name in first.splits)


def test_few_labels_are_drawn_from_the_source_alone(joined: tuple[DataSection, Dataset]) -> None:
    wanted, dataset = joined
    few = wanted.model_copy(update={"budget": BudgetSection(labels_per_class=2, validation="labelled")})
    whole, cut = (split_data(TASK, one, dataset, seed=0, progress=_quiet) for one in (wanted, few))
    domains = [cut.dataset.samples[i].domain for i in cut.splits["train"]]
    assert domains.count("near") == 6
    assert domains.count("far") == [whole.dataset.samples[i].domain for i in whole.splits["train"]].count("far")


def test_few_groups_are_drawn_from_the_source_alone(joined: tuple[DataSection, Dataset]) -> None:
    """Also where labels of the target would make another draw the better one."""
    wanted, dataset = joined
    few = wanted.model_copy(update={"budget": BudgetSection(train_groups=6, validation="labelled")})
    other = replace(
        dataset,
        samples=tuple(replace(one, label="ka") if one.domain == "far" else one for one in dataset.samples),
    )
    first, second, whole = (
        split_data(TASK, given, data, seed=0, progress=_quiet)
        for given, data in ((few, dataset), (few, other), (wanted, dataset))
    )
    domains = [first.dataset.samples[i].domain for i in first.splits["train"]]
    assert domains.count("near") == 6
    assert domains.count("far") == [whole.dataset.samples[i].domain for i in whole.splits["train"]].count("far")
    assert np.array_equal(first.splits["train"], second.splits["train"])


def test_a_target_of_copies_is_refused(joined: tuple[DataSection, Dataset]) -> None:
    wanted, dataset = joined
    again = tuple(replace(one, id=f"again-{one.id}", domain="far") for one in dataset.samples if one.domain == "near")
    near = tuple(one for one in dataset.samples if one.domain == "near")
    with pytest.raises(DataError, match="all 36 images of the target are copies of labelled ones"):
        split_data(TASK, wanted, replace(dataset, samples=(*near, *again)), seed=0, progress=_quiet)


def test_a_target_without_images_in_a_split_is_refused() -> None:
    near_alone = _split().of(np.arange(4))
    splits = {"train": _split(), "validation": near_alone, "test": _split()}
    with pytest.raises(DataError, match="the target far has no image in validation"):
        with_target(splits, "far", labels=False)
    with pytest.raises(DataError, match="the source has no image in train"):
        with_target({**splits, "train": _split().of(np.arange(4, 8)), "validation": _split()}, "far", labels=False)


def _split() -> Split:
    samples = [
        Sample(id=str(i), source="", label="ab"[i % 2], domain=("near", "far")[i // 4], auxiliary={"writer": "x"})
        for i in range(8)
    ]
    images = [np.full((1, 2, 2), i, dtype=np.float32) for i in range(8)]
    return Split(samples, images, np.arange(8, dtype=np.int64) % 2, Grouping.of(samples, range(8)))


def test_a_training_sees_images_of_the_target_and_none_of_their_labels() -> None:
    splits, target = with_target({name: _split() for name in ("train", "validation", "test")}, "far", labels=False)
    assert target is not None
    assert {sample.domain for sample in splits["train"].samples} == {"near"}
    assert len(splits["test"].samples) == 8
    for split in (target.train, target.validation):
        assert [float(image[0, 0, 0]) for image in split.images] == [4.0, 5.0, 6.0, 7.0]
        assert set(split.labels.tolist()) == {-1}
        assert all(one.label is None and not one.auxiliary and one.mask is None for one in split.samples)
    assert target.domain == "far"


def test_the_upper_bound_learns_from_the_target_alone() -> None:
    splits, target = with_target({name: _split() for name in ("train", "validation", "test")}, "far", labels=True)
    assert target is None
    assert {sample.domain for sample in splits["train"].samples} == {"far"}
    assert splits["validation"].labels.tolist() == [0, 1, 0, 1]


def test_what_contradicts_a_target_is_refused() -> None:
    other_use = ("data.target.domain=a", "data.target.labels=some")
    for words in (("data.target.domain=a", "data.split.held_out_domain=b"), ("data.target.labels=used",), other_use):
        with pytest.raises(ConfigError, match="target"):
            load_config(None, words)
