"""A backbone as a module: input adaptation, then stages whose outputs can be taken as features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from shared.models.backbones.record import BackboneRecord


class Backbone(nn.Module):
    """The stages of a network up to the deepest wanted layer.

    Attributes:
        stages: What is kept, by name, in order.
        original_names: For each tensor of `stages`, its name in the original network.
        original_keys: Every name in the original network's state dict, what was cut off included.

    Args:
        record: What it is.
        stages: Modules by stage, in order.
        original: The network they were cut from, for the names of its parameters.
        layers: Whose outputs `forward` gives.
        input_size: Side to which images are enlarged or reduced first (bilinear); None: they come as they shall be.
    """

    def __init__(
        self,
        record: BackboneRecord,
        stages: Mapping[str, nn.Module],
        original: nn.Module,
        layers: Sequence[str],
        input_size: int | None = None,
    ) -> None:
        super().__init__()
        self.record = record
        self.layers = tuple(layers)
        self.input_size = input_size
        self.stages = nn.ModuleDict(stages)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(record.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(record.std).view(1, -1, 1, 1), persistent=False)
        self.original_names = _original_names(self.stages, original)
        self.original_keys = frozenset(original.state_dict())

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The outputs of the wanted layers, [N, C, H, W] or [N, width], of images [N, 1 or 3, size, size] in 0..1."""
        x = self.adapted(images)
        outputs = {}
        for name, stage in self.stages.items():
            x = stage(x)
            if name in self.layers:
                outputs[name] = x
        return outputs

    @torch.no_grad()
    def gives_maps(self, size: int) -> dict[str, bool]:
        """For each wanted layer, whether it gives feature maps of an image of that side, and not vectors."""
        was_training = self.training
        self.eval()
        outputs = self(torch.zeros(1, self.record.channels, size, size))
        self.train(was_training)
        return {layer: output.ndim == 4 for layer, output in outputs.items()}

    def adapted(self, images: Tensor) -> Tensor:
        """As the first stage takes them; vectors [N, width] come as they are.

        Images are brought to the input size; grey becomes three alike channels, colour its mean, as needed; they
        are then normalised.
        """
        if images.ndim == 2:
            return images
        if self.input_size is not None and images.shape[-1] != self.input_size:
            side = (self.input_size, self.input_size)
            images = nn.functional.interpolate(images, side, mode="bilinear", align_corners=False, antialias=False)
        if self.record.channels == 1 and images.shape[1] == 3:
            images = images.mean(dim=1, keepdim=True)
        elif self.record.channels == 3 and images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        return (images - self.mean) / self.std


def _original_names(stages: nn.Module, original: nn.Module) -> dict[str, str]:
    """Name in `stages` -> name in the original network, found by identity: the tensors are the same objects."""
    names = {id(tensor): name for name, tensor in _tensors(original)}
    return {name: names[id(tensor)] for name, tensor in _tensors(stages)}


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(), *module.named_buffers()]
