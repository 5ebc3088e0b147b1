"""Codes of a frozen network, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from shared.network import Network
from shared.samples import Sample
from shared.task import Image, Preprocessing

BATCH = 16
"""On two cores faster than 32: the maps of a smaller batch stay in the cache."""
log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


def cache_folder() -> Path:
    """Where codes are kept: `medtl/codes` under `XDG_CACHE_HOME` (default `~/.cache`)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "medtl" / "codes"


def cached_codes(
    network: Network,
    images: Sequence[Image],
    samples: Sequence[Sample],
    spec: Preprocessing,
    *,
    content_hash: str,
    device: torch.device,
    progress: Progress,
) -> NDArray[np.float32]:
    """Codes [N, width], memory-mapped, from the cache or computed now.

    The key holds all that a code depends on: backbone weights, layers, pooling, preprocessing, and the content and
    choice of the samples. A file appears under its key only when it is complete.
    """
    path = cache_folder() / f"{code_key(network, samples, spec, content_hash)}.npy"
    if path.is_file():
        log.info("codes: %d taken from the cache", len(samples))
        progress(len(samples), len(samples))
        return _open(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        _compute(network, images, partial, device, progress)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return _open(path)


def code_key(network: Network, samples: Sequence[Sample], spec: Preprocessing, content_hash: str) -> str:
    """SHA-256 over everything that determines the codes."""
    digest = hashlib.sha256()
    facts = [network.layers, network.pooling, spec.size, spec.channels, dict(spec.options), content_hash]
    digest.update(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in network.backbone.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    for sample in samples:
        digest.update(f"{sample.id}:{sample.frame}\n".encode())
    return digest.hexdigest()


@torch.inference_mode()
def _compute(network: Network, images: Sequence[Image], path: Path, device: torch.device, progress: Progress) -> None:
    network.to(device).eval()
    store: NDArray[np.float32] | None = None
    for start in range(0, len(images), BATCH):
        stop = min(start + BATCH, len(images))
        batch = np.stack([images[i] for i in range(start, stop)])
        codes = network.codes(torch.from_numpy(batch).to(device)).float().cpu().numpy()
        if store is None:
            shape = (len(images), codes.shape[1])
            store = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        store[start:stop] = codes
        progress(stop, len(images))
    if isinstance(store, np.memmap):
        store.flush()


def _open(path: Path) -> NDArray[np.float32]:
    codes: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    return codes
