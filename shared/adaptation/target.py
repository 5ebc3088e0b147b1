"""A run with a target: what of it a training may see, and what is written down of each epoch for judging it later."""

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
from shared.samples import Grouping
from shared.strategies.base import Strategy
from shared.training.job import Job, Target

FOLDER = "epochs"
"""Within the run folder: class scores after each epoch, `NNN-<split>.npy`; at the end the labels, and the features."""


def with_target(splits: Mapping[str, Split], domain: str, *, labels: bool) -> tuple[dict[str, Split], Target | None]:
    """The splits of a training that adapts to a domain, and what it sees of that domain.

    Args:
        splits: By split, all domains in each.
        domain: The target.
        labels: Whether the target is learned from with its labels, and nothing else is.

    Returns:
        The splits to learn from and to choose by: of the source alone, or with `labels` of the target alone; the test
        holds both. And the target without labels, or None with `labels`.

    Raises:
        DataError: The target, or all else, has nothing in training or validation.
    """
    inside = {name: np.array([sample.domain == domain for sample in split.samples]) for name, split in splits.items()}
    own = {name: splits[name].of(np.flatnonzero(inside[name])) for name in ("train", "validation")}
    other = {name: splits[name].of(np.flatnonzero(~inside[name])) for name in ("train", "validation")}
    for which, of in ((f"target {domain}", own), ("source", other)):
        lacking = [name for name, split in of.items() if not split.samples]
        if lacking:
            raise DataError(
                f"the {which} has no image in {' and '.join(lacking)}; give more of it, or data.split.how=drawn"
            )
    if labels:
        return {**own, "test": splits["test"]}, None
    return {**other, "test": splits["test"]}, Target(unlabelled(own["train"]), unlabelled(own["validation"]))


class EpochRecorder:
    """Writes the class scores of some splits into the run folder after each epoch; training reads nothing there.

    Args:
        strategy: By which the network judges.
        splits: By name; the training split is passed over.
    """

    def __init__(self, strategy: Strategy, splits: Mapping[str, Split]) -> None:
        self.strategy = strategy
        self.splits = {name: split for name, split in splits.items() if name != "train"}

    @torch.no_grad()
    def __call__(self, job: Job, epoch: int) -> None:
        """After epoch number `epoch`, from 0."""
        head = job.network.to(job.device).head
        for name, split in self.splits.items():
            rows = [head(features).float().cpu().numpy() for features in self.strategy.features(job, split)]
            write_array(job.folder / FOLDER / f"{epoch:03d}-{name}.npy", np.concatenate(rows))


def write_truth(job: Job, strategy: Strategy, splits: Mapping[str, Split]) -> None:
    """Writes what is needed to judge the epochs and the features: labels, domains and belonging of each split.

    Called when training is over: before that, no label of the target is anywhere in the run folder.

    Args:
        job: The training.
        strategy: By which.
        splits: By name, with their labels; features are kept of all but the test.
    """
    for name, split in splits.items():
        tree = {
            "labels": split.labels.tolist(),
            "domains": [sample.domain for sample in split.samples],
            "series": split.belonging.series,
            "groups": split.belonging.groups,
            "units": split.belonging.units,
        }
        write_json(job.folder / FOLDER / f"{name}.json", tree)
        if name != "test":
            features = torch.cat([block.float().cpu() for block in strategy.features(job, split)]).numpy()
            write_array(job.folder / FOLDER / f"features-{name}.npy", features.astype(np.float16))


@dataclass(frozen=True)
class EpochScores:
    """What was written of one part of a run.

    Attributes:
        scores: float64 [N, classes], before the softmax, after each epoch.
        labels: int64 [N].
        domains: Of each image.
        belonging: To what each belongs.
        features: float32 [N, width] of the network that was kept; None of the test.
    """

    scores: Sequence[NDArray[np.float64]]
    labels: NDArray[np.int64]
    domains: tuple[str, ...]
    belonging: Grouping
    features: NDArray[np.float32] | None


def read_epochs(run: Path, split: str) -> EpochScores:
    """Reads it."""
    folder = run / FOLDER
    tree = read_json(folder / f"{split}.json")
    features = folder / f"features-{split}.npy"
    return EpochScores(
        scores=[np.load(path).astype(np.float64) for path in sorted(folder.glob(f"[0-9]*-{split}.npy"))],
        labels=np.array(tree["labels"], dtype=np.int64),
        domains=tuple(tree["domains"]),
        belonging=Grouping(*(tuple(tree[key]) for key in ("series", "groups", "units"))),
        features=np.load(features).astype(np.float32) if features.is_file() else None,
    )
