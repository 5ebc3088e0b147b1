"""Measures a training step that keeps freed memory against one that returns it, each in its own process."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from benchmarks.side_by_side import Measured, Times, best_times
from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.processes.memory import keep_freed_memory

NAME, SIZE, BATCH, REPEATS = "mobilenet_v2", 128, 32, 12
KEEP, RETURN = "keep", "return"


def measure() -> list[Measured]:
    """Measures a step that keeps freed memory, beside one that does not."""
    found: dict[str, list[Times]] = {KEEP: [], RETURN: []}
    for mode in (KEEP, RETURN) * 2:
        words = [sys.executable, "-m", "benchmarks.bench_freed_memory", mode]
        cpu, wall = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        found[mode].append(Times(float(cpu), float(wall)))
    kept, returned = (min(times, key=lambda one: one.cpu) for times in found.values())
    what = f"training step of {NAME} on the CPU, freed memory kept"
    return [Measured(what, kept, "freed memory returned", returned, "<= 0.9")]


def step_times() -> Times:
    """Measures a step of fine-tuning."""
    torch.set_num_threads(1)
    backbone = build_backbone(NAME, layers=None, seed=0)
    width = feature_width(backbone, backbone.layers, "avg_1x1", 1, SIZE)
    network = Network(backbone, backbone.layers, "avg_1x1", width, 2)
    network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters())
    images, labels = torch.rand(BATCH, 1, SIZE, SIZE), torch.arange(BATCH) % 2

    def step() -> None:
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimiser.step()

    (times,) = best_times(step, repeats=REPEATS)
    return times


if __name__ == "__main__":
    if sys.argv[1] == KEEP:
        keep_freed_memory()
    taken = step_times()
    print(taken.cpu, taken.wall)
