"""Whether another form of a backbone computes what the backbone computes: outputs, gradients, changes of buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from shared.models.backbones.module import Backbone

Forward = Callable[[Tensor], dict[str, Tensor]]
"""Maps images to the outputs of a backbone's layers, as `Backbone.forward` does."""
ROUNDING, OF_ALL = 3.0, 1.5
"""How far a tensor may lie from the exact one, in distances of the eager one; and all tensors of a kind together."""
SHARE, SMALL = 0.05, 1e-3
"""What is added to that: of the exact tensor's norm, and of that of all tensors of its kind.

On a CPU, compiled gradients in fp32 were off by up to 0.9% of their norm (docs/lab-log.md, "A compiled backbone,
without a GPU").
"""
LARGEST_ROUNDING = 0.5
"""Largest distance of all eager tensors of a kind, in norms of the exact ones, at which they can be compared at all.

What is missing lies at a distance of 1, what is of another batch at about 1.4: it must be more than `OF_ALL` allows.
"""


@dataclass(frozen=True)
class Pass:
    """What a forward and backward pass computed; its tensors are copies.

    Attributes:
        outputs: float32, outputs of the layers.
        gradients: float32, gradient of each trained weight; None where none reached it.
        changes: float32, by how much the pass changed each buffer of floats.
        counts: By how much it changed each buffer of integers.
    """

    outputs: Sequence[Tensor | None]
    gradients: Sequence[Tensor | None]
    changes: Sequence[Tensor | None]
    counts: Sequence[Tensor]


def one_pass(backbone: Backbone, forward: Forward, images: Tensor, seed: int) -> Pass:
    """Runs a forward pass and the backward pass of random gradients; weights and buffers stay.

    Args:
        backbone: The backbone, whose weights and buffers `forward` uses.
        forward: The form of the backbone that is run.
        images: float32 [N, channels, size, size] in 0..1.
        seed: Seed of the random numbers of the pass, which it leaves set, and of the gradients of its outputs.
    """
    buffers = list(backbone.buffers())
    before = [one.clone() for one in buffers]
    torch.manual_seed(seed)
    outputs = list(forward(images).values())
    gradients = _gradients(backbone, outputs, seed)
    changed = [after - was for after, was in zip(buffers, before, strict=True)]
    for one, was in zip(buffers, before, strict=True):
        one.copy_(was)
    return Pass(
        outputs=[one.detach().float().clone() for one in outputs],
        gradients=[None if one is None else one.float().clone() for one in gradients],
        changes=[one.float() for one in changed if one.is_floating_point()],
        counts=[one for one in changed if not one.is_floating_point()],
    )


def _gradients(backbone: Backbone, outputs: Sequence[Tensor], seed: int) -> Sequence[Tensor | None]:
    """Gradients of the trained weights, where the outputs have random ones."""
    weights = [one for one in backbone.parameters() if one.requires_grad]
    outputs = [one for one in outputs if one.requires_grad]
    if not weights or not outputs:
        return [None] * len(weights)
    drawn = torch.Generator().manual_seed(seed)
    with torch.autocast(outputs[0].device.type, enabled=False):
        given = [torch.randn(one.shape, generator=drawn).to(one) / one.numel() for one in outputs]
        return torch.autograd.grad(outputs, weights, given, allow_unused=True)


def disagreement(found: Pass, eager: Pass, exact: Pass) -> str | None:
    """Says in which of its parts a pass of another form of a backbone is not one of the backbone; None: in none.

    Args:
        found: The pass of the other form.
        eager: The backbone's own, of the same weights, images and seed.
        exact: The same in float32 throughout; its distance from `eager` says what rounding does.
    """
    for name in ("outputs", "gradients", "changes"):
        fault = _fault(*(getattr(one, name) for one in (found, eager, exact)))
        if fault is not None:
            return f"{name} {fault}"
    counts = zip(found.counts, eager.counts, strict=True)
    return None if all(torch.equal(one, other) for one, other in counts) else "counts differ"


def _fault(
    found: Sequence[Tensor | None], eager: Sequence[Tensor | None], exact: Sequence[Tensor | None]
) -> str | None:
    """What is wrong with tensors of one kind; None: they agree."""
    if [one is None for one in found] != [one is None for one in eager]:
        return "are missing"
    three = zip(found, eager, exact, strict=True)
    rows = [(f - x, e - x, x) for f, e, x in three if f is not None and e is not None and x is not None]
    if not rows:
        return None
    off, rounding, size = torch.stack([torch.stack([one.norm() for one in row]) for row in rows]).double().cpu().T
    all_off, all_rounding, all_size = (float(one.norm()) for one in (off, rounding, size))
    if not all_rounding <= LARGEST_ROUNDING * all_size:
        return "are rounded too coarsely to be compared"
    within = (off <= ROUNDING * rounding + SHARE * size + SMALL * all_size).all()  # which NaN is not
    return None if bool(within) and all_off <= OF_ALL * all_rounding + SHARE * all_size else "differ"
