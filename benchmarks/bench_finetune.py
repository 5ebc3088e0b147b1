"""Measures fine-tuning against the bare step: forward, backward and optimiser on tensors in memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.side_by_side import Measured, best_times
from shared.data.split import Split
from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.samples import Grouping, Sample
from shared.task import Preprocessing
from shared.training.job import Job
from shared.training.objective import ClassLoss
from shared.training.precision import StepShape, precision_for
from shared.training.rates import parameter_groups
from shared.training.trainer import Phase, TrainerSettings, train

NAME, SIZE, IMAGES, BATCH, CLASSES, JUDGED = "squeezenet1_1", 96, 640, 32, 4, 32


def measure() -> list[Measured]:
    """Measures an epoch of the training loop, beside the bare step."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images = np.random.default_rng(0).random((IMAGES, 1, SIZE, SIZE), dtype=np.float32)
    labels = np.arange(IMAGES) % CLASSES
    network = _network()
    step = StepShape((BATCH, 1, SIZE, SIZE), tuple(network.backbone.stages), "train")
    precision = precision_for("auto", network, step, device).name

    def bare() -> None:
        network.to(device).train()
        groups = parameter_groups(
            network.backbone.stages,
            {"head": network.head},
            list(network.backbone.stages),
            lr_head=1e-4,
            lr_backbone=1e-4,
            lr_decay=1.0,
            weight_decay=1e-4,
        )
        optimiser = torch.optim.AdamW(groups)
        batch = torch.from_numpy(images[:BATCH]).to(device)
        truth = torch.from_numpy(labels[:BATCH]).to(device)
        for _ in range(IMAGES // BATCH):
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                loss = torch.nn.functional.cross_entropy(network(batch).float(), truth)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        loss.item()

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            settings = TrainerSettings(
                phases=[Phase(1, "all", 1e-4, 1e-4, 1.0, 0.1, "cosine")],
                batch_size=BATCH,
                precision=precision,
            )
            train(_job(network, images, labels, device, Path(folder)), ClassLoss(torch.ones(CLASSES)), settings)

    bare_times, times = best_times(bare, ours)
    what = f"fine-tuning of {NAME} at {SIZE} px on {IMAGES} images in memory ({device.type})"
    return [Measured(what, times, "forward, backward and optimiser alone", bare_times, ">= 0.9", "wall")]


def _network() -> Network:
    backbone = build_backbone(NAME, layers=None, seed=0)
    width = feature_width(backbone, backbone.layers, "avg_1x1", 1, SIZE)
    return Network(backbone, backbone.layers, "avg_1x1", width, CLASSES).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _job(network: Network, images: np.ndarray, labels: np.ndarray, device: torch.device, folder: Path) -> Job:
    names = [str(i) for i in range(IMAGES)]
    samples = [Sample(id=name, source="") for name in names]
    whole = Split(samples, list(images), labels, Grouping(tuple(names), tuple(names), tuple(range(IMAGES))))
    return Job(
        network=network,
        train=whole,
        validation=whole.of(np.arange(JUDGED)),
        classes=tuple(str(k) for k in range(CLASSES)),
        miss_costs=(1.0,) * CLASSES,
        spec=Preprocessing(SIZE),
        content_hash="random",
        fingerprint="random",
        augment=None,
        seed=0,
        device=device,
        folder=folder,
        progress=lambda *_: None,
    )
