"""Backbone as a torch module: input adaptation, then stages whose outputs can serve as features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from shared.models.backbones.record import BackboneRecord


class Backbone(nn.Module):
    """The stages of a pretrained architecture up to the deepest wanted layer.

    Attributes:
        stages: The stages that were kept, by name, from input to output.
        original_names: For each tensor of `stages`, its name in the original network.
        original_shapes: Shape of each tensor of the original network by its name, in the order of its state dict,
            those of parts cut off included.

    Args:
        record: Record of the architecture.
        stages: Modules by stage, from input to output.
        original: The network they were cut from, for the names of its parameters.
        layers: Names of the layers whose outputs `forward` returns.
        input_size: Side in pixels to which images are resized first (bilinear); None: they keep their size.
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
        self.original_shapes = {name: tensor.shape for name, tensor in original.state_dict().items()}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Computes the outputs of the wanted layers of images float32 [N, 1 or 3, size, size] in 0..1.

        Returns:
            By layer, feature maps float [N, C, H, W], vectors [N, width], or tokens [N, T, C] of a square of patches,
            by rows, after the class token where there is one.
        """
        x = self.adapted(images)
        outputs = {}
        for name, stage in self.stages.items():
            x = stage(x)
            if name in self.layers:
                outputs[name] = self.shown(x)
        return outputs

    def shown(self, output: Tensor) -> Tensor:
        """Leaves registers out of the tokens that a stage hands on; maps and vectors are returned as they are.

        Args:
            output: What a stage of this backbone returned for N images.
        """
        tokens = self.record.tokens
        if tokens is None or tokens.before == tokens.has_class:
            return output
        patches = output[:, tokens.before :]
        return torch.cat([output[:, :1], patches], dim=1) if tokens.has_class else patches

    @torch.no_grad()
    def gives_maps(self, size: int) -> dict[str, bool]:
        """Tests which of the wanted layers give feature maps or tokens, and not vectors.

        Args:
            size: Side of the images, in pixels.

        Returns:
            By name of the layer, whether its output has places.
        """
        was_training = self.training
        self.eval()
        outputs = self(torch.zeros(1, self.record.channels, size, size))
        self.train(was_training)
        return {layer: output.ndim > 2 for layer, output in outputs.items()}

    def adapted(self, images: Tensor) -> Tensor:
        """Converts images to the input of the first stage; vectors [N, width] are returned as they are.

        Images are resized to the input size. Where the number of channels differs, grey is repeated in three channels,
        and colour becomes the mean of its channels. Then mean and standard deviation are normalised.
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
    """Maps names in `stages` to names in the original network, by identity: the tensors are the same objects."""
    names = {id(tensor): name for name, tensor in _tensors(original)}
    return {name: names[id(tensor)] for name, tensor in _tensors(stages)}


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(), *module.named_buffers()]
