"""Vision transformers of timm, cut into stages: the embedding of patches, then each block; the last has the norm."""

from __future__ import annotations

import contextlib
import copy
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from shared.errors import WeightsError
from shared.models.backbones.record import BackboneRecord, PatchTokens

AFTER_THE_BLOCKS = ("norm", "fc_norm", "attn_pool", "head", "head_dist", "head_drop")
"""Parts of timm's transformers that stand after the blocks, by name."""
TRIED_PATCHES = 4
"""Patches along a side of the image on which a transformer is tried out."""
TOLERANCE = 1e-4
"""Largest relative difference between timm's own features and those of the chain of stages."""
KERNEL, POSITIONS = "patch_embed.proj.weight", "pos_embed"
"""Names of the convolution that turns patches into tokens, and of the position embeddings."""


def build_transformer(name: str, side: int, **options: Any) -> Any:
    """Builds a vision transformer of timm with random weights.

    Args:
        name: Name of the model in timm.
        side: Side of its input, in pixels.
        options: More arguments for timm.
    """
    import timm

    return timm.create_model(name, pretrained=False, img_size=side, **options)


def transformer_record(name: str, probe: Any, tokens: PatchTokens) -> BackboneRecord | None:
    """Makes the record of a vision transformer of timm; two of its blocks are tried out.

    Args:
        name: Name of the model in timm.
        probe: The model, which may be without values.
        tokens: Its tokens.

    Returns:
        The record; None where something happens between the blocks, or takes part in several of them.
    """
    # a network of one size has the positions of its input once and for all
    options = {"dynamic_img_size": False} if hasattr(probe, "dynamic_img_size") else {}
    build_at: Callable[[int], Any] = partial(build_transformer, name, **options)
    side = TRIED_PATCHES * tokens.side
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # or what is taken would depend on what was drawn before
        try:
            is_chain = _is_chain(told_apart(build_transformer(name, side, depth=2, **options).eval()), side)
        except (RuntimeError, TypeError, ValueError):  # another network's refusal of these arguments
            is_chain = False
    if not is_chain:
        return None
    settings = probe.pretrained_cfg
    pooling = {"token": "cls", "avg": "avg_1x1"}.get(str(probe.global_pool))
    norm_after_pooling = [*getattr(probe, "fc_norm", nn.Identity()).parameters()]
    stages = ("embedding", *(f"block{number}" for number in range(1, len(probe.blocks) + 1)))
    return BackboneRecord(
        name=f"timm/{name}",
        stages=stages,
        default_layer=stages[-1],
        classifier=str(settings.get("classifier", "")) if pooling and not norm_after_pooling else "",
        classifier_pooling=pooling or "avg_1x1",
        build=partial(build_at, settings["input_size"][-1]),
        build_at=build_at,
        split=split_transformer,
        channels=settings["input_size"][0],
        input_size=settings["input_size"][-1],
        min_size=2 * tokens.side,
        tokens=tokens,
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
        licence=str(settings.get("license") or "see the model's page in timm"),
        source="timm",
    )


def split_transformer(original: Any) -> dict[str, nn.Module]:
    """Divides a vision transformer into the stages `embedding`, `block1` and so on.

    Each maps tokens [N, T, C] to tokens, the first images [N, channels, side, side] to tokens.

    Args:
        original: The network; it is left as it is.
    """
    rope = getattr(original, "rope", None)
    blocks = [block if rope is None else _RotatedBlock(block, rope) for block in original.blocks]
    blocks[-1] = nn.Sequential(blocks[-1], original.norm)
    return {"embedding": _Embedding(original), **{f"block{i}": block for i, block in enumerate(blocks, start=1)}}


def patch_tokens(model: Any) -> PatchTokens | None:
    """Reads from a model of timm which tokens it makes of an image; None: it is no vision transformer.

    Args:
        model: The model; it may be without values, on the device `meta`.
    """
    sides = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    if sides is None or not hasattr(model, "num_prefix_tokens") or not len(getattr(model, "blocks", ())):
        return None
    height, width = sides if isinstance(sides, Sequence) else (sides, sides)
    has_class = getattr(model, "cls_token", None) is not None
    return PatchTokens(height, model.num_prefix_tokens, has_class) if height == width else None


@torch.no_grad()
def told_apart(model: Any) -> Any:
    """Gives a network random values also where it begins with equal ones, and returns it.

    Blocks begin with scales of 0 or 1e-5, so that what happens between them would hardly change the output.

    Args:
        model: The network; it is changed in place.
    """
    for weights in model.parameters():
        if weights.min() == weights.max():
            weights.uniform_(0.5, 1.5)
    return model


def fitted_tensors(
    file: str, tensors: Mapping[str, Tensor], name: str, build_at: Callable[[int], Any], side: int
) -> dict[str, Tensor]:
    """Brings tensors to a transformer of timm, by timm's own function: names, and the grid of position embeddings.

    The names of the networks' authors become timm's, and position embeddings are interpolated to the grid of the input.

    Args:
        file: Name of the file, for messages.
        tensors: Tensors of the file, by name.
        name: Name of the backbone, for messages.
        build_at: Builds the transformer for an input of a side.
        side: Side of the network's input, in pixels.

    Raises:
        WeightsError: The tensors are of a network with other patches or other tokens.
    """
    model = _without_values(build_at, side)
    kernel, own = tensors.get(KERNEL), model.get_parameter(KERNEL)
    if kernel is not None and kernel.ndim == own.ndim and kernel.shape[2:] != own.shape[2:]:
        raise WeightsError(
            f"{file} is of a network with patches of {kernel.shape[-1]} pixels, {name} has {own.shape[-1]}; set "
            "backbone.name to the network of the file, or name other weights"
        )
    convert = sys.modules[type(model).__module__].checkpoint_filter_fn
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints which biases are left out
            fitted: dict[str, Tensor] = convert(dict(tensors), model)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):  # another network's tensors
        fitted = {}
    positions = model.pos_embed
    if not fitted or (positions is not None and fitted.get(POSITIONS, positions).shape != positions.shape):
        raise WeightsError(
            f"{file} does not fit {name}: its position embeddings or its names are of another network; set "
            "backbone.name to the network of the file, or name other weights"
        )
    return fitted


def _is_chain(model: Any, side: int) -> bool:
    """Tests whether the chain of stages gives what a transformer's own forward pass computes, and shares no weights."""
    stages = split_transformer(model).values()
    weights = [id(one) for stage in stages for one in stage.parameters()]
    x = images = torch.rand(1, 3, side, side)
    with torch.no_grad():
        for stage in stages:
            x = stage(x)
        wanted = model.forward_features(images)
    return len(weights) == len(set(weights)) and torch.allclose(x, wanted, rtol=TOLERANCE, atol=TOLERANCE)


@cache
def _without_values(build_at: Callable[[int], Any], side: int) -> Any:
    """The whole network, its head included, whose tensors have shapes and no values."""
    with torch.device("meta"):
        return build_at(side)


class _Embedding(nn.Module):
    """Patches and what stands before them as tokens, with their positions: the transformer without its blocks.

    Args:
        original: The transformer, whose parameters are shared.
    """

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.model = copy.copy(original)
        left_out = {name: nn.Identity() for name in AFTER_THE_BLOCKS if name in original._modules}
        self.model._modules = {**original._modules, "blocks": nn.Sequential(), **left_out}

    def forward(self, images: Tensor) -> Tensor:
        """Computes tokens float [N, T, C] of images float [N, channels, side, side]."""
        tokens: Tensor = self.model.forward_features(images)
        return tokens


class _RotatedBlock(nn.Module):
    """A block that turns queries and keys by their positions. Source: Su et al., arXiv 2104.09864.

    Args:
        block: The block.
        rope: Gives the angles of all positions; it has no parameters, and all blocks share it.
    """

    def __init__(self, block: nn.Module, rope: Any) -> None:
        super().__init__()
        self.block = block
        self.rope = rope

    def forward(self, tokens: Tensor) -> Tensor:
        """Computes tokens float [N, T, C] of tokens."""
        turned: Tensor = self.block(tokens, rope=self.rope.get_embed())
        return turned
