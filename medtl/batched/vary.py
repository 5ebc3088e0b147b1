"""A chain of random transforms on a batch of images at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from medtl.batched.steps import Drawn, draw, steps
from medtl.chain import Chain
from shared.augmentation.rows import change_rows


def vary(images: Tensor, seeds: Sequence[int], chain: Chain) -> Tensor:
    """Does to each image of a batch what the chain does to it alone with its seed, but for other numbers of noise.

    Draws are the chain's; so an image comes out alike in every batch. Noise has the same distribution.

    Args:
        images: float32 [n, 1, size, size], 0 to 1, on any device; or [n, 2, size, size], the second channel a mask of 0
            and 1.
        seeds: Seed of each image, 0 to 2**32 - 1.
        chain: The chain.

    Returns:
        float32 of the same shape on the same device, 0 to 1; a new tensor.
    """
    size = images.shape[-1]
    mirrored, at_moves, at_looks = [], [], []
    for seed in seeds:
        mirrored.append(chain.start(seed))
        at_moves.append([draw(transform, size) for transform in chain.moves.transforms])
        at_looks.append([draw(transform, size) for transform in chain.looks.transforms])
    varied = images.clone()
    turned = torch.tensor(mirrored, device=images.device).nonzero()[:, 0]
    varied.index_copy_(0, turned, images.index_select(0, turned).flip(-1))
    for drawn in zip(*at_moves, strict=True):
        _apply(varied, drawn)
    for drawn in zip(*at_looks, strict=True):
        _apply(varied[:, :1], drawn)
    return varied.clamp_(0.0, 1.0)


def _apply(images: Tensor, drawn: Sequence[Drawn | None]) -> None:
    """Changes images in place by what was drawn for each; those with the same transform at once."""
    rows_of: dict[int, list[int]] = {}
    for row, one in enumerate(drawn):
        if one is not None:
            rows_of.setdefault(id(one.transform), []).append(row)
    for rows in rows_of.values():
        chosen = [one for one in (drawn[row] for row in rows) if one is not None]
        transform = chosen[0].transform
        apply = steps()[type(transform)].apply
        change_rows(images, rows, apply, [one.values for one in chosen], transform)
