"""Trains by every strategy on the device double, then extracts, judges and explains; prints what failed, as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from accelerate import PartialState
from accelerate.state import AcceleratorState
from torch.utils.data import DataLoader

from handwriting.task import TASK as HANDWRITING
from medtl.task import TASK as MEDTL
from shared.config.read import validate
from shared.data.split import Split, unlabelled
from shared.errors import RunError
from shared.explanation.attribution import attribute, methods_for
from shared.features.cache import FeatureRequest, cached_features
from shared.models.backbones.module import Backbone
from shared.models.network import feature_width
from shared.models.source_classifier import Classifier
from shared.pipeline.scores import neighbours, reference_features, score_split
from shared.strategies import _distillation, find_strategy, strategy_names
from shared.task import Task
from shared.tasks.images import ImageTask
from shared.training import batches, trainer
from shared.training.job import Job, Target
from shared.training.objective import ClassLoss
from shared.training.pixels import pixels_on
from shared.training.trainer import Phase, TrainerSettings, train
from tests.shared.placement import double
from tests.shared.placement.double import register
from tests.shared.small_job import small_job, small_split, with_evidence

PHASES = [
    {"epochs": 1, "train": "none", "lr_head": 1e-2},
    {"epochs": 1, "train": "all", "lr_head": 1e-2, "lr_backbone": 1e-2},
]
SETTINGS = TrainerSettings(
    phases=[Phase(2, "all", 1e-2, 1e-2, 0.9, 0.2, "cosine")], batch_size=8, precision="fp32", ema_decay=0.9
)
PLANTED = "a planted fault"
"""A case that must fail, or the double would refuse nothing."""
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "conservative": {"parameters": {"strength": 1.0}, "outputs": {"strength": 1.0}},
    "multitask": {"tasks": ["side"]},
}
"""What a strategy must be told."""
WAITING = ("linear_probe",)
"""Strategies without steps that could be watched: its solver waits for a GPU."""


def _job(folder: Path, device: torch.device, *, target: bool = False) -> Job:
    job = small_job(folder)
    job = replace(job, train=job.train.of(np.arange(16)), validation=job.validation.of(np.arange(8)))
    sided = {name: _sided(getattr(job, name)) for name in ("train", "validation")}
    there = Target(*(_elsewhere(unlabelled(small_split(8, seed))) for seed in (3, 4))) if target else None
    return replace(
        job, **sided, target=there, device=device, augment=lambda images, _: 1.0 - images, augments_batches=True
    )


def _sided(split: Split) -> Split:
    sides = [replace(one, auxiliary={"side": str(i % 3)}) for i, one in enumerate(split.samples)]
    return replace(split, samples=sides)


def _elsewhere(split: Split) -> Split:
    return replace(split, samples=[replace(one, domain="elsewhere") for one in split.samples])


def _trained(
    name: str, folder: Path, device: torch.device, make: Callable[[Job], Job] = lambda job: job, **more: Any
) -> None:
    """Trains by a strategy and judges validation; the network must come out on the device."""
    strategy = find_strategy(name)
    options = {"phases": PHASES, "batch_size": 8, "ema_decay": 0.9, "clip_norm": 1.0}
    known = {key: value for key, value in options.items() if key in strategy.options.model_fields}
    job = make(_job(folder, device, target=strategy.learns_from_target))
    strategy.fit(job, validate(strategy.options, {**known, **OPTIONS.get(name, {}), **more}, origin=name))
    reference = reference_features(strategy, job, 0)
    scores = score_split(strategy, job, job.validation, reference)
    neighbours(strategy, job, job.validation, reference, 0, 2)
    assert np.isfinite(scores.classes).all()
    assert {one.device for one in job.network.parameters()} == {device}


def _steps_without_waiting(name: str, folder: Path, device: torch.device, **more: Any) -> None:
    """A GPU is waited for in no step of training; losses are read after many steps."""
    step, waits = trainer._Loop._step, list[str]()

    def watched(*given: Any) -> None:
        double.WAITS.clear()
        step(*given)
        waits.extend(double.WAITS)

    with patch.object(trainer._Loop, "_step", watched):
        _trained(name, folder, device, **more)
    assert not waits, waits


def _masked(job: Job) -> Job:
    return with_evidence(job, 8)


def _misplaced(folder: Path, device: torch.device) -> None:
    torch.ones(2, device=device) + torch.ones(2)


def _as_on_the_cpu(folder: Path, device: torch.device) -> None:
    """The same history and weights as on the CPU, but for the rounding of the optimiser that is fused."""
    rows, weights = [], []
    for number, where in enumerate((torch.device("cpu"), device)):
        AcceleratorState._reset_state(reset_partial_state=True)  # which knows one device
        job = _job(folder / str(number), where)
        rows.append(train(job, ClassLoss(torch.ones(2)), SETTINGS))
        weights.append([one.detach().cpu() for one in job.network.parameters()])
    for there, here in zip(*rows, strict=True):
        assert {name: round(value, 4) for name, value in there.items()} == {
            name: round(value, 4) for name, value in here.items()
        }
    assert all(torch.allclose(there, here, atol=1e-4) for there, here in zip(*weights, strict=True))


def _read_for_each_batch(folder: Path, device: torch.device) -> None:
    """Images that leave no room on the device."""
    with patch.object(double, "FREE_BYTES", 1 << 10):
        job = _job(folder, device)
        assert pixels_on(device, [job.train]) is None
        train(job, ClassLoss(torch.ones(2)), SETTINGS)


def _resumed(folder: Path, device: torch.device) -> None:
    """Killed after a checkpoint of each step, it ends with the weights of a training that was not."""
    with patch.object(trainer, "CHECKPOINT_SECONDS", 0.0):
        whole = _job(folder / "whole", device)
        history = train(whole, ClassLoss(torch.ones(2)), SETTINGS)
        calls = iter(range(3))
        cut = replace(_job(folder / "cut", device), progress=lambda *_: next(calls))
        try:
            train(cut, ClassLoss(torch.ones(2)), SETTINGS)
        except StopIteration:
            cut = _job(folder / "cut", device)
        assert train(cut, ClassLoss(torch.ones(2)), SETTINGS) == history
    for one, other in zip(whole.network.parameters(), cut.network.parameters(), strict=True):
        assert torch.equal(one.cpu(), other.cpu())


def _diverged(folder: Path, device: torch.device) -> None:
    """Losses are read before a checkpoint, and at the end of the epoch at the latest; the error names it."""
    for seconds in (0.0, 1e9):
        job = _job(folder, device)
        try:
            with patch.object(trainer, "CHECKPOINT_SECONDS", seconds):
                train(job, ClassLoss(torch.full((2,), float("nan"))), SETTINGS)
        except RunError as error:
            assert "in epoch 1; lower lr_head" in str(error)
        else:
            raise AssertionError("a loss of NaN went unnoticed")
        assert not list(folder.iterdir())


def _extracted(folder: Path, device: torch.device) -> None:
    job = _job(folder, device)
    request = FeatureRequest(job.train.images, job.train.samples, job.spec, "placement", device)
    assert len(cached_features(job.network, request)) == len(job.train.samples)


def _explained(method: str, folder: Path, device: torch.device) -> None:
    job = _job(folder, device)
    images = np.stack(job.validation.images[:1])
    assert np.isfinite(attribute(job.network, images, np.array([1]), device, method)).all()


def _augmented(task: Task, kind: str, folder: Path, device: torch.device) -> None:
    """Varies images on the device; they come out as on the CPU."""
    images = torch.from_numpy(np.stack(small_split(12, 0).images))
    found = task.augment(images.to(device), range(12), kind)
    assert found.device == device
    torch.testing.assert_close(found.cpu(), task.augment(images, range(12), kind), rtol=0.0, atol=1e-6)


def _classifier(backbone: Backbone) -> Classifier:
    """A classifier of the source, which random weights do not have."""
    layers = tuple(backbone.stages)[-1:]
    width = feature_width(backbone, layers, "avg_1x1", 1, 16)
    return Classifier(torch.ones(3, width), torch.zeros(3), layers, "avg_1x1")


def main() -> None:
    """Runs every case; the last line of the output is a JSON object of the error of each, null where there is none."""
    device = register()
    # the work of accelerate and of a loader's processes is not what is shown here
    PartialState.default_device = property(lambda _: device)
    batches.DataLoader = lambda *args, num_workers, **options: DataLoader(*args, **options)
    _distillation.load_classifier = lambda backbone, _: _classifier(backbone)
    cases: dict[str, Callable[[Path, torch.device], None]] = {
        **{name: partial(_trained if name in WAITING else _steps_without_waiting, name) for name in strategy_names()},
        "multitask, masks": partial(_steps_without_waiting, "multitask", make=_masked, tasks=["mask"]),
        "finetune, head by a probe": partial(_trained, "finetune", head="probe"),
        "linear_probe, svm": partial(_trained, "linear_probe", head="svm"),
        "as on the cpu": _as_on_the_cpu,
        "read for each batch": _read_for_each_batch,
        "resumed": _resumed,
        "diverged": _diverged,
        "extraction": _extracted,
        "augmentation, characters": partial(_augmented, HANDWRITING, "usual"),
        "augmentation, pictures": partial(_augmented, ImageTask("pictures"), "usual"),
        "augmentation, slices": partial(_augmented, MEDTL, "mri_hospitals"),
        PLANTED: _misplaced,
        **{f"explanation, {one}": partial(_explained, one) for one in methods_for(small_job(Path()).network)},
    }
    found: dict[str, str | None] = {}
    for name, run in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                run(Path(folder), device)
                found[name] = None
            except Exception as error:  # each fault is reported beside the others
                sys.stderr.write(f"{name}: {traceback.format_exc()}")
                found[name] = f"{type(error).__name__}: {str(error)[:200]}"
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
