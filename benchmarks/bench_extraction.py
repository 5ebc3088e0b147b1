"""Measures feature extraction against the bare forward pass of the same network on random tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.side_by_side import Measured, best_times, empty_cache
from shared.features.cache import BATCH, FeatureRequest, features_of_layers
from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.samples import Sample
from shared.task import Image, Preprocessing

IMAGES, FRAME, SIZE = 2048, 32, 64


class Bytes(Sequence[Image]):
    """Random images stored as bytes, as handwriting stores them."""

    def __init__(self) -> None:
        self.store = np.random.default_rng(0).integers(0, 256, (IMAGES, 1, FRAME, FRAME), dtype=np.uint8)

    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self.store[index] / np.float32(255)

    def stored(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Gets the images at `indices`, uint8 [N, 1, size, size]."""
        return self.store[np.asarray(indices)]


def measure() -> list[Measured]:
    """Measures extraction with its cache, beside the network alone."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    backbone = build_backbone("squeezenet1_1", layers=["fire6"], seed=0, input_size=SIZE)
    backbone = backbone.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    network = Network(backbone, ["fire6"], "avg_3x3", feature_width(backbone.cpu(), ["fire6"], "avg_3x3", 1, FRAME), 46)
    network.to(device).eval()
    size = BATCH if device.type == "cpu" else 1024
    batch = torch.rand(size, 3, SIZE, SIZE, device=device).contiguous(memory_format=torch.channels_last)
    samples, images = [Sample(id=str(i), source="") for i in range(IMAGES)], Bytes()

    def bare() -> None:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            for _ in range(IMAGES // size):
                network.features(batch)

    def extraction() -> None:
        with empty_cache():
            features_of_layers(
                backbone,
                [("fire6", "avg_3x3")],
                FeatureRequest(images, samples, Preprocessing(FRAME), "random", device),
            )

    bare_times, times = best_times(bare, extraction)
    what = f"features of {IMAGES} images at {SIZE} px are computed and kept, SqueezeNet ({device.type})"
    return [Measured(what, times, "the bare forward pass", bare_times, ">= 0.95", "wall")]
