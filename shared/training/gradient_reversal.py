"""Gradient reversal: a layer by which what comes before it unlearns what comes after it learns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def reversed_gradient(features: Tensor, lambda_: float) -> Tensor:
    """Reverses the gradient of features: returns them unchanged, but multiplies their gradient by minus `lambda_`.

    Args:
        features: Tensor of any shape.
        lambda_: Factor of the reversed gradient, 0 or more.

    Source: Ganin et al., JMLR 17(59), 2016, equations 16 and 17.
    """
    reversed_: Tensor = _GradientReversal.apply(features, lambda_)
    return reversed_


class _GradientReversal(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, features: Tensor, lambda_: float) -> Tensor:
        context.lambda_ = lambda_
        return features.view_as(features)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -context.lambda_ * gradient, None
