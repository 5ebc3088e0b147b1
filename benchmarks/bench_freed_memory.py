"""Measures a training step that keeps freed memory against one that returns it, each in its own process."""

from __future__ import annotations

import subprocess
import sys
import time

import torch
from torch import nn

from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.processes.memory import keep_freed_memory

NAME, SIZE, BATCH, STEPS, REPEATS = "mobilenet_v2", 128, 32, 3, 4
KEEP = "keep"


def measure() -> tuple[str, float, str]:
    """Returns (what, share of the CPU time, goal)."""
    seconds = {KEEP: float("inf"), "return": float("inf")}
    for _ in range(2):
        for mode, best in seconds.items():
            words = [sys.executable, "-m", "benchmarks.bench_freed_memory", mode]
            found = float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
            seconds[mode] = min(best, found)
    what = f"training step of {NAME} on the CPU, freed memory kept, as a share of the CPU time without"
    return what, seconds[KEEP] / seconds["return"], "<= 0.9"


def step_seconds() -> float:
    """Measures the least CPU time of a step of fine-tuning, in seconds."""
    torch.set_num_threads(1)
    backbone = build_backbone(NAME, layers=None, seed=0)
    width = feature_width(backbone, backbone.layers, "avg_1x1", 1, SIZE)
    network = Network(backbone, backbone.layers, "avg_1x1", width, 2)
    network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters())
    images, labels = torch.rand(BATCH, 1, SIZE, SIZE), torch.arange(BATCH) % 2
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        for _ in range(STEPS):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(images), labels).backward()
            optimiser.step()
        times.append((time.process_time() - started) / STEPS)
    return min(times)


if __name__ == "__main__":
    if sys.argv[1] == KEEP:
        keep_freed_memory()
    print(step_seconds())
