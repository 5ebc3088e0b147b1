"""The pool of images that advice measures on: the data without their test, thinned to what time allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.config.schema import BudgetSection, DataSection, GivenSplit
from shared.data.group_split import group_units
from shared.data.leaks import with_their_group
from shared.data.loading import load_dataset
from shared.data.partition import split_data
from shared.errors import ConfigError, DataError
from shared.pipeline.preflight import Experiment
from shared.progress import Progress
from shared.samples import Dataset
from shared.seeding import generator

MAX_DRAWN, MAX_IMAGES = 2_000, 1_200
"""Images searched for copies where the data have a test of their own (else the split needs all), and images that are
measured on."""
MIN_PER_CLASS = 10
"""Images of a class that thinning keeps at least, however rare the class is."""


@dataclass(frozen=True)
class Pool:
    """Labelled images outside the test, with counts of the data that they were drawn from.

    Attributes:
        dataset: The samples.
        units: int64 [N], number of each sample's independent unit: its group, joined with the groups of its copies.
        images: Number of images of the data outside the test.
        counts: Number of these images by class.
        groups: Number of patients, writers or single images among them.
        test: A sentence on how the test was left out.
        notes: Sentences about the data that a report must carry.
    """

    dataset: Dataset
    units: NDArray[np.int64]
    images: int
    counts: dict[str, int]
    groups: int
    test: str
    notes: tuple[str, ...]

    def thinned(self, limit: int, seed: int) -> Pool:
        """Draws about `limit` of the images at random, each class in its share, into a new pool.

        Args:
            limit: Number of images; a smaller pool stays as it is, and rare classes keep `MIN_PER_CLASS`.
            seed: Seed of the draw.
        """
        dataset = _thin(self.dataset, limit, seed)
        kept = {sample.id for sample in dataset.samples}
        return replace(self, dataset=dataset, units=self.units[[one.id in kept for one in self.dataset.samples]])


def learning_pool(experiment: Experiment, *, root: Path, progress: Progress) -> Pool:
    """Loads the data of an experiment without the test: the data's own, or the one that the seed would draw.

    Args:
        experiment: The run that is to be advised.
        root: Folder for generated synthetic data.
        progress: Called with (what, done, total, note).

    Raises:
        ConfigError: The configuration sets a split, a budget or excluded copies, which advice cannot honour.
        DataError: The data cannot be read, or no image is outside the test.
    """
    task, config = experiment.task, experiment.config
    if chosen := list(_unsupported_keys(config.data)):
        raise ConfigError(f"{', '.join(chosen)}: advice measures on all images that training may see; leave it out")
    dataset = load_dataset(task, config.data, experiment.spec, root, progress)
    sides = np.array([sample.split or "" for sample in dataset.samples])
    sides = with_their_group(sides, group_units(dataset.samples))
    has_test = bool((sides == "test").any())
    outside = np.flatnonzero(sides != "test")
    if has_test and not len(outside):
        raise DataError(
            "all images of the data belong to its test, so none is left to learn from; give data with training images, "
            "or draw a new test with data.split.how=drawn"
        )
    whole = replace(dataset, samples=tuple(dataset.samples[i] for i in outside))
    drawn = _thin(whole, MAX_DRAWN, config.seed) if has_test else whole
    split = split_data(task, config.data, drawn, seed=config.split_seed, progress=progress)
    samples, units = split.dataset.samples, split.units
    if has_test:
        test, splits = "the data's own test was not looked at", tuple(split.splits)
    else:
        key = "seed" if config.data.split.seed is None else "data.split.seed"
        test = f"the test that training draws with {key}={config.split_seed} was left out"
        splits = ("train", "validation")
    rows = np.sort(np.concatenate([split.splits[part] for part in splits]))
    kept = replace(split.dataset, samples=tuple(samples[i] for i in rows))
    counted = whole if has_test else kept
    pool = Pool(
        dataset=kept,
        units=units[rows],
        images=len(counted.samples),
        counts={name: sum(sample.label == name for sample in counted.samples) for name in counted.classes},
        groups=len(np.unique(group_units(counted.samples))),
        test=test,
        notes=split.notes,
    )
    return pool.thinned(MAX_IMAGES, config.seed)


def _unsupported_keys(data: DataSection) -> Iterator[str]:
    """Names the keys under which a run would learn from, or be tested on, other images than advice."""
    if not isinstance(data.split, GivenSplit):
        yield f"data.split.how={data.split.how}"
    yield from (f"data.budget.{key}" for key, value in data.budget if value != getattr(BudgetSection(), key))
    if data.cross_fitting != "none":
        yield "data.cross_fitting"
    if data.exclude_copies_of is not None:
        yield "data.exclude_copies_of"


def _thin(dataset: Dataset, limit: int, seed: int) -> Dataset:
    """Draws about `limit` samples, each class in its share, but at least `MIN_PER_CLASS` of each."""
    count = len(dataset.samples)
    if count <= limit:
        return dataset
    random = generator(seed, "advice, draw", limit)
    labels = np.array([sample.label for sample in dataset.samples])
    rows = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rows.append(random.permutation(members)[: max(MIN_PER_CLASS, round(limit * len(members) / count))])
    chosen = np.sort(np.concatenate(rows))
    return replace(dataset, samples=tuple(dataset.samples[i] for i in chosen))
