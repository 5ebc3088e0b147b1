"""Measures a training step of DANN against a supervised step on as many images: the cost of the domain classifier."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.side_by_side import Measured, best_times
from shared.config.read import validate
from shared.data.split import Split, unlabelled
from shared.models.backbones.build import build_backbone
from shared.models.network import Network
from shared.samples import Grouping, Sample
from shared.strategies._alignment import AlignmentObjective
from shared.strategies.dann import DannLoss, Options
from shared.task import Preprocessing
from shared.training.job import Job, Target
from shared.training.objective import Batch, ClassLoss, Objective

SIDE, HALF = 64, 16


def measure() -> list[Measured]:
    """Measures a step of DANN, beside a supervised one."""
    network = Network(build_backbone("resnet18", layers=None, seed=0), ["layer4"], "avg_1x1", 512, 2)
    supervised, adversarial = _step(network, ClassLoss(torch.ones(2)), 2 * HALF), _dann_step(network)
    plain, adapted = best_times(supervised, adversarial, repeats=7)
    what = f"a step of DANN, {2 * HALF} images (ResNet-18, {SIDE} px)"
    return [Measured(what, adapted, "a supervised step on as many", plain, "<= 1.15")]


def _dann_step(network: Network) -> Callable[[], None]:
    options = validate(Options, {"name": "dann"}, origin="benchmark")
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            network=network,
            train=_part("source"),
            validation=_part("source"),
            classes=("0", "1"),
            miss_costs=(1.0, 1.0),
            spec=Preprocessing(SIDE),
            content_hash="",
            fingerprint="",
            augment=None,
            seed=0,
            device=torch.device("cpu"),
            folder=Path(folder),
            progress=lambda *_: None,
            target=Target(unlabelled(_part("target")), unlabelled(_part("target"))),
        )
    return _step(network, AlignmentObjective(job, options, lambda sizes: DannLoss(options, sizes)), HALF)


def _step(network: Network, objective: Objective, labelled: int) -> Callable[[], None]:
    images = torch.rand(2 * HALF, 1, SIDE, SIDE)
    batch = Batch(images, torch.arange(labelled) % 2, torch.arange(HALF).repeat(2), 0.5)
    optimiser = torch.optim.AdamW([*network.parameters(), *objective.parameters()])

    def step() -> None:
        optimiser.zero_grad()
        objective(network, batch).backward()
        optimiser.step()

    return step


def _part(domain: str) -> Split:
    labels = np.arange(HALF, dtype=np.int64) % 2
    samples = [Sample(id=f"{domain}{i}", source="", label=str(label), domain=domain) for i, label in enumerate(labels)]
    images = np.random.default_rng(0).random((HALF, 1, SIDE, SIDE), dtype=np.float32)
    return Split(samples, list(images), labels, Grouping.of(samples, range(HALF)))
