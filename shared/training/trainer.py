"""The one training loop: phases of steps, a checkpoint kept by validation, resumable at any step to the same weights.

All random draws depend on (seed, phase, epoch, step) alone, so an interrupted training needs no random state to go on.
Device and processes come from accelerate. On a GPU the loop waits for the device at no step, unless the objective does:
losses are read every so many steps, the best weights stay there, and a thread writes checkpoints.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from shared.data.order import Balance
from shared.data.split import Split
from shared.errors import RunError
from shared.evaluation.calibration import fit_temperature, softmax
from shared.models.network import Network
from shared.processes.memory import keep_freed_memory, return_freed_memory
from shared.seeding import derive_seed
from shared.training.batches import Batches, Share
from shared.training.checkpoint import FILE, Checkpoint, Position
from shared.training.checkpoint_writer import CheckpointWriter
from shared.training.compiled import STATE as COMPILED
from shared.training.compiled import CompiledBackbone
from shared.training.ema import MovingAverage
from shared.training.freezing import (
    DomainBatchNormOption,
    batch_norm_policy,
    resolve_stages,
    set_mode,
    set_trainable,
)
from shared.training.job import Job
from shared.training.losses import Losses
from shared.training.objective import Batch, LossModule, Objective
from shared.training.passes import predict_features
from shared.training.precision import STATE, Asked, StepShape, TakenPrecision, precision_for
from shared.training.rates import DecayShape, multiplier, parameter_groups
from shared.training.selection import LABEL_FREE, LAST, RULES

CHECKPOINT_SECONDS = 20.0
"""Seconds between checkpoints: at most so much work is lost in a kill. Writing one of a ResNet-18 takes about 0.3 s."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Phase:
    """A stretch of training in which one set of stages is trained at one set of learning rates.

    Attributes:
        epochs: Passes over the training images, at least 1.
        train: Stages that train besides the head, as `shared.training.freezing.resolve_stages` reads them.
        lr_head: Peak learning rate of the head.
        lr_backbone: Peak learning rate of the trained stage next to the head.
        lr_decay: Factor on the rate for each stage further from the head, in 0..1.
        warmup: Share of the phase over which the rates rise, 0..1.
        shape: Shape of the fall of the rates after that.
    """

    epochs: int
    train: str | tuple[str, ...]
    lr_head: float
    lr_backbone: float
    lr_decay: float
    warmup: float
    shape: DecayShape


@dataclass(frozen=True)
class TrainerSettings:
    """Settings of the training loop that do not depend on the objective.

    Attributes:
        phases: The phases, in order.
        batch_size: Labelled images in a step, over all processes together.
        weight_decay: Weight decay of AdamW on matrices and kernels; biases and normalisation are not decayed.
        batch_norm: What changes in the BatchNorm of trained stages: everything, all but the statistics, or nothing;
            "auto" lets `job.folded_batch_norm` decide.
        precision: Precision of the forward and backward pass, as `shared.training.precision` settles it; weights and
            evaluation are always float32.
        selection: Name of a rule of `shared.training.selection`, or `LAST`; a rule without labels needs `job.target`.
        sampling: What is drawn equally often in an epoch, as in `shared.data.order`.
        ema_decay: Decay of the exponential moving average of weights, which is then evaluated and kept in place of the
            weights themselves; 0: no average.
        clip_norm: Largest norm of the gradients of a step, over all trained weights; larger ones are scaled down to
            it. 0: no limit.
        stop_after: Number of the epoch that is kept, counted over all phases; training stops there, with rates as if
            it went on. None: `selection` chooses among all.
    """

    phases: Sequence[Phase]
    batch_size: int = 32
    weight_decay: float = 1e-4
    batch_norm: DomainBatchNormOption = "auto"
    precision: Asked = "auto"
    selection: str = "log_likelihood"
    sampling: Balance = "none"
    ema_decay: float = 0.0
    clip_norm: float = 0.0
    stop_after: int | None = None


def train(job: Job, objective: Objective, settings: TrainerSettings) -> list[dict[str, Any]]:
    """Trains `job.network` in place, and leaves in it the weights of the epoch that the selection rule prefers.

    Args:
        job: Network, training and validation splits, seed, folder for the checkpoint.
        objective: The loss to minimise; parameters of its own are left as they were at the same epoch.
        settings: Phases, rates and selection.

    Returns:
        The history, one row an epoch.

    Raises:
        RunError: Loss or weights are not finite, or the checkpoint in the folder is damaged or belongs to other data.
        OSError: A checkpoint could not be written.
    """
    try:
        return _Loop(job, objective, settings).run()
    finally:
        return_freed_memory()


class _Loop:
    """The state of one training, and the steps that advance it."""

    def __init__(self, job: Job, objective: Objective, settings: TrainerSettings) -> None:
        on_cpu = job.device.type == "cpu"
        if on_cpu:
            keep_freed_memory()
        # not accelerate's own mixed precision: that is one for all trainings of a process
        self.accelerator = Accelerator(cpu=on_cpu, mixed_precision="no")
        self.device = self.accelerator.device
        self.job, self.settings, self.phases = job, settings, settings.phases
        self.batch_norm = batch_norm_policy(settings.batch_norm, folded=job.folded_batch_norm)
        share = Share(self.device, self.accelerator.process_index, self.accelerator.num_processes)
        self.batches = Batches(job, objective, settings.batch_size, settings.sampling, share)
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.position, self.losses = Position(), Losses()
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}
        self.checkpoint = Path(job.folder) / FILE
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        self.writer = CheckpointWriter(self.checkpoint)
        self.saved_at = time.monotonic()
        self.network: Network = job.network
        self.backbone: CompiledBackbone  # of the present phase
        self.loss_module = LossModule(job.network, objective)
        self.average = MovingAverage(job.network, settings.ema_decay) if settings.ema_decay else None
        self.all_steps = sum(phase.epochs for phase in self.phases) * self.steps_per_epoch
        stages = list(self.network.backbone.stages)
        self.trained = [resolve_stages(phase.train, stages) for phase in self.phases]

    def run(self) -> list[dict[str, Any]]:
        """Runs all phases from the checkpoint on, if there is one, and loads the best weights."""
        optimiser_state = self._restore()
        with self.writer:
            while self.position.phase < len(self.phases) and not self._stopped():
                self._run_phase(optimiser_state)
                optimiser_state = None
                self.position.phase, self.position.epoch = self.position.phase + 1, 0
        self.loss_module.load_state_dict(self.best)
        self.loss_module.eval()
        if self.device.type != "cpu":  # what is kept there would seem to be taken; on a CPU it only searches for cycles
            self.accelerator.free_memory()
        return self.history

    def _precision(self) -> TakenPrecision:
        """Settles the precision by the phase that trains most stages, whose steps take longest."""
        images = (self.batches.size, *self.job.train.images[0].shape)
        step = StepShape(images, max(self.trained, key=len), self.batch_norm)
        return precision_for(self.settings.precision, self.network, step, self.job.device)

    def _run_phase(self, optimiser_state: dict[str, Any] | None) -> None:
        phase, names = self.phases[self.position.phase], self.trained[self.position.phase]
        network, objective = self.network, self.loss_module.to(self.device).objective
        if self.average is not None:
            self.average.to(self.device)
        set_trainable(network.backbone.stages, network.head, names, self.batch_norm)
        groups = parameter_groups(
            network.backbone.stages,
            {**network.new_modules(), "objective": objective},
            names,
            lr_head=phase.lr_head,
            lr_backbone=phase.lr_backbone,
            lr_decay=phase.lr_decay,
            weight_decay=self.settings.weight_decay,
        )
        fused = True if self.device.type != "cpu" else None  # one kernel for all weights
        model, optimiser = self.accelerator.prepare(self.loss_module, torch.optim.AdamW(groups, fused=fused))
        if optimiser_state is not None:
            optimiser.load_state_dict(optimiser_state)
        alone = self.accelerator.num_processes == 1
        with CompiledBackbone(network.backbone, self._steps_left(), self.device, alone=alone) as self.backbone:
            while self.position.epoch < phase.epochs and not self._stopped():
                network.train()
                set_mode(network.backbone.stages, network.head, names, self.batch_norm)
                objective.train()
                if self.batches.workers:
                    self.writer.wait()  # its thread must not hold a lock while processes are forked
                for batch in self.batches.of_epoch(self.position, self._progress):
                    self._step(model, optimiser, batch)
                    self._save_if_due(optimiser)
                self._end_epoch(optimiser)
        if self.backbone.said is not None:
            self.job.state.setdefault(COMPILED, []).append(f"phase {self.position.phase + 1}, {self.backbone.said}")

    def _stopped(self) -> bool:
        """Whether training has come to the epoch that is kept."""
        return self.settings.stop_after is not None and len(self.history) >= self.settings.stop_after

    def _step(self, model: Any, optimiser: Any, batch: Batch) -> None:
        """Takes one step down the gradient of a batch, and moves the position on."""
        at = self.position
        self._set_rates(optimiser)
        torch.manual_seed(derive_seed(self.job.seed, "step", at.phase, at.epoch, at.step))
        optimiser.zero_grad()  # before the pass: gradients may lie in the memory of a CUDA graph that is replayed in it
        with (
            torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision.name == "bf16"),
            self.backbone.step(),
        ):
            loss = model(batch)
        self.losses.add(loss, at)
        loss.backward()
        if self.settings.clip_norm:
            # what an earlier phase trained and this one does not still holds its last gradients
            trained = [weight for group in optimiser.param_groups for weight in group["params"]]
            self.accelerator.clip_grad_norm_(trained, self.settings.clip_norm)
        optimiser.step()
        rates = {weight: group["lr"] for group in optimiser.param_groups for weight in group["params"]}
        self.loss_module.objective.after_step(self.network, rates)
        if self.average is not None:
            self.average.update_parameters(self.network)
        at.step += 1
        mean = self.losses.mean(at)
        self.job.progress(
            f"training, phase {at.phase + 1} of {len(self.phases)}",
            self._steps_of_phase(),
            self.phases[at.phase].epochs * self.steps_per_epoch,
            "" if mean is None else f"loss {mean:.3f}",
        )

    def _set_rates(self, optimiser: Any) -> None:
        """Sets the learning rate of each parameter group for the current step."""
        phase = self.phases[self.position.phase]
        total = phase.epochs * self.steps_per_epoch
        factor = multiplier(self._steps_of_phase(), total, shape=phase.shape, warmup=phase.warmup)
        for group in optimiser.param_groups:
            group["lr"] = group["peak_lr"] * factor

    def _steps_of_phase(self) -> int:
        """Counts the steps that were taken in the current phase."""
        return self.position.epoch * self.steps_per_epoch + self.position.step

    def _steps_left(self) -> int:
        """Counts the steps that are left of the current phase, up to the epoch that is kept."""
        at, stop = self.position, self.settings.stop_after
        epochs = self.phases[at.phase].epochs - at.epoch
        if stop is not None:
            epochs = min(epochs, stop - len(self.history))
        return epochs * self.steps_per_epoch - at.step

    def _progress(self) -> float:
        """The share of all steps of all phases that were taken, 0..1."""
        epochs_before = sum(phase.epochs for phase in self.phases[: self.position.phase])
        return (epochs_before * self.steps_per_epoch + self._steps_of_phase()) / self.all_steps

    def _end_epoch(self, optimiser: Any) -> None:
        """Evaluates the network, adds a row to the history, and keeps the weights if they are the best so far."""
        at = self.position
        self._require_finite()
        network = self.network if self.average is None else self.average.module
        measured = self._evaluate(network)
        self.job.on_epoch_end(replace(self.job, network=network), len(self.history))
        self.history.append(
            {
                "phase": at.phase + 1,
                "epoch": at.epoch + 1,
                "train_loss": at.loss_sum / self.steps_per_epoch,
                **measured,
                **self.loss_module.objective.metrics(),
            }
        )
        if self.accelerator.is_main_process:
            self.job.on_row(len(self.history), self.history[-1])
        score = measured["validation_score"]
        if at.best_score is None or score > at.best_score:
            at.best_score = score
            kept = self.loss_module.state_dict() | network.state_dict(prefix="network.")
            self.best = {name: tensor.detach().clone() for name, tensor in kept.items()}
        at.epoch, at.step, at.loss_sum = at.epoch + 1, 0, 0.0
        self._save_if_due(optimiser)

    def _evaluate(self, network: Network) -> dict[str, float]:
        """Measures the score by which a checkpoint is chosen, the validation accuracy, and the rules without labels."""
        rule, objective = self.settings.selection, self.loss_module.objective
        labels = objective.labels(self.job.validation)
        known = labels >= 0
        scores = self._scores(network, self.job.validation, objective.logits)[known]
        probabilities = softmax(scores)
        label_free: dict[str, float] = {}
        if self.job.target is not None:
            on_target = self._scores(network, self.job.target.validation, lambda one, x: one.head(x))
            temperature = fit_temperature(scores, labels[known])
            label_free = {name: LABEL_FREE.get(name)(on_target, temperature) for name in LABEL_FREE}
        if rule == LAST or self.settings.stop_after is not None:
            score = float(len(self.history))  # which rises with every epoch
        elif rule in LABEL_FREE:
            score = label_free[rule]
        else:
            score = RULES.get(rule)(probabilities, labels[known])
        accuracy = float((probabilities.argmax(1) == labels[known]).mean())
        return {"validation_score": score, "validation_accuracy": accuracy, **label_free}

    @torch.no_grad()
    def _scores(
        self, network: Network, split: Split, logits: Callable[[Network, Tensor], Tensor]
    ) -> NDArray[np.float64]:
        """Class scores, float64 [N, classes], of a split; `logits` maps network and features to them."""
        with self.loss_module.objective.evaluation_statistics(network, split):
            blocks = predict_features(network, split, self.device)
            scores = torch.cat([logits(network, features).float() for features in blocks]).cpu()  # waits once
        found: NDArray[np.float64] = scores.double().numpy()
        return found

    def _require_finite(self) -> None:
        """Checks the losses that were not read yet, and all weights.

        Raises:
            RunError: One of them is not finite.
        """
        self.losses.read(self.position)
        finite = torch.stack([weight.isfinite().all() for weight in self.loss_module.parameters()])
        if not finite.all():
            epoch = self.position.epoch + 1
            raise RunError(f"weights became infinite or no number in epoch {epoch}; lower lr_head and lr_backbone")

    def _save_if_due(self, optimiser: Any) -> None:
        """Begins to write a checkpoint where the last one is older than `CHECKPOINT_SECONDS`."""
        self.writer.raise_failure()
        if time.monotonic() - self.saved_at < CHECKPOINT_SECONDS:
            return
        self._require_finite()
        if self.accelerator.is_main_process:
            checkpoint = Checkpoint(
                fingerprint=self.job.fingerprint,
                loss_module=self.loss_module.state_dict(),
                average=None if self.average is None else self.average.state_dict(),
                optimiser=optimiser.state_dict(),
                position=self.position,
                history=self.history,
                best=self.best,
                precision=self.precision.to_json(),
            )
            self.writer.write(checkpoint)
        self.saved_at = time.monotonic()

    def _restore(self) -> dict[str, Any] | None:
        """Takes up the checkpoint in the folder, if there is one, and returns the state of its optimiser."""
        found = Checkpoint.read(self.checkpoint, self.job.fingerprint) if self.checkpoint.is_file() else None
        self.precision = self._precision() if found is None else TakenPrecision(**found.precision)
        self.job.state[STATE] = self.precision.to_json()
        if found is None:
            return None
        self.loss_module.load_state_dict(found.loss_module)
        if self.average is not None:
            self.average.load_state_dict(found.average or {})
        self.position, self.history, self.best = found.position, found.history, found.best
        log.info("resumed at phase %d, epoch %d", self.position.phase + 1, self.position.epoch + 1)
        return found.optimiser
