"""What advice may look at: the data without their test, and no more images than it has time for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.config.schema import DataSection, GivenSplit
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
"""Images that are looked at for copies where a test is given (else all must be, for the split), and learned from."""
MIN_PER_CLASS = 10
"""A draw keeps so many of each class that has them, however rare it is."""


@dataclass(frozen=True)
class Pool:
    """What advice learns from.

    Attributes:
        dataset: Labelled samples, none of which is of the test.
        units: [N] number of what each sample belongs to and cannot be told apart from: groups joined with copies.
        images: How many the data have beside the test.
        counts: Of those, images by class.
        groups: Of those, how many patients, writers or single images.
        test: How the test was left out, a sentence.
        notes: What must be said of the data.
    """

    dataset: Dataset
    units: NDArray[np.int64]
    images: int
    counts: dict[str, int]
    groups: int
    test: str
    notes: tuple[str, ...]

    def fewer(self, most: int, seed: int) -> Pool:
        """With at most about `most` of its images."""
        return _kept(self, _few(self.dataset, most, seed))


def learning_pool(experiment: Experiment, *, root: Path, progress: Progress) -> Pool:
    """The samples of a configuration's data without the test that the data give, or that its seed will draw.

    Args:
        experiment: The run that is to be advised.
        root: Where the synthetic data lie.
        progress: Called with (what, done, total, note).

    Raises:
        ConfigError: The configuration chooses a test or few labels of its own.
        DataError: There is nothing to learn from, or it cannot be read.
    """
    task, config = experiment.task, experiment.config
    if chosen := list(_own_choices(config.data)):
        raise ConfigError(f"{', '.join(chosen)}: advice looks at all that training may see; leave it out")
    dataset = load_dataset(task, config.data, experiment.spec, root, progress)
    sides = np.array([sample.split or "" for sample in dataset.samples])
    sides = with_their_group(sides, group_units(dataset.samples))
    given = bool((sides == "test").any())
    learnt = np.flatnonzero(sides != "test")
    if given and not len(learnt):
        raise DataError("all images of the data are of its test; nothing is left to learn from")
    whole = replace(dataset, samples=tuple(dataset.samples[i] for i in learnt))
    drawn = _few(whole, MAX_DRAWN, config.seed) if given else whole
    divided = split_data(task, config.data, drawn, seed=config.seed, progress=progress)
    samples, units = divided.dataset.samples, divided.units
    if given:
        test, splits = "the data's own test was not looked at", tuple(divided.splits)
    else:
        test = f"the test that training draws with seed={config.seed} was left out"
        splits = ("train", "validation")
    rows = np.sort(np.concatenate([divided.splits[part] for part in splits]))
    kept = replace(divided.dataset, samples=tuple(samples[i] for i in rows))
    seen = whole if given else kept
    pool = Pool(
        dataset=kept,
        units=units[rows],
        images=len(seen.samples),
        counts={name: sum(sample.label == name for sample in seen.samples) for name in seen.classes},
        groups=len(np.unique(group_units(seen.samples))),
        test=test,
        notes=divided.notes,
    )
    return pool.fewer(MAX_IMAGES, config.seed)


def _own_choices(data: DataSection) -> Iterator[str]:
    """Keys by which a run would learn from, or be tested on, other images than advice."""
    if not isinstance(data.split, GivenSplit):
        yield f"data.split.how={data.split.how}"
    yield from (f"data.budget.{key}" for key, value in data.budget if value is not None)
    if data.exclude_copies_of is not None:
        yield "data.exclude_copies_of"


def _kept(pool: Pool, dataset: Dataset) -> Pool:
    """The pool with some of its samples."""
    kept = {sample.id for sample in dataset.samples}
    return replace(pool, dataset=dataset, units=pool.units[[sample.id in kept for sample in pool.dataset.samples]])


def _few(dataset: Dataset, most: int, seed: int) -> Dataset:
    """At most about `most` samples, each class in its share but for the rare ones."""
    count = len(dataset.samples)
    if count <= most:
        return dataset
    random = generator(seed, "advice, draw", most)
    labels = np.array([sample.label for sample in dataset.samples])
    rows = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rows.append(random.permutation(members)[: max(MIN_PER_CLASS, round(most * len(members) / count))])
    chosen = np.sort(np.concatenate(rows))
    return replace(dataset, samples=tuple(dataset.samples[i] for i in chosen))
