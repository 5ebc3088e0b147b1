"""Products of features with the weights of a linear head, by the library that is fastest for them."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


def scores_of(block: Tensor, weight: Tensor) -> Tensor:
    """Multiplies features, float [B, width], by weights [classes, width] of the same type; float [B, classes]."""
    if _is_for_onednn(block):
        return _onednn(block.contiguous(), weight.contiguous())
    # the faster order: half as fast again in float32, and a tenth in bfloat16
    return block @ weight.T if block.dtype == torch.bfloat16 else (weight @ block.T).T


def sums_of(slopes: Tensor, block: Tensor) -> Tensor:
    """Multiplies slopes, float [B, classes], by features [B, width] of the same type; float [classes, width]."""
    if _is_for_onednn(block):
        return _onednn(slopes.contiguous().T, block.contiguous().T)
    return slopes.T @ block


def _is_for_onednn(block: Tensor) -> bool:
    return block.device.type == "cpu" and block.dtype == torch.float32 and block.numel() > 0 and _has_onednn()


@cache
def _has_onednn() -> bool:
    """Whether oneDNN multiplies float32, by an operator of torch that is not public and is tried before it is used.

    On AMD's processors MKL, which torch takes by itself, leaves AVX-512 unused and takes 2.5 times as long. Source:
    docs/lab-log.md, "The linear head: against scikit-learn, and on a million rows".
    """
    first, second = torch.arange(24.0).reshape(4, 6), torch.arange(18.0).reshape(3, 6)
    try:
        return torch.equal(_onednn(first, second), first @ second.T)
    except (AttributeError, RuntimeError, TypeError):
        return False


def _onednn(first: Tensor, second: Tensor) -> Tensor:
    """Multiplies `first` [n, k] by the transpose of `second` [m, k]."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(first, second, None, "none", [], "")
    return product
