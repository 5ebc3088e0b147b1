"""The losses of an epoch: added up, and found not to be finite, without waiting for a GPU at every step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from shared.errors import RunError
from shared.training.checkpoint import Position

READ_EVERY = 50
"""Steps after which losses are read from a GPU, which has to be waited for. On a CPU each is read at once."""


class Losses:
    """The losses of the steps since the last reading, one by one on the device.

    They are not added up there: read one by one they give the same sum in double precision whenever they are read, so
    that a training that was resumed has the same history.
    """

    def __init__(self) -> None:
        self._waiting: list[Tensor] = []

    def add(self, loss: Tensor, at: Position) -> None:
        """Takes the loss of a step, and reads all where that is due.

        Args:
            loss: The loss, a scalar.
            at: The position of the step.

        Raises:
            RunError: A loss is not finite.
        """
        self._waiting.append(loss.detach())
        if loss.device.type == "cpu" or len(self._waiting) >= READ_EVERY:
            self.read(at)

    def read(self, at: Position) -> None:
        """Adds the losses that wait to the sum of the epoch.

        Args:
            at: The position, whose sum is changed.

        Raises:
            RunError: A loss is not finite.
        """
        if not self._waiting:
            return
        for loss in torch.stack(self._waiting).tolist():
            if not math.isfinite(loss):
                raise RunError(f"the loss became {loss} in epoch {at.epoch + 1}; lower lr_head and lr_backbone")
            at.loss_sum += loss
        self._waiting.clear()

    def mean(self, at: Position) -> float | None:
        """Returns the mean of the losses that were read in this epoch; None before the first reading.

        Args:
            at: The position, after its last step was counted.
        """
        count = at.step - len(self._waiting)
        return at.loss_sum / count if count else None
