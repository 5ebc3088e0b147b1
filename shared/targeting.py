"""A run with a target: what of it a training may see, and what is written down of each epoch for judging it later."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from shared.artifacts import write_array
from shared.job import Job, Part, Target, unlabelled
from shared.strategies.base import Strategy

FOLDER = "epochs"
"""Within the run folder: class scores after each epoch, `NNN-<part>.npy`."""


def with_target(parts: Mapping[str, Part], domain: str, *, labels: bool) -> tuple[dict[str, Part], Target | None]:
    """The parts of a training that adapts to a domain, and what it sees of that domain.

    Args:
        parts: By split, all domains in each.
        domain: The target.
        labels: Whether the target is learned from with its labels, and nothing else is.

    Returns:
        The parts to learn from and to choose by: of the source alone, or with `labels` of the target alone; the test
        holds both. And the target without labels, or None with `labels`.
    """
    inside = {name: np.array([sample.domain == domain for sample in part.samples]) for name, part in parts.items()}
    own = {name: parts[name].of(np.flatnonzero(inside[name])) for name in ("train", "validation")}
    other = {name: parts[name].of(np.flatnonzero(~inside[name])) for name in ("train", "validation")}
    if labels:
        return {**own, "test": parts["test"]}, None
    return {**other, "test": parts["test"]}, Target(unlabelled(own["train"]), unlabelled(own["validation"]))


class Watch:
    """Writes the class scores of some parts into the run folder after each epoch; training reads nothing there.

    Args:
        strategy: By which the network judges.
        parts: By name; the training part is passed over.
    """

    def __init__(self, strategy: Strategy, parts: Mapping[str, Part]) -> None:
        self.strategy = strategy
        self.parts = {name: part for name, part in parts.items() if name != "train"}

    @torch.no_grad()
    def __call__(self, job: Job, epoch: int) -> None:
        """After epoch number `epoch`, from 0."""
        head = job.network.to(job.device).head
        for name, part in self.parts.items():
            rows = [head(codes).float().cpu().numpy() for codes in self.strategy.codes(job, part)]
            write_array(job.folder / FOLDER / f"{epoch:03d}-{name}.npy", np.concatenate(rows))


def watched(run: Path, part: str) -> list[NDArray[np.float32]]:
    """What was written of a part: class scores [N, classes] after each epoch, in order."""
    return [np.load(path) for path in sorted((run / FOLDER).glob(f"*-{part}.npy"))]
