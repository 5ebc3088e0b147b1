"""The batches of each epoch, in the order that the seed draws, from where the images lie to where training is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from shared.data.order import Balance, balanced_keys, endless, epoch_order
from shared.data.split import Split
from shared.seeding import generator
from shared.training.augmented import Augmented, Key
from shared.training.checkpoint import Position
from shared.training.job import Job
from shared.training.objective import Batch, Objective
from shared.training.pixels import DevicePixels, pixels_on

WORKERS = 8
"""Processes that read and vary images for a GPU, at most."""


@dataclass(frozen=True)
class Share:
    """Where the images of a training go, and which of them this process takes.

    Attributes:
        device: The device of this process.
        rank: Number of this process, from 0.
        world: Number of processes.
    """

    device: torch.device
    rank: int
    world: int


class Batches:
    """The batches of a training. Each draw depends on (seed, phase, epoch, step) alone.

    On a GPU the images stay there, and are varied there, where they leave room enough and their augmentation varies
    batches; else processes read and vary them, and batches are moved while the GPU computes.

    Attributes:
        size: Labelled images in a step, over all processes together.
        steps_per_epoch: Steps of an epoch; images that do not fill one more step are left out.
        workers: Processes that read and vary images; 0: the process that trains does.

    Args:
        job: The training.
        objective: The loss, which says what batches hold beside labelled images.
        size: The attribute of this name, unless there are fewer images.
        sampling: What is drawn equally often in an epoch.
        share: Where the images go.
    """

    def __init__(self, job: Job, objective: Objective, size: int, sampling: Balance, share: Share) -> None:
        self._job, self._share, unlabelled = job, share, objective.unlabelled
        self.size = min(size, len(job.train.samples))
        self.steps_per_epoch = max(1, len(job.train.samples) // self.size)
        self._keys = balanced_keys(job.train, sampling, job.varying)
        self._unlabelled = 0 if unlabelled is None else len(unlabelled.samples)
        pixels = _kept_pixels(job, unlabelled, share.device)
        self._dataset = Augmented(job.train, unlabelled, job.augment, job.seed, pixels, plain=objective.sees_plain)
        alone = share.device.type == "cpu" or pixels is not None
        self.workers = 0 if alone else min(WORKERS, os.cpu_count() or 1)

    def of_epoch(self, at: Position, progress: Callable[[], float]) -> Iterator[Batch]:
        """Yields the batches of the current epoch from the current step on, this process's share of each.

        Args:
            at: The position in the training; it moves on between two batches.
            progress: Returns the share of all steps that were taken, 0..1.
        """
        for images, labels, places, plain in self._loaded(self._drawn(at)):
            labelled = labels[labels >= 0]  # on the CPU: a GPU would have to be waited for to know how many
            yield self._batch(images, labelled, places, plain, progress())

    def _batch(self, images: Tensor, labels: Tensor, places: Tensor, plain: Tensor | None, progress: float) -> Batch:
        """The batch of a step on the device, but for its places; the last channel of an image is its mask, if any."""
        images, labels = (one.to(self._share.device, non_blocking=True) for one in (images, labels))
        plain = None if plain is None else plain.to(self._share.device, non_blocking=True)
        masks = None
        if self._job.train.masks:
            images, masks = images[:, :-1], images[:, -1]
            plain = None if plain is None else plain[:, :-1]
        return Batch(images, labels, places, progress, masks, plain)

    def _loaded(self, drawn: Sequence[Sequence[Key]]) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor | None]]:
        """Images, labels and places of the batches, and their unlabelled images as they are where these are wanted."""
        # pinned memory is what a CUDA device is given batches from while it computes
        pinned = self.workers > 0 and self._share.device.type == "cuda"
        return iter(
            DataLoader(self._dataset, sampler=drawn, batch_size=None, num_workers=self.workers, pin_memory=pinned)
        )

    def _drawn(self, at: Position) -> list[list[Key]]:
        """The images of each step that is left of the epoch."""
        seed, size, steps = self._job.seed, self.size, self.steps_per_epoch
        order = epoch_order(self._keys, generator(seed, "order", at.phase, at.epoch))
        mine = slice(self._share.rank, None, self._share.world)
        batches = []
        for step in range(at.step, steps):
            drawn = [order[step * size : (step + 1) * size][mine]]
            if self._unlabelled:
                drawn.append(len(order) + self._unlabelled_places(at.phase, at.epoch * steps + step)[mine])
            batches.append([(at.phase, at.epoch, int(index)) for index in np.concatenate(drawn)])
        return batches

    def _unlabelled_places(self, phase: int, step: int) -> NDArray[np.int64]:
        """Places of the unlabelled images of a step, int64 [size]; steps count from the start of the phase."""
        seed = self._job.seed
        return endless(
            self._unlabelled, step * self.size, self.size, lambda number: generator(seed, "beside", phase, number)
        )


def _kept_pixels(job: Job, unlabelled: Split | None, device: torch.device) -> Sequence[DevicePixels] | None:
    """The images on a GPU for the whole training; None where they are read for each batch."""
    if job.augment is not None and not job.augments_batches:
        return None
    return pixels_on(device, [job.train, *([] if unlabelled is None else [unlabelled])])
