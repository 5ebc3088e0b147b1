"""Changes some images of a batch and leaves the others as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def change_rows(images: Tensor, rows: Sequence[int], change: Callable[..., Tensor], *given: Any) -> None:
    """Changes the chosen images in place, all at once.

    Args:
        images: [n, ...], on any device.
        rows: The places of the chosen ones; none: nothing happens.
        change: Given the chosen images and what follows, returns as many new images of the same shape.
        given: What `change` is given besides.
    """
    if not rows:
        return
    index = torch.tensor(rows, device=images.device)
    images.index_copy_(0, index, change(images.index_select(0, index), *given))
