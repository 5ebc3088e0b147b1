"""Names of tensors in weights files, brought to those of the original network."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Size, Tensor

from shared.errors import WeightsError
from shared.models.backbones.record import BackboneRecord


def current_name(record: BackboneRecord, name: str) -> str:
    """Returns the present name of a tensor that older versions of the backbone's library called otherwise.

    Args:
        record: Record of the backbone.
        name: Name in the file.
    """
    return name if record.renamed is None else re.sub(*record.renamed, name)


def named_in_order(file: str, tensors: Mapping[str, Tensor], shapes: Mapping[str, Size]) -> dict[str, Tensor]:
    """Gives tensors the names of the original network, whose tensors they are in the same order.

    Args:
        file: Name of the file, for messages.
        tensors: Tensors by their names in the file, in its order.
        shapes: Shape of each tensor of the original by its name, in its order; the file may end before it.

    Returns:
        The tensors by their names in the original.

    Raises:
        WeightsError: There are more tensors than the original has, or one has another shape or kind (the last word of
            its name: weight, bias, running_mean and so on).
    """
    if len(tensors) > len(shapes):
        raise WeightsError(f"{file} has {len(tensors)} tensors, the network {len(shapes)}; name other weights")
    named: dict[str, Tensor] = {}
    for (given, tensor), (own, shape) in zip(tensors.items(), shapes.items(), strict=False):
        if tensor.shape != shape or given.rsplit(".", 1)[-1] != own.rsplit(".", 1)[-1]:
            raise WeightsError(
                f"{file} has {given} {tuple(tensor.shape)} in the place of {own} {tuple(shape)}; name other weights"
            )
        named[own] = tensor
    return named
