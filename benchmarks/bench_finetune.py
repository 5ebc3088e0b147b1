"""Measures fine-tuning against the bare step, forward, backward and optimiser on tensors in memory.

Once with images as they are, once varied as those of the released brain-MRI model are.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.side_by_side import Measured, best_times
from medtl.task import TASK
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

BATCH, CLASSES, JUDGED = 32, 4, 32


@dataclass(frozen=True)
class Row:
    """A training that is measured.

    Attributes:
        name: The network.
        size: Height and width of the images.
        count: Number of images.
        kind: How they are varied; None: not at all.
        goal: Goal of the bare step's time over that of the loop.
    """

    name: str
    size: int
    count: int
    kind: str | None
    goal: str

    def measure(self, device: torch.device) -> Measured:
        """Measures an epoch of the training loop, beside the bare step."""
        images = np.random.default_rng(0).random((self.count, 1, self.size, self.size), dtype=np.float32)
        labels = np.arange(self.count) % CLASSES
        network = self._network()
        step = StepShape((BATCH, 1, self.size, self.size), tuple(network.backbone.stages), "train")
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
            for _ in range(self.count // BATCH):
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
                job = self._job(network, images, labels, device, Path(folder))
                train(job, ClassLoss(torch.ones(CLASSES)), settings)

        bare_times, times = best_times(bare, ours)
        varied = f", varied by {self.kind}" if self.kind else ""
        what = f"fine-tuning of {self.name} at {self.size} px on {self.count} images in memory{varied} ({device.type})"
        return Measured(what, times, "forward, backward and optimiser alone", bare_times, self.goal, "wall")

    def _network(self) -> Network:
        backbone = build_backbone(self.name, layers=None, seed=0)
        width = feature_width(backbone, backbone.layers, "avg_1x1", 1, self.size)
        return Network(backbone, backbone.layers, "avg_1x1", width, CLASSES).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _job(self, network: Network, images: np.ndarray, labels: np.ndarray, device: torch.device, folder: Path) -> Job:
        names = [str(i) for i in range(self.count)]
        samples = [Sample(id=name, source="") for name in names]
        whole = Split(samples, list(images), labels, Grouping(tuple(names), tuple(names), tuple(range(self.count))))
        return Job(
            network=network,
            train=whole,
            validation=whole.of(np.arange(JUDGED)),
            classes=tuple(str(k) for k in range(CLASSES)),
            miss_costs=(1.0,) * CLASSES,
            spec=Preprocessing(self.size),
            content_hash="random",
            fingerprint="random",
            augment=None if self.kind is None else partial(TASK.augment, kind=self.kind),
            augments_batches=self.kind is not None,
            seed=0,
            device=device,
            folder=folder,
            progress=lambda *_: None,
        )


ROWS = (
    Row("squeezenet1_1", 96, 640, None, ">= 0.9"),
    Row("mobilenet_v2", 128, 160, "mri_hospitals", ">= 0.85"),
)


def measure() -> list[Measured]:
    """Measures each row."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return [row.measure(device) for row in ROWS]
