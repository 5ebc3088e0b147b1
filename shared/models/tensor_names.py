"""Names of tensors in weights files, brought to those of the original network."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

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


def own_names(
    file: str, record: BackboneRecord, tensors: Mapping[str, Tensor], known: Collection[str]
) -> dict[str, Tensor]:
    """Gives tensors the present names of a backbone's original network.

    Where none of them has such a name, a prefix that a tool wrote before all of the network's (`module.`, `model.`,
    `teacher.backbone.`) is left out.

    Args:
        file: Name of the file, for messages.
        record: Record of the backbone.
        tensors: Tensors by their names in the file.
        known: Names in the original network, in its order.

    Returns:
        The tensors; those without the prefix keep their names.

    Raises:
        WeightsError: The file holds several such networks.
    """
    named = {current_name(record, name): tensor for name, tensor in tensors.items()}
    first = next(iter(known), None)
    if first is None or not named.keys().isdisjoint(known):
        return named
    prefixes = [name.removesuffix(first) for name in named if name.endswith(f".{first}")]
    counts = {prefix: sum(f"{prefix}{name}" in named for name in known) for prefix in prefixes}
    most = max([*counts.values(), len(known) / 2])  # a part that has some of the names by chance is not the network
    fitting = [prefix for prefix, count in counts.items() if count == most]
    if len(fitting) > 1:
        raise WeightsError(
            f"{file} holds several networks, under {', '.join(fitting)}; save the state dict of one of them alone"
        )
    prefix = fitting[0] if fitting else ""
    return {name.removeprefix(prefix): tensor for name, tensor in named.items()}


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
