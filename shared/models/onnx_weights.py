"""Convolutions of an ONNX file, read as numbers: nothing in the file is run, and no other file is opened."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from shared.errors import WeightsError

MIN_INPUTS = 3
"""Inputs of a convolution with a bias: image, kernel, bias."""


def read_convolutions(path: Path) -> dict[str, Tensor]:
    """Reads kernels and biases of the convolutions of an ONNX file, in the order in which its graph computes them.

    Args:
        path: The file.

    Returns:
        `convN.weight` float [out, in, height, width] and `convN.bias` float [out], N from 0.

    Raises:
        WeightsError: The file is damaged, has no convolution, or one without its own constant kernel and bias.
    """
    import onnx
    from onnx import numpy_helper

    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except Exception:  # the reader of protobuf has its own kinds, by version
        raise WeightsError(f"{path.name} is no ONNX file, or is damaged; fetch it anew") from None
    constants = {one.name: one for one in graph.initializer if one.data_location != onnx.TensorProto.EXTERNAL}
    tensors: dict[str, Tensor] = {}
    for number, node in enumerate(node for node in graph.node if node.op_type == "Conv"):
        parts = [constants.get(name) for name in node.input[1:MIN_INPUTS]]
        if len(parts) != MIN_INPUTS - 1 or None in parts:
            raise WeightsError(f"{path.name}: the convolution {node.output[0]} has no kernel and bias in this file")
        for part, constant in zip(("weight", "bias"), parts, strict=True):
            tensors[f"conv{number}.{part}"] = torch.from_numpy(numpy_helper.to_array(constant).copy())
    if not tensors:
        raise WeightsError(f"{path.name} has no convolution; name other weights")
    return tensors
