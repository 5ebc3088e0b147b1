"""Pooling of feature maps to feature vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

EVIDENCE = "avg_evidence"
"""Global average, and beside it the evidence that `shared.models.evidence.EvidenceMap` finds in the maps."""
POOLINGS = ("avg_1x1", "avg_2x2", "avg_3x3", "max_1x1", "avg_max", EVIDENCE)
"""avg_KxK: average over a K x K grid; max_1x1: global maximum; avg_max: global average and global maximum, joined."""


def pool(maps: Tensor, pooling: str) -> Tensor:
    """Pools feature maps float [N, C, H, W] to feature vectors [N, width]; vectors [N, C] are returned as they are.

    The grid is cut from the map's own size (which a trained network fixes), so the ONNX exporter sees plain slices.

    Args:
        maps: Feature maps, or the output of a dense layer.
        pooling: One of `POOLINGS`; of `EVIDENCE` this is the average alone, for evidence has weights.
    """
    import torch

    if maps.ndim == 2:
        return maps
    if pooling == EVIDENCE:
        return maps.mean(dim=(2, 3))
    if pooling == "max_1x1":
        return maps.amax(dim=(2, 3))
    if pooling == "avg_max":
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
    cells = int(pooling.removeprefix("avg_").partition("x")[0])
    rows, columns = _edges(maps.shape[2], cells), _edges(maps.shape[3], cells)
    grid = [maps[:, :, r0:r1, c0:c1].mean(dim=(2, 3)) for r0, r1 in rows for c0, c1 in columns]
    return torch.stack(grid, dim=2).flatten(1)


def _edges(length: int, cells: int) -> list[tuple[int, int]]:
    """Computes the bounds of adaptive average pooling: cell i covers floor(i L / K) to ceil((i + 1) L / K)."""
    return [(i * length // cells, -(-(i + 1) * length // cells)) for i in range(cells)]
