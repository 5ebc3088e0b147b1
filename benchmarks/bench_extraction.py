"""Code extraction against the bare forward pass of the same network on random tensors of the same shape."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from shared.backbones import build_backbone
from shared.features import _compute
from shared.network import Network, code_width

IMAGES, SIZE, REPEATS = 256, 96, 3


def measure() -> tuple[str, float, str]:
    """Returns (what, share of the bare rate, goal)."""
    backbone = build_backbone("squeezenet1_1", layers=["fire9"], seed=0)
    network = Network(backbone, ["fire9"], "avg1", code_width(backbone, ["fire9"], "avg1", 1, SIZE), 2).eval()
    images = list(np.random.default_rng(0).random((IMAGES, 1, SIZE, SIZE), dtype=np.float32))
    batch = torch.rand(32, 1, SIZE, SIZE)

    def bare() -> None:
        with torch.inference_mode():
            for _ in range(IMAGES // 32):
                network.codes(batch)

    def extraction() -> None:
        with tempfile.TemporaryDirectory() as folder:
            _compute(network, images, Path(folder) / "codes", torch.device("cpu"), lambda *_: None)

    bare(), extraction()
    times: dict[str, list[float]] = {"bare": [], "extraction": []}
    for _ in range(REPEATS):
        for name, action in (("bare", bare), ("extraction", extraction)):
            started = time.perf_counter()
            action()
            times[name].append(time.perf_counter() - started)
    return (
        "extraction of codes, share of the bare forward rate (CPU)",
        min(times["bare"]) / min(times["extraction"]),
        ("0.95 or more"),
    )
