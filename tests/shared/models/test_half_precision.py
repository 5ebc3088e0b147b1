from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.torch import save_file
from torch import nn

from shared.models.half_precision import round_weights, share_weights, write_alone


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 64, 3), nn.Conv2d(64, 4, 1))


def _exported(network: nn.Module, folder: Path) -> Path:
    path = folder / "model.onnx"
    program = torch.onnx.export(network, (torch.zeros(1, 1, 8, 8),), dynamo=True, verbose=False)
    assert program is not None
    program.save(str(path), external_data=False)
    return path


def _answers(path: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: np.ones((1, 1, 8, 8), dtype=np.float32)})
    return np.asarray(found)


def test_large_tensors_alone_are_rounded_and_what_float16_cannot_hold_stays() -> None:
    network = _network()
    with torch.no_grad():
        network[1].weight[0, 0] = 1e6
    stored = round_weights(network)
    assert {name: tensor.dtype for name, tensor in stored.items()} == {
        "0.weight": torch.float16,
        "0.bias": torch.float32,
        "1.weight": torch.float32,
        "1.bias": torch.float32,
    }
    assert torch.equal(network.state_dict()["0.weight"], stored["0.weight"].float())


def test_the_exported_network_takes_its_weights_from_the_other_file_and_answers_alike(tmp_path: Path) -> None:
    network = _network().eval()
    stored = round_weights(network)
    save_file(stored, tmp_path / "model.safetensors")
    path = _exported(network, tmp_path)
    before, size = _answers(path), path.stat().st_size
    share_weights(path, tmp_path / "model.safetensors")
    assert np.array_equal(_answers(path), before)
    assert path.stat().st_size < size - 4 * 9 * 64
    outside = [one for one in onnx.load(path, load_external_data=False).graph.initializer if one.external_data]
    assert sorted(one.external_data[0].value for one in outside) == ["model.safetensors"] * 2
    (tmp_path / "linked.safetensors").hardlink_to(tmp_path / "model.safetensors")  # as installers place files
    write_alone(path, tmp_path / "alone.onnx")
    assert np.array_equal(_answers(tmp_path / "alone.onnx"), before)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with np.testing.assert_raises(Exception):
        _answers(path)


def test_a_tensor_that_was_not_rounded_stays_float32(tmp_path: Path) -> None:
    network = _network().eval()
    save_file({"weight": torch.zeros(300, dtype=torch.float16)}, tmp_path / "model.safetensors")
    path = _exported(network, tmp_path)
    before = _answers(path)
    share_weights(path, tmp_path / "model.safetensors")
    assert np.array_equal(_answers(path), before)
    assert {one.data_type for one in onnx.load(path).graph.initializer} >= {onnx.TensorProto.FLOAT}
    assert not any(one.data_type == onnx.TensorProto.FLOAT16 for one in onnx.load(path).graph.initializer)
