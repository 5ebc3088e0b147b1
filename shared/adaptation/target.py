"""The target of a training: the split of source and target, and the class scores recorded after each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from shared.data.split import Split, unlabelled
from shared.errors import DataError
from shared.io.atomic import read_json, write_array, write_json
from shared.samples import Grouping, Position
from shared.strategies.base import Strategy
from shared.training.job import Job, Target

EPOCHS_FOLDER = "epochs"
"""Folder in the run folder: class scores after each epoch (`NNN-<split>.npy`), and at the end labels and features."""


def with_target(splits: Mapping[str, Split], domain: str, *, labels: bool) -> tuple[dict[str, Split], Target | None]:
    """Divides splits into source and target for a training that adapts to `domain`.

    Args:
        splits: The splits train, validation and test, with all domains in each.
        domain: Name of the target domain.
        labels: Whether to train on the labelled target alone, as the upper bound of adaptation.

    Returns:
        The splits to train on: train and validation of the source alone, or with `labels` of the target alone; test of
        both. And the unlabelled target; None with `labels`.

    Raises:
        DataError: The target or the source has no image in training or validation.
    """
    inside = {name: np.array([sample.domain == domain for sample in split.samples]) for name, split in splits.items()}
    target = {name: splits[name].of(np.flatnonzero(inside[name])) for name in ("train", "validation")}
    source = {name: splits[name].of(np.flatnonzero(~inside[name])) for name in ("train", "validation")}
    for which, divided in ((f"target {domain}", target), ("source", source)):
        empty = [name for name, split in divided.items() if not split.samples]
        if empty:
            raise DataError(
                f"the {which} has no image in {' and '.join(empty)}; give more images of it, or set "
                "data.split.how=drawn"
            )
    if labels:
        return {**target, "test": splits["test"]}, None
    # what stays though `predict` leaves it out is positive, which no training on the target may know
    unseen = unlabelled(target["validation"].judged())
    return {**source, "test": splits["test"]}, Target(unlabelled(target["train"]), unseen)


class EpochRecorder:
    """Writes the class scores of some splits into the run folder after each epoch; training reads nothing there.

    Args:
        strategy: The strategy, which gives the features of the network.
        splits: The splits by name; train is not recorded.
    """

    def __init__(self, strategy: Strategy, splits: Mapping[str, Split]) -> None:
        self.strategy = strategy
        self.splits = {name: split for name, split in splits.items() if name != "train"}

    @torch.no_grad()
    def __call__(self, job: Job, epoch: int) -> None:
        """Writes the class scores float32 [N, classes] of each split after epoch number `epoch`, from 0."""
        head = job.network.to(job.device).head
        for name, split in self.splits.items():
            scores = torch.cat([head(features).float() for features in self.strategy.features(job, split)])
            write_array(job.folder / EPOCHS_FOLDER / f"{epoch:03d}-{name}.npy", scores.cpu().numpy())


def write_truth(job: Job, strategy: Strategy, splits: Mapping[str, Split]) -> None:
    """Writes labels, domains, groups and features of each split, which scoring the epochs needs.

    Called when training is over: before that, no label of the target is anywhere in the run folder.

    Args:
        job: The training job.
        strategy: The strategy, which gives the features of the network.
        splits: The splits by name, with their labels; features are written of all but test.
    """
    for name, split in splits.items():
        tree = {
            "labels": split.labels.tolist(),
            "domains": [sample.domain for sample in split.samples],
            "series": split.grouping.series,
            "groups": split.grouping.groups,
            "units": split.grouping.units,
            "positions": ["" if one is None else str(one) for one in split.grouping.positions],
            "alone": split.grouping.alone,
            "unjudged": split.grouping.unjudged,
        }
        write_json(job.folder / EPOCHS_FOLDER / f"{name}.json", tree)
        if name != "test":
            blocks = [block.float().cpu().numpy().astype(np.float16) for block in strategy.features(job, split)]
            write_array(job.folder / EPOCHS_FOLDER / f"features-{name}.npy", np.concatenate(blocks))


@dataclass(frozen=True)
class EpochScores:
    """The record of one split of a run: class scores after each epoch, and the truth.

    Attributes:
        scores: Logits after each epoch, float64 [N, classes].
        labels: int64 [N].
        domains: Domain of each image.
        grouping: Series, group and independent unit of each image.
        features: float32 [N, width], features of the kept network; None for the test split.
    """

    scores: Sequence[NDArray[np.float64]]
    labels: NDArray[np.int64]
    domains: tuple[str, ...]
    grouping: Grouping
    features: NDArray[np.float32] | None


def read_epochs(run: Path, split: str) -> EpochScores:
    """Reads the record of one split of a finished run.

    Args:
        run: The run folder.
        split: Name of the split: "validation" (of the source), "target" (its validation) or "test".
    """
    folder = run / EPOCHS_FOLDER
    tree = read_json(folder / f"{split}.json")
    features = folder / f"features-{split}.npy"
    return EpochScores(
        scores=[np.load(path).astype(np.float64) for path in sorted(folder.glob(f"[0-9]*-{split}.npy"))],
        labels=np.array(tree["labels"], dtype=np.int64),
        domains=tuple(tree["domains"]),
        grouping=Grouping(
            tuple(tree["series"]),
            tuple(tree["groups"]),
            tuple(tree["units"]),
            positions=tuple(Position.parse(text) for text in tree["positions"]),
            alone=tuple(tree["alone"]),
            unjudged=tuple(tree.get("unjudged", ())),
        ),
        features=np.load(features).astype(np.float32) if features.is_file() else None,
    )
