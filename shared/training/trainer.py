"""The one training loop: phases of steps, chosen by validation, resumable at any moment to the same weights.

All randomness is named by (seed, phase, epoch, step), so a checkpoint holds weights, optimiser and a position, and
nothing about random state. Device, precision and processes come from accelerate.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from shared.data.order import Balance, balanced_keys, endless, epoch_order
from shared.data.split import Split
from shared.errors import RunError
from shared.models.network import Network
from shared.seeding import derive_seed, generator
from shared.training.augmented import Augmented
from shared.training.ema import exponential_average
from shared.training.freezing import BatchNormPolicy, resolve_stages, set_mode, set_trainable
from shared.training.job import Job
from shared.training.objective import Batch, LossModule, Objective
from shared.training.rates import Shape, multiplier, parameter_groups
from shared.training.selection import LABEL_FREE, LAST, RULES

CHECKPOINT_SECONDS = 20.0
"""What a kill may cost. Writing one checkpoint of a ResNet-18 with its optimiser takes about 0.3 s."""
EVALUATION_BATCH = 64

log = logging.getLogger(__name__)
Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True)
class Phase:
    """A stretch of training in which one set of stages learns at one set of rates."""

    epochs: int
    train: str | tuple[str, ...]
    lr_head: float
    lr_backbone: float
    lr_decay: float
    warmup: float
    shape: Shape


@dataclass
class Position:
    """How far training has come: the next step to take, and what was seen so far."""

    phase: int = 0
    epoch: int = 0
    step: int = 0
    best_score: float | None = None
    loss_sum: float = 0.0


@dataclass(frozen=True)
class Settings:
    """How a training goes, whatever it minimises.

    Attributes:
        phases: In order.
        batch_size: Labelled images of a step, over all processes together.
        weight_decay: Of AdamW, on matrices and kernels.
        batch_norm: What of their BatchNorm trained stages change: all, not the statistics, or nothing.
        precision: Of the forward and backward pass; weights and evaluation are float32 always.
        selection: A rule of `shared.training.selection`, or `LAST`; one of those without labels needs `job.target`.
        sampling: What comes equally often in an epoch, as in `shared.data.order`.
        ema_decay: Decay of the exponential moving average of weights that is judged and kept; 0: no average.
        clip_norm: Gradients of a step with a larger norm, over all trained weights, are scaled down to it; 0: never.
    """

    phases: Sequence[Phase]
    batch_size: int = 32
    weight_decay: float = 1e-4
    batch_norm: BatchNormPolicy = "train"
    precision: Precision = "auto"
    selection: str = "log_likelihood"
    sampling: Balance = "none"
    ema_decay: float = 0.0
    clip_norm: float = 0.0


def train(job: Job, objective: Objective, settings: Settings) -> list[dict[str, Any]]:
    """Trains `job.network` in place and leaves the checkpoint that validation prefers in it.

    Args:
        job: Network, training and validation splits, seed, folder for the checkpoint.
        objective: What is minimised; what it learns itself is left in it, of the same checkpoint.
        settings: How.

    Returns:
        The history, a row an epoch.

    Raises:
        RunError: The loss is not finite, or the checkpoint in the folder is damaged.
    """
    return _Loop(job, objective, settings).run()


class _Loop:
    def __init__(self, job: Job, objective: Objective, settings: Settings) -> None:
        on_cpu = job.device.type == "cpu"
        # not accelerate's own mixed precision: that is one for all trainings of a process
        self.accelerator = Accelerator(cpu=on_cpu, mixed_precision="no")
        self.reduced = settings.precision == "bf16" or (settings.precision == "auto" and not on_cpu)
        self.job, self.settings, self.phases = job, settings, settings.phases
        self.batch_size = min(settings.batch_size, len(job.train.samples))
        self.keys = balanced_keys(job.train, settings.sampling)
        self.unlabelled = 0 if objective.unlabelled is None else len(objective.unlabelled.samples)
        self.dataset = Augmented(job.train, objective.unlabelled, job.augment, job.seed)
        self.workers = 0 if on_cpu else min(8, os.cpu_count() or 1)
        self.position = Position()
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}
        self.checkpoint = Path(job.folder) / "checkpoint.pt"
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        self.saved_at = time.monotonic()
        self.network: Network = job.network
        self.learner = LossModule(job.network, objective)
        self.average = exponential_average(job.network, settings.ema_decay) if settings.ema_decay else None
        self.all_steps = sum(phase.epochs for phase in self.phases) * self._steps_per_epoch()
        self.stages = list(self.network.backbone.stages)
        self.trained = [resolve_stages(phase.train, self.stages) for phase in self.phases]

    def run(self) -> list[dict[str, Any]]:
        restored = self._restore()
        while self.position.phase < len(self.phases):
            self._run_phase(restored)
            restored = None
            self.position.phase, self.position.epoch = self.position.phase + 1, 0
        self.learner.load_state_dict(self.best)
        self.learner.eval()
        self.accelerator.free_memory()
        return self.history

    def _run_phase(self, optimiser_state: dict[str, Any] | None) -> None:
        phase, names = self.phases[self.position.phase], self.trained[self.position.phase]
        network, objective = self.network, self.learner.to(self.accelerator.device).objective
        set_trainable(network.backbone.stages, network.head, names, self.settings.batch_norm)
        groups = parameter_groups(
            network.backbone.stages,
            {"head": network.head, "objective": objective},
            names,
            lr_head=phase.lr_head,
            lr_backbone=phase.lr_backbone,
            lr_decay=phase.lr_decay,
            weight_decay=self.settings.weight_decay,
        )
        model, optimiser = self.accelerator.prepare(self.learner, torch.optim.AdamW(groups))
        if optimiser_state is not None:
            optimiser.load_state_dict(optimiser_state)
        steps = self._steps_per_epoch()
        while self.position.epoch < phase.epochs:
            set_mode(network.backbone.stages, network.head, names, self.settings.batch_norm)
            objective.train()
            for images, labels, places in self._loader():
                self._step(model, optimiser, (images, labels, places), phase, steps)
                self._save(optimiser, only_if_due=True)
            self._end_epoch(optimiser, steps)

    def _step(
        self, model: Any, optimiser: Any, drawn: tuple[Tensor, Tensor, Tensor], phase: Phase, steps_per_epoch: int
    ) -> None:
        at = self.position
        factor = multiplier(
            at.epoch * steps_per_epoch + at.step,
            phase.epochs * steps_per_epoch,
            shape=phase.shape,
            warmup=phase.warmup,
        )
        for group in optimiser.param_groups:
            group["lr"] = group["peak_lr"] * factor
        torch.manual_seed(derive_seed(self.job.seed, "step", at.phase, at.epoch, at.step))
        images, labels, places = (tensor.to(self.accelerator.device) for tensor in drawn)
        before = sum(phase.epochs for phase in self.phases[: at.phase])
        progress = ((before + at.epoch) * steps_per_epoch + at.step) / self.all_steps
        with torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.reduced):
            value = model(Batch(images, labels[labels >= 0], places, progress))
        if not torch.isfinite(value):
            raise RunError(f"the loss became {value.item()} in epoch {at.epoch + 1}; lower lr_head and lr_backbone")
        optimiser.zero_grad()
        self.accelerator.backward(value)
        if self.settings.clip_norm:
            # what an earlier phase trained and this one does not still holds its last gradients
            trained = [weight for group in optimiser.param_groups for weight in group["params"]]
            self.accelerator.clip_grad_norm_(trained, self.settings.clip_norm)
        optimiser.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        at.loss_sum += float(value.detach())
        at.step += 1
        done = at.epoch * steps_per_epoch + at.step
        self.job.progress(
            f"training, phase {at.phase + 1} of {len(self.phases)}",
            done,
            phase.epochs * steps_per_epoch,
            f"loss {at.loss_sum / at.step:.3f}",
        )

    def _end_epoch(self, optimiser: Any, steps: int) -> None:
        at = self.position
        rule, labels = self.settings.selection, self.learner.objective.labels(self.job.validation)
        known = labels >= 0
        judged = self.network if self.average is None else cast(Network, self.average.module)
        probabilities = self._probabilities(judged, self.job.validation, self.learner.objective.logits)[known]
        target: dict[str, float] = {}
        if self.job.target is not None:
            of_target = self._probabilities(
                judged, self.job.target.validation, lambda one, features: one.head(features)
            )
            target = {name: LABEL_FREE.get(name)(of_target) for name in LABEL_FREE}
        if rule == LAST:
            value = float(len(self.history))  # which rises with every epoch
        elif rule in LABEL_FREE:
            value = target[rule]
        else:
            value = RULES.get(rule)(probabilities, labels[known])
        self.job.on_epoch_end(replace(self.job, network=judged), len(self.history))
        self.history.append(
            {
                "phase": at.phase + 1,
                "epoch": at.epoch + 1,
                "train_loss": at.loss_sum / steps,
                "validation_score": value,
                "validation_accuracy": float((probabilities.argmax(1) == labels[known]).mean()),
                **target,
                **self.learner.objective.metrics(),
            }
        )
        if at.best_score is None or value > at.best_score:
            at.best_score = value
            kept = self.learner.state_dict() | judged.state_dict(prefix="network.")
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in kept.items()}
        at.epoch, at.step, at.loss_sum = at.epoch + 1, 0, 0.0
        self._save(optimiser, only_if_due=True)

    @torch.no_grad()
    def _probabilities(
        self, network: Network, split: Split, answers: Callable[[Network, Tensor], Tensor]
    ) -> NDArray[np.float64]:
        with self.learner.objective.evaluation_statistics(network, split):
            blocks = predict_features(network, split, self.accelerator.device)
            scores = torch.cat([answers(network, features).float().cpu() for features in blocks])
        probabilities: NDArray[np.float64] = torch.softmax(scores, dim=1).double().numpy()
        return probabilities

    def _steps_per_epoch(self) -> int:
        return max(1, len(self.job.train.samples) // self.batch_size)

    def _loader(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """The batches of the current epoch from the current step on, this process's share of each."""
        at, size, steps = self.position, self.batch_size, self._steps_per_epoch()
        order = epoch_order(self.keys, generator(self.job.seed, "order", at.phase, at.epoch))
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        batches = []
        for step in range(at.step, steps):
            drawn = [order[step * size : (step + 1) * size][rank::world]]
            if self.unlabelled:
                drawn.append(len(order) + self._unlabelled(at.epoch * steps + step)[rank::world])
            batches.append([(at.phase, at.epoch, int(index)) for index in np.concatenate(drawn)])
        return iter(DataLoader(self.dataset, batch_sampler=batches, num_workers=self.workers))

    def _unlabelled(self, step: int) -> NDArray[np.int64]:
        """Places of the images that are seen beside those of a step, counted from the beginning of the phase."""
        seed, phase = self.job.seed, self.position.phase
        return endless(
            self.unlabelled,
            step * self.batch_size,
            self.batch_size,
            lambda number: generator(seed, "beside", phase, number),
        )

    def _save(self, optimiser: Any, *, only_if_due: bool) -> None:
        if only_if_due and time.monotonic() - self.saved_at < CHECKPOINT_SECONDS:
            return
        if self.accelerator.is_main_process:
            state = {
                "fingerprint": self.job.fingerprint,
                "learner": self.learner.state_dict(),
                "average": None if self.average is None else self.average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "position": asdict(self.position),
                "history": self.history,
                "best": self.best,
            }
            partial = self.checkpoint.with_suffix(".partial")
            torch.save(state, partial)
            partial.replace(self.checkpoint)
        self.saved_at = time.monotonic()

    def _restore(self) -> dict[str, Any] | None:
        """Takes up the checkpoint in the folder, if there is one; returns the state of its optimiser."""
        if not self.checkpoint.is_file():
            return None
        try:
            state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds for a damaged file; none may pass as a traceback
            raise RunError(f"{self.checkpoint} is damaged ({type(error).__name__}); delete it to start anew") from None
        if state["fingerprint"] != self.job.fingerprint:
            raise RunError(f"{self.checkpoint} belongs to other data; delete it to start anew, or choose another --out")
        self.learner.load_state_dict(state["learner"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.position = Position(**state["position"])
        self.history, self.best = state["history"], state["best"]
        log.info("resumed at phase %d, epoch %d", self.position.phase + 1, self.position.epoch + 1)
        optimiser: dict[str, Any] = state["optimiser"]
        return optimiser


@torch.no_grad()
def predict_features(network: Network, split: Split, device: torch.device) -> Iterator[Tensor]:
    """Features of all images of a split, block by block, float32 [n, width] on the device, in evaluation mode."""
    network.to(device).eval()
    for start in range(0, len(split.samples), EVALUATION_BATCH):
        stop = min(start + EVALUATION_BATCH, len(split.samples))
        yield network.features(stack_images(split, start, stop).to(device))


def stack_images(split: Split, start: int, stop: int) -> Tensor:
    """Images `start` to `stop` of a split as one tensor, float32 [stop - start, channels, size, size]."""
    return torch.from_numpy(np.stack([split.images[i] for i in range(start, stop)]))
