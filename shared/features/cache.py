"""Features of a frozen network, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from shared.data.split import Chosen
from shared.io.array_store import ArrayStore, ArrayView, cache_folder
from shared.models.backbones.module import Backbone
from shared.models.network import Network
from shared.models.pooling import pool
from shared.samples import Sample
from shared.task import Image, Preprocessing

BATCH = 16
"""On two cores faster than 32: the maps of a smaller batch stay in the cache."""
GPU_BATCH, GPU_IMAGES = 1024, 1 << 18
"""Of small images: enough to fill a GPU at once, and what lies on it together (256 MiB at 32 x 32 bytes)."""
log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


@runtime_checkable
class ByteImages(Protocol):
    """Images that are kept as bytes, 255 for 1."""

    def as_bytes(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Those at `indices`, [N, channels, size, size]."""


class FeatureBlocks:
    """Features [N, width] that lie on disk, those of several layers side by side; only what is asked for is read.

    Args:
        rows: Of each layer, [N, its width].
    """

    def __init__(self, rows: Sequence[ArrayView]) -> None:
        self.rows = tuple(rows)
        self.shape = (len(rows[0]), sum(part.shape[1] for part in rows))

    def __len__(self) -> int:
        return self.shape[0]

    def block(self, start: int, stop: int) -> torch.Tensor:
        """Features start to stop, float32 [stop - start, width]."""
        parts = [torch.from_numpy(part.block(start, stop)) for part in self.rows]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


@dataclass(frozen=True)
class FeatureRequest:
    """Images whose features are wanted, and where they are computed.

    Attributes:
        images: float32 [channels, size, size] each.
        samples: The sample of each image; they name the rows in the cache.
        spec: The preprocessing of the images.
        content_hash: Hash over the bytes of the data, for the keys of the cache.
        device: Where to compute.
        progress: Called with (done, total).
    """

    images: Sequence[Image]
    samples: Sequence[Sample]
    spec: Preprocessing
    content_hash: str
    device: torch.device
    progress: Progress = lambda *_: None


def cached_features(network: Network, request: FeatureRequest) -> FeatureBlocks:
    """Takes the features of a network from the cache; those that are missing are computed and added to it."""
    wanted = [(layer, network.pooling) for layer in network.layers]
    rows = features_of_layers(network.backbone, wanted, request)
    return FeatureBlocks([rows[one] for one in wanted])


def features_of_layers(
    backbone: Backbone, wanted: Sequence[tuple[str, str]], request: FeatureRequest
) -> dict[tuple[str, str], ArrayView]:
    """Computes the pooled outputs of several layers, all of them in one pass over the images; cached as above.

    Args:
        backbone: Has all the layers that are wanted.
        wanted: Pairs (layer, pooling).
        request: The images.

    Returns:
        For each of `wanted`, float32 rows [N, width].
    """
    names = [f"{sample.id}:{sample.frame}" for sample in request.samples]
    keys = layer_keys(backbone, request.spec, request.content_hash)
    stores = {one: ArrayStore(cache_folder("features") / f"{keys[one[0]]}-{one[1]}") for one in wanted}
    lacks = {one: store.missing(names) for one, store in stores.items()}
    todo = sorted(set().union(*lacks.values()))
    log.info("features: %d of %d taken from the cache", len(names) - len(todo), len(names))
    if todo:
        with ExitStack() as stack:
            adders = {
                one: (stack.enter_context(stores[one].adding([names[i] for i in lacking])), set(lacking))
                for one, lacking in lacks.items()
                if lacking
            }
            for chosen, maps in _passes(backbone, request, todo):
                for (layer, pooling), (add, lacking) in adders.items():
                    keep = [row for row, i in enumerate(chosen) if i in lacking]
                    add(pool(maps[layer][keep], pooling).float().cpu().numpy())
    request.progress(len(names), len(names))
    return {one: store.rows(names) for one, store in stores.items()}


@torch.no_grad()
def nearest_features(
    network: Network, images: Sequence[Image], among: Sequence[Image], count: int
) -> NDArray[np.int64]:
    """Indices [images, count] into `among` of the images with the most similar features (cosine), nearest first."""
    network.eval()

    def directions(pictures: Sequence[Image]) -> torch.Tensor:
        bounds = [range(start, min(start + BATCH, len(pictures))) for start in range(0, len(pictures), BATCH)]
        rows = [network.features(unit_range(stacked(pictures, batch))) for batch in bounds]
        return torch.nn.functional.normalize(torch.cat(rows).float(), dim=1)

    similar = directions(images) @ directions(among).T
    return similar.topk(min(count, len(among)), dim=1).indices.numpy()


def layer_keys(backbone: Backbone, spec: Preprocessing, content_hash: str) -> dict[str, str]:
    """For each stage, SHA-256 over everything that determines its output: all tensors up to it, data, and release.

    A backbone that was cut off earlier has the same keys, so it finds the same features.
    """
    facts = [
        version("medtl"),
        backbone.record.name,
        backbone.input_size,
        spec.size,
        spec.channels,
        dict(spec.options),
        content_hash,
    ]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    keys = {}
    for stage, module in backbone.stages.items():
        for name, tensor in module.state_dict().items():
            digest.update(f"{stage}.{name}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        keys[stage] = digest.hexdigest()
    return keys


@torch.inference_mode()
def _passes(
    backbone: Backbone, request: FeatureRequest, indices: Sequence[int]
) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Computes the maps of all layers for the images at `indices`, batch by batch, with the indices of each batch.

    On a GPU images that are kept as bytes go there as bytes, many batches at once; scaling, enlarging and the step to
    three channels happen on the device, in bfloat16.
    """
    device = request.device
    backbone.to(device).eval()
    on_gpu = device.type == "cuda"
    size, at_once = (GPU_BATCH, GPU_IMAGES) if on_gpu else (BATCH, BATCH)
    for first in range(0, len(indices), at_once):
        group = list(indices[first : first + at_once])
        pixels = stacked(request.images, group).to(device)
        for start in range(0, len(group), size):
            batch = unit_range(pixels[start : start + size]).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
                yield group[start : start + size], backbone(batch)
            request.progress(first + min(start + size, len(group)), len(indices))


def stacked(images: Sequence[Image], indices: Sequence[int]) -> torch.Tensor:
    """Images as one tensor [N, channels, size, size]: uint8 where they are kept as bytes, else float32 in 0..1."""
    if isinstance(images, Chosen):
        return stacked(images.images, [images.indices[i] for i in indices])
    if isinstance(images, ByteImages):
        return torch.from_numpy(images.as_bytes(indices))
    return torch.from_numpy(np.stack([images[i] for i in indices]))


def unit_range(pixels: torch.Tensor) -> torch.Tensor:
    """Float32 in 0..1 of images that may be bytes."""
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels
