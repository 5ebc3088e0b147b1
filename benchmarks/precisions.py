"""Times a training step in fp32 and bf16, as `precision: auto` does: python -m benchmarks.precisions [THREADS]."""

from __future__ import annotations

import sys
import time

import torch

from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.training.precision import StepShape, seconds_of_step

CASES = (
    ("convnet_small", 32, 128),
    ("convnet_small", 32, 8),
    ("squeezenet1_1", 64, 64),
    ("mobilenet_v2", 128, 32),
)
"""Backbone, side of the images in pixels, and size of a batch."""


def main() -> None:
    """Prints a line for each case: CPU time in both precisions, their ratio, and what the timing itself took."""
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    for name, side, batch in CASES:
        backbone = build_backbone(name, layers=None, seed=0)
        layers = list(backbone.stages)[-1:]
        network = Network(backbone, layers, "avg_1x1", feature_width(backbone, layers, "avg_1x1", 1, side), 4)
        started = time.process_time()
        found = seconds_of_step(network, StepShape((batch, 1, side, side), tuple(backbone.stages), "freeze_stats"))
        took, ratio = time.process_time() - started, found["fp32"] / found["bf16"]
        print(f"{name}, {side} px, {batch}: {found}, ratio {ratio:.2f}; timing took {took:.1f} s", flush=True)


if __name__ == "__main__":
    main()
