"""The checkpoint of an interrupted training: written whole or not at all, and read back to the same weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from shared.errors import RunError
from shared.io.atomic import writing

FILE = "checkpoint.pt"
"""The file in the run folder."""


@dataclass
class Position:
    """The next step of a training, and the running values of its current epoch.

    Attributes:
        phase: Number of the phase, from 0.
        epoch: Number of the epoch within the phase, from 0.
        step: Number of the step within the epoch, from 0.
        best_score: Highest validation score of any epoch so far; None before the first epoch has ended.
        loss_sum: Sum of the losses of the steps of this epoch.
    """

    phase: int = 0
    epoch: int = 0
    step: int = 0
    best_score: float | None = None
    loss_sum: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a training needs to go on as if it had not been interrupted.

    Random state is not part of it: every draw depends on the seed of the job and the position alone.

    Attributes:
        fingerprint: `Job.fingerprint` of the training that wrote it.
        loss_module: State dict of network and objective.
        average: State dict of the moving average of weights; None where there is no average.
        optimiser: State dict of the optimiser of the current phase.
        position: The next step.
        history: Rows of the epochs that have ended.
        best: State dict of network and objective at the epoch with the best score.
        precision: The precision that was taken, as `TakenPrecision.to_json` gives it.
    """

    fingerprint: str
    loss_module: dict[str, Any]
    average: dict[str, Any] | None
    optimiser: dict[str, Any]
    position: Position
    history: list[dict[str, Any]]
    best: dict[str, Tensor]
    precision: dict[str, Any]

    def snapshot(self) -> Self:
        """Copies all that further steps would change; every tensor of the copy lies on the CPU."""
        return replace(
            self,
            loss_module=_copied(self.loss_module),
            average=_copied(self.average),
            optimiser=_copied(self.optimiser),
            position=replace(self.position),
            history=[dict(row) for row in self.history],
            best={name: tensor.cpu() for name, tensor in self.best.items()},  # which are never changed in place
        )

    def write(self, path: Path) -> None:
        """Writes the checkpoint to the file `path`; an older one there stays until the new one is complete."""
        # through a stream of our own: of a path torch does not say what the system refused
        with writing(path) as partial, partial.open("wb") as stream:
            torch.save({**vars(self), "position": asdict(self.position)}, stream)

    @classmethod
    def read(cls, path: Path, fingerprint: str) -> Self:
        """Reads the checkpoint in the file `path`, all tensors on the CPU.

        Args:
            path: File that `write` wrote.
            fingerprint: `Job.fingerprint` of the training that is to be resumed.

        Raises:
            RunError: The file is missing, damaged or of another version, or `fingerprint` is not that of the training
                that wrote it.
        """
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            names = set(state), set(state["position"])
        except Exception as error:  # torch raises many kinds for a damaged file; none may pass as a traceback
            raise RunError(f"{path} is damaged ({type(error).__name__}); delete it to start anew") from None
        if names != (_names(cls), _names(Position)):
            raise RunError(
                f"{path} was written by another version of this software, which alone can go on from it; delete it to "
                "start the training anew"
            )
        found = cls(**{**state, "position": Position(**state["position"])})
        if found.fingerprint != fingerprint:
            raise RunError(f"{path} belongs to other data; delete it to start anew, or choose another --out")
        return found


def _names(kind: Any) -> set[str]:
    """Names of the fields of a dataclass."""
    return {field.name for field in fields(kind)}


def _copied(tree: Any) -> Any:
    """Copies a tree of tensors, every tensor to the CPU."""
    if isinstance(tree, Tensor):
        return tree.detach().to("cpu", copy=True)
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(map(_copied, tree))
    return tree
