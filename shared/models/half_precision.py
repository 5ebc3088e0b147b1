"""Weights in half precision that lie once on the disk: those of `model.safetensors` serve `model.onnx` too.

They are turned into float32 when the network is loaded, so that it computes as before, on every processor alike.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx.external_data_helper import load_external_data_for_model
from torch import Tensor, nn

from shared.io.atomic import write_bytes

LARGE = 256
"""Fewest values of a tensor that is stored in half precision; small ones, as scales and shifts, take no room."""
ROUNDING = 1e-6
"""Largest relative difference that counts as float32 rounding: that of float16 is up to 5e-4."""


@torch.no_grad()
def round_weights(network: nn.Module) -> dict[str, Tensor]:
    """Rounds the large tensors of a network to what float16 can hold.

    Args:
        network: The network, which is changed in place; tensors with values that float16 cannot hold stay.

    Returns:
        All of its tensors as they shall be stored, float16 where they were rounded.
    """
    stored = {}
    for name, tensor in network.state_dict().items():
        half = tensor.half()
        if tensor.dtype == torch.float32 and tensor.ndim > 1 and tensor.numel() >= LARGE and half.isfinite().all():
            tensor.copy_(half)
            stored[name] = half.contiguous()
        else:
            stored[name] = tensor.detach().contiguous()
    return stored


def share_weights(network: Path, weights: Path) -> None:
    """Rewrites an ONNX network so that it stores its large tensors as float16, and takes them from another file.

    Only tensors that float16 holds without loss are touched; those that are not in the other file stay in this one.

    Args:
        network: The ONNX file; it is replaced.
        weights: A `.safetensors` file in the same folder, which must stay beside it.
    """
    model = onnx.load(network)
    graph, places = model.graph, _places(weights)
    kept, casts = [], []
    for tensor in graph.initializer:
        half = _halved(tensor)
        if half is None:
            kept.append(tensor)
            continue
        name = f"{tensor.name}_float16"
        kept.append(_stored(name, half, weights.name, places.get(half.tobytes())))
        casts.append(onnx.helper.make_node("Cast", [name], [tensor.name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    write_bytes(network, model.SerializeToString())


def write_alone(network: Path, target: Path) -> None:
    """Writes an ONNX network into one file that needs no other, the opposite of what `share_weights` saves.

    Args:
        network: The ONNX file; the file that it takes tensors from lies beside it.
        target: The file to write.
    """
    model = onnx.load(network, load_external_data=False)
    others = {entry.value for one in model.graph.initializer for entry in one.external_data if entry.key == "location"}
    with TemporaryDirectory() as folder:
        # copies, because onnx refuses a file that has several hard links, as installers make them
        for name in others:
            shutil.copyfile(network.parent / Path(name).name, Path(folder) / Path(name).name)
        load_external_data_for_model(model, folder)
    write_bytes(target, model.SerializeToString())


def _halved(tensor: onnx.TensorProto) -> NDArray[np.float16] | None:
    """A large float32 tensor as float16; None for another one, and where that would change its values."""
    if tensor.data_type != onnx.TensorProto.FLOAT:
        return None
    values = onnx.numpy_helper.to_array(tensor)
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    exact = values.size >= LARGE and np.allclose(half.astype(np.float32), values, rtol=ROUNDING, atol=0.0)
    return half if exact else None


def _stored(name: str, half: NDArray[np.float16], file: str, place: tuple[int, int] | None) -> onnx.TensorProto:
    """A float16 tensor, which lies at a place in another file where there is one."""
    tensor = onnx.numpy_helper.from_array(half, name)
    if place is not None:
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", file), ("offset", place[0]), ("length", place[1])):
            tensor.external_data.add(key=key, value=str(value))
    return tensor


def _places(weights: Path) -> dict[bytes, tuple[int, int]]:
    """Where the float16 tensors of a `.safetensors` file lie: first byte and number of bytes, by their content.

    Source: the format's description: 8 bytes with the length of a JSON header, the header, the tensors.
    """
    data = weights.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    places = {}
    for name, stated in json.loads(data[8:start]).items():
        if name != "__metadata__" and stated["dtype"] == "F16":
            first, end = (start + offset for offset in stated["data_offsets"])
            places[data[first:end]] = (first, end - first)
    return places
