"""A job so small that a whole training takes a second: bright squares or none, on the smallest network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from shared.data.split import Split
from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.models.pooling import EVIDENCE
from shared.samples import Grouping, Sample
from shared.task import Preprocessing
from shared.training.augmented import one_by_one
from shared.training.job import Job
from shared.training.trainer import Phase

PHASES = [
    Phase(2, "none", 1e-2, 1e-3, 1.0, 0.0, "constant"),
    Phase(3, "all", 1e-2, 1e-2, 0.9, 0.2, "cosine"),
]


class Killed(Exception):
    pass


def small_split(count: int, seed: int) -> Split:
    random = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 2
    images = random.random((count, 1, 16, 16), dtype=np.float32) * 0.5
    images[labels == 1, :, 4:10, 4:10] += 1.0
    samples = [Sample(id=f"{seed}-{i}", source="", label=str(labels[i])) for i in range(count)]
    return Split(samples, list(images), labels, Grouping.of(samples, range(count)))


def _noise(image: np.ndarray, seed: int) -> np.ndarray:
    return image + np.random.default_rng(seed).normal(0, 0.05, image.shape).astype(np.float32)


def small_job(folder: Path, progress: object = lambda *_: None) -> Job:
    backbone = build_backbone("convnet_small", layers=None, seed=0)
    layers = list(backbone.stages)[-1:]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Network(backbone, layers, "avg_1x1", feature_width(backbone, layers, "avg_1x1", 1, 16), 2)
    return Job(
        network=network,
        train=small_split(40, 1),
        validation=small_split(20, 2),
        classes=("0", "1"),
        miss_costs=(1.0, 1.0),
        spec=Preprocessing(16),
        content_hash="",
        fingerprint="",
        augment=one_by_one(_noise),
        seed=0,
        device=torch.device("cpu"),
        folder=folder,
        progress=progress,  # type: ignore[arg-type]
    )


def with_evidence(job: Job, known: int) -> Job:
    """The small job with a map of evidence, and masks of the bright squares of the first `known` images."""
    backbone = build_backbone("convnet_small", layers=["block2"], seed=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        width = feature_width(backbone, ["block2"], EVIDENCE, 1, 16)
        network = Network(backbone, ["block2"], EVIDENCE, width, 2)
    square = np.zeros((16, 16), dtype=np.bool_)
    square[4:10, 4:10] = True
    masks = [square & bool(label) if i < known else None for i, label in enumerate(job.train.labels)]
    return replace(job, network=network, train=replace(job.train, masks=masks), augment=None)
