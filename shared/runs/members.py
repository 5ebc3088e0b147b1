"""The runs whose mean another run is: read together, and refused where they do not belong together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.config.read import load_config
from shared.config.schema import Config
from shared.errors import UsageError
from shared.runs.certificate import models_among
from shared.runs.folder import check_finished, is_released
from shared.runs.predictions import FILE, Predictions, read_predictions
from shared.runs.record import ModelRecord, read_model_record

JUDGED = ("validation", "test")
"""Splits that a run says its predictions of."""


@dataclass(frozen=True)
class Member:
    """A finished run of which a mean is made.

    Attributes:
        folder: The run folder.
        record: Its model record.
        config: Its configuration.
    """

    folder: Path
    record: ModelRecord
    config: Config

    @property
    def name(self) -> str:
        """Name of the run folder, without a path."""
        return self.folder.resolve().name

    def predictions(self, split: str) -> Predictions:
        """Reads what the run said of the images of a split, in the order of the data.

        Args:
            split: "validation" or "test".

        Raises:
            RunError: `predictions.csv` is damaged.
        """
        return read_predictions(self.folder, split)


def read_members(task: str, runs: Sequence[Path]) -> tuple[Member, ...]:
    """Reads finished runs and checks that a mean of them can be made and judged.

    They must have the same task, classes, preprocessing and decision rule, the same data, and the same images in
    validation and test: then no image of validation is one that a member has learnt from, for no run shares images
    between its own splits.

    Args:
        task: Name of the application.
        runs: Run folders, at least two.

    Raises:
        UsageError: There are fewer than two runs, one is no finished run of the application, or two do not belong
            together.
        RunError: A run is damaged.
    """
    if len(runs) < 2:
        raise UsageError(f"a mean is one of several runs, and {len(runs)} was given; name at least two")
    members = tuple(_read(task, run) for run in runs)
    for number, other in enumerate(members[1:], start=1):
        for one in members[:number]:
            _refuse_the_same(one, other)
        _refuse_strangers(members[0], other)
    return members


def models_in_all(members: Sequence[Member]) -> int:
    """Counts the means among which validation chose: any model of one member could have met any model of another.

    Args:
        members: The members; each counts as many models as its own certificate does, with the rules that it tried to
            put slices together. The product can be more than was tried, never less.
    """
    return math.prod(models_among(member.record) for member in members)


def why_no_mean_of_weights(members: Sequence[Member]) -> str | None:
    """Says why the weights of runs cannot be averaged: they must have been trained from one start.

    Args:
        members: The runs.

    Returns:
        The reason, a clause without a full stop; None where they can be averaged.
    """
    first = members[0].record
    start = first.backbone["weights"]
    if start["sha256"] is None or start["reinitialised"]:
        return f"{members[0].name} began with random weights, and runs that began elsewhere do not meet"
    for other in members[1:]:
        trunk = other.record.backbone
        for key in ("name", "layers", "pooling", "size", "mirrored"):
            here, there = trunk.get(key, False), first.backbone.get(key, False)
            if here != there:
                return f"{other.name} has {key} {_words(here)}, {members[0].name} {_words(there)}"
        if (trunk["weights"]["sha256"], trunk["weights"]["reinitialised"]) != (start["sha256"], start["reinitialised"]):
            return f"{other.name} and {members[0].name} began with other weights"
        if other.record.auxiliary != first.auxiliary:
            return f"{other.name} and {members[0].name} have other auxiliary tasks"
    return None


def name_backbones(members: Sequence[Member]) -> str:
    """Names the backbones of runs, each once with its number: "2 x resnet18 + vgg16".

    Args:
        members: The runs.
    """
    counts = Counter(str(member.record.backbone["name"]) for member in members)
    return " + ".join(name if count == 1 else f"{count} x {name}" for name, count in counts.items())


def _read(task: str, run: Path) -> Member:
    check_finished(run)
    record = read_model_record(run)
    if record.task != task:
        raise UsageError(f"{run} is a run of {record.task}, and this is {task}; name runs of {task}")
    if "mean_of" in record.backbone:
        raise UsageError(f"{run} is itself a mean of runs; name its members in its place")
    if is_released(run):
        raise UsageError(f"{run.name} comes with the package, which holds no predictions of it; name runs of your own")
    if not (run / FILE).is_file():
        raise UsageError(f"{run} has no predictions of a validation, as after add-class; name the run before that")
    config = load_config(run / "config.yaml", [])
    if config.data.by_folds:
        raise UsageError(f"{run} kept no image for validation: {config.data.keeps_none}; then train it anew")
    return Member(run, record, config)


def _refuse_the_same(one: Member, other: Member) -> None:
    if one.record.weights_hash == other.record.weights_hash:
        raise UsageError(f"{one.folder} and {other.folder} hold the same weights; name each model once")


def _refuse_strangers(one: Member, other: Member) -> None:
    """Refuses two runs of which no mean can be made, or judged."""
    pair = f"{other.folder} and {one.folder}"
    if one.record.data_hash != other.record.data_hash:
        raise UsageError(f"{pair} were trained on other data; a mean is one of runs on the same data")
    facts: list[tuple[str, Any, Any]] = [
        ("classes", one.record.classes, other.record.classes),
        ("positive classes", one.record.positive, other.record.positive),
        ("images stored at (backbone.store_size)", one.record.preprocessing.size, other.record.preprocessing.size),
        ("preprocessing", one.record.preprocessing, other.record.preprocessing),
        ("decision", one.config.decision, other.config.decision),
        *((f"data.{key}", *values) for key, values in _data_that_differ(one.config, other.config).items()),
    ]
    for what, first, second in facts:
        if first != second:
            raise UsageError(f"{pair} have other {what}: {_words(second)} and {_words(first)}; name runs that share it")
    for split in JUDGED:
        if one.predictions(split).samples != other.predictions(split).samples:
            raise UsageError(
                f"{pair} have other images in {split} (their seeds divide the data: {other.config.split_seed} and "
                f"{one.config.split_seed}), so one may have learnt from what judges the other; train them with the "
                "same data.split.seed"
            )


def _data_that_differ(one: Config, other: Config) -> dict[str, tuple[Any, Any]]:
    """Keys of the data sections that decide what is learnt and differ, with both values; paths and seeds do not."""
    first, second = _comparable(one), _comparable(other)
    return {key: (first[key], second[key]) for key in first if first[key] != second[key]}


def _comparable(config: Config) -> dict[str, Any]:
    tree = config.data.model_dump(mode="json")
    del tree["source"], tree["options"]  # the record has the options with their defaults
    tree["collections"] = sorted(tree["collections"])
    del tree["split"]["seed"]
    return tree


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
