"""Codes of a frozen network, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
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
    """Codes [N, width], from the cache where they are there, computed and added to it where not.

    A network's folder in the cache holds pieces: each the codes of the samples that one call missed. So every split
    of the same data finds what another one left.
    """
    folder = cache_folder() / network_key(network, spec, content_hash)
    names = [f"{sample.id}:{sample.frame}" for sample in samples]
    known = {name: codes for piece in _pieces(folder) for name, codes in zip(*piece, strict=True)}
    missing = [i for i, name in enumerate(names) if name not in known]
    log.info("codes: %d of %d taken from the cache", len(names) - len(missing), len(names))
    if missing:
        codes = _add_piece(folder, [names[i] for i in missing], network, [images[i] for i in missing], device, progress)
        if len(missing) == len(names):
            return codes
        known |= {names[i]: row for i, row in zip(missing, codes, strict=True)}
    progress(len(names), len(names))
    return np.stack([known[name] for name in names])


@torch.no_grad()
def nearest_codes(network: Network, images: Sequence[Image], among: Sequence[Image], count: int) -> NDArray[np.int64]:
    """Indices [images, count] into `among` of the images with the most similar codes (cosine), nearest first."""
    network.eval()

    def directions(pictures: Sequence[Image]) -> torch.Tensor:
        rows = [
            network.codes(
                torch.from_numpy(np.stack([pictures[i] for i in range(start, min(start + BATCH, len(pictures)))]))
            )
            for start in range(0, len(pictures), BATCH)
        ]
        return torch.nn.functional.normalize(torch.cat(rows).float(), dim=1)

    similar = directions(images) @ directions(among).T
    return similar.topk(min(count, len(among)), dim=1).indices.numpy()


def network_key(network: Network, spec: Preprocessing, content_hash: str) -> str:
    """SHA-256 over everything that determines the code of a sample: network, data, and the release that reads them."""
    digest = hashlib.sha256()
    facts = [
        version("medtl"),
        network.layers,
        network.pooling,
        spec.size,
        spec.channels,
        dict(spec.options),
        content_hash,
    ]
    digest.update(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in network.backbone.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _pieces(folder: Path) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Names and codes of each piece; one that is damaged is deleted, for it can be computed again."""
    for path in sorted(folder.glob("*.npy")):
        try:
            names = json.loads(path.with_suffix(".json").read_text())
            codes = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            names, codes = None, np.empty(0)
        if codes.ndim == 2 and isinstance(names, list) and len(names) == len(codes):
            yield names, codes
        else:
            log.warning("a damaged piece of the code cache is deleted and computed anew")
            path.unlink(missing_ok=True)


def _add_piece(
    folder: Path,
    names: Sequence[str],
    network: Network,
    images: Sequence[Image],
    device: torch.device,
    progress: Progress,
) -> NDArray[np.float32]:
    """Computes codes and puts them into the cache; the piece appears only when it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(json.dumps(names).encode()).hexdigest()[:32]}.npy"
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        _compute(network, images, partial, device, progress)
        path.with_suffix(".json").write_text(json.dumps(names))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    codes: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    return codes


@torch.no_grad()
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
