"""Cache of the features of a frozen network: computed once, kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from shared.data.pixel_store import StoredImages
from shared.data.split import Chosen
from shared.io.array_store import ArrayStore, ArrayView, alone_in, cache_folder
from shared.models.backbones.module import Backbone
from shared.models.network import Network
from shared.models.pooling import pool
from shared.samples import Sample
from shared.task import Image, Preprocessing
from shared.training.pixels import batches_on

BATCH = 16
"""Images of one forward pass on a CPU; faster than 32 on two cores, as maps of a smaller batch stay in its cache."""
GPU_BATCH = 1024
"""On a GPU: images of one forward pass at most."""
PASS_BYTES = 1 << 26
"""Bytes of one forward pass as float32, which bounds its maps: 1,024 images of 128 x 128 pixels in grey."""
log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


class FeatureBlocks:
    """Features float32 [N, width] on disk, those of several layers concatenated; only the blocks asked for are read.

    Args:
        rows: For each layer, its stored features, float32 [N, width of the layer].
    """

    def __init__(self, rows: Sequence[ArrayView]) -> None:
        self.rows = tuple(rows)
        self.shape = (len(rows[0]), sum(part.shape[1] for part in rows))

    def __len__(self) -> int:
        return self.shape[0]

    def block(self, start: int, stop: int) -> torch.Tensor:
        """Reads rows `start` to `stop`, float32 [stop - start, width]."""
        parts = [torch.from_numpy(part.block(start, stop)) for part in self.rows]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


@dataclass(frozen=True)
class FeatureRequest:
    """Images whose features are wanted, with the keys of the cache and the device to compute on.

    Attributes:
        images: Images float32 [channels, size, size] in 0..1.
        samples: The sample of each image; its id and frame are the name of the row in the cache.
        spec: The preprocessing of the images.
        content_hash: Hash over the bytes of the data, for the keys of the cache.
        device: Device to compute on.
        progress: Called with (done, total).
    """

    images: Sequence[Image]
    samples: Sequence[Sample]
    spec: Preprocessing
    content_hash: str
    device: torch.device
    progress: Progress = lambda *_: None


def cached_features(network: Network, request: FeatureRequest) -> FeatureBlocks:
    """Reads the features of a network from the cache; missing ones are computed and added to it."""
    wanted = [(layer, network.pooling) for layer in network.layers]
    rows = features_of_layers(network.backbone, wanted, request)
    return FeatureBlocks([rows[one] for one in wanted])


def features_of_layers(
    backbone: Backbone, wanted: Sequence[tuple[str, str]], request: FeatureRequest
) -> dict[tuple[str, str], ArrayView]:
    """Reads the pooled outputs of several layers from the cache; missing ones are computed in one pass over the images.

    Args:
        backbone: The backbone, which outputs the feature maps of all wanted layers.
        wanted: Pairs (layer, pooling).
        request: The images, and where to compute.

    Returns:
        For each pair of `wanted`, features float32 [N, width].
    """
    names = [f"{sample.id}:{sample.frame}" for sample in request.samples]
    keys = layer_keys(backbone, request.spec, _origin(request))
    folders = {one: cache_folder("features") / f"{keys[one[0]]}-{one[1]}" for one in wanted}
    stores = {one: ArrayStore(folder) for one, folder in folders.items()}
    if not any(store.missing(names) for store in stores.values()):
        log.info("features: all %d taken from the cache", len(names))
        request.progress(len(names), len(names))
        return {one: store.rows(names) for one, store in stores.items()}
    with ExitStack() as alone:
        for folder in sorted(folders.values()):  # in one order, or two processes could wait for each other
            alone.enter_context(alone_in(folder))
        return _completed(backbone, folders, names, request)


def _completed(
    backbone: Backbone, folders: Mapping[tuple[str, str], Path], names: Sequence[str], request: FeatureRequest
) -> dict[tuple[str, str], ArrayView]:
    """Computes what no process has computed meanwhile, in one pass over the images, and opens all."""
    stores = {one: ArrayStore(folder) for one, folder in folders.items()}
    missing = {one: store.missing(names) for one, store in stores.items()}
    missing_anywhere = sorted(set().union(*missing.values()))
    log.info("features: %d of %d taken from the cache", len(names) - len(missing_anywhere), len(names))
    if missing_anywhere:
        with ExitStack() as stack:
            adders = {
                one: (stack.enter_context(stores[one].adding([names[i] for i in indices])), set(indices))
                for one, indices in missing.items()
                if indices
            }
            for computed, maps in _forward_passes(backbone, request, missing_anywhere):
                for (layer, pooling), (add, indices) in adders.items():
                    keep = [row for row, i in enumerate(computed) if i in indices]
                    chosen = maps[layer] if len(keep) == len(computed) else maps[layer][keep]
                    add(pool(chosen, pooling).float().cpu().numpy())
    request.progress(len(names), len(names))
    return {one: store.rows(names) for one, store in stores.items()}


def _origin(request: FeatureRequest) -> str:
    """The hash of what the images are made from and how; that of the data alone where they lie in no store."""
    images: object = request.images
    while isinstance(images, Chosen):
        images = images.images
    key = images.key if isinstance(images, StoredImages) else None
    return key or request.content_hash


def layer_keys(backbone: Backbone, spec: Preprocessing, origin: str) -> dict[str, str]:
    """Computes the key of each stage in the cache: SHA-256 over all that determines its output.

    That is the tensors of all stages up to it, the images, their preprocessing, and the release of this package. A
    backbone that is cut off earlier has the same keys, and so finds the same features.

    Args:
        backbone: The backbone.
        spec: The preprocessing of the images.
        origin: Hash of what the images are made from.

    Returns:
        By name of the stage, 64 hexadecimal digits.
    """
    facts = [
        version("medtl"),
        backbone.record.name,
        backbone.input_size,
        spec.size,
        spec.channels,
        dict(spec.options),
        origin,
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
def _forward_passes(
    backbone: Backbone, request: FeatureRequest, indices: Sequence[int]
) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Yields the indices of each batch and the maps of all layers for its images; on a GPU in bfloat16."""
    device, done = request.device, 0
    backbone.to(device).eval()
    on_gpu = device.type != "cpu"
    exact = 4 * request.spec.channels * request.spec.size**2
    size = max(1, min(GPU_BATCH if on_gpu else BATCH, PASS_BYTES // exact))
    for batch, images in batches_on(device, request.images, indices, size):
        with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
            maps = backbone(images.contiguous(memory_format=torch.channels_last))
        yield batch, maps
        done += len(batch)
        request.progress(done, len(indices))
