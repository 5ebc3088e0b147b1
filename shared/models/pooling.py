"""Pooling of feature maps, or of the tokens of a vision transformer, to feature vectors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

EVIDENCE = "avg_evidence"
"""Global average, and beside it the evidence that `shared.models.evidence.EvidenceMap` finds in the maps."""
CLASS_POOLINGS = ("cls", "cls_avg")
"""cls: the class token of a vision transformer; cls_avg: the class token and the average of the patches, joined, as
DINOv2's linear classifiers use them. Source: Oquab et al., arXiv 2304.07193, on linear probing."""
POOLINGS = ("avg_1x1", "avg_2x2", "avg_3x3", "avg_7x7", "max_1x1", "avg_max", *CLASS_POOLINGS, EVIDENCE)
"""avg_KxK: average over a K x K grid, of which 7 x 7 is what the first dense layer of a VGG receives; max_1x1: global
maximum; avg_max: global average and global maximum, joined."""


def as_maps(output: Tensor) -> Tensor:
    """Lays the tokens of patches out as feature maps float [N, C, H, W]; maps are returned as they are.

    Args:
        output: Feature maps [N, C, H, W], or tokens [N, T, C]: those of a square of patches, by rows, and before them
            the class token where there is one. No square is one more than a square, so T says whether there is.
    """
    if output.ndim != 3:
        return output
    side = math.isqrt(output.shape[1])
    patches = output[:, output.shape[1] - side**2 :]
    return patches.transpose(1, 2).reshape(-1, output.shape[2], side, side)


def pool(maps: Tensor, pooling: str) -> Tensor:
    """Pools feature maps float [N, C, H, W] to feature vectors [N, width]; vectors [N, C] are returned as they are.

    The grid is cut from the map's own size (which a trained network fixes), so the ONNX exporter sees plain slices.

    Args:
        maps: Feature maps, tokens as `as_maps` takes them, or the output of a dense layer. `CLASS_POOLINGS` take tokens
            with a class token alone.
        pooling: One of `POOLINGS`; of `EVIDENCE` this is the average alone, for evidence has weights.
    """
    import torch

    if maps.ndim == 2:
        return maps
    if pooling in CLASS_POOLINGS:
        first = maps[:, 0]
        return first if pooling == "cls" else torch.cat([first, maps[:, 1:].mean(dim=1)], dim=1)
    maps = as_maps(maps)
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
