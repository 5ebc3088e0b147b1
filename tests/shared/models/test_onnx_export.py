"""The ONNX file, and its check against torch. One real export serves most tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from shared.errors import ExportError
from shared.models.backbones.build import build_backbone
from shared.models.network import Calibrated, Network, feature_width
from shared.models.onnx_export import TOLERANCE, export_onnx
from shared.task import Preprocessing

SPEC = Preprocessing(32)


def _network(seed: int = 0) -> Network:
    backbone = build_backbone("convnet_small", layers=("block1",), seed=seed)
    network = Network(backbone, ("block1",), "avg_1x1", feature_width(backbone, ("block1",), "avg_1x1", 1, 32), 3)
    with torch.no_grad():
        torch.nn.init.zeros_(network.head.bias)
        torch.nn.init.normal_(network.head.weight, std=5.0, generator=torch.Generator().manual_seed(seed))
        network.temperature.fill_(1.7)
    return network.eval()


def _images(count: int) -> np.ndarray:
    return np.random.default_rng(count).random((count, 1, 32, 32), dtype=np.float32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    assert export_onnx(_network(), SPEC, path, _images(8)) <= TOLERANCE
    return path


def test_one_file_with_named_ends(exported: Path) -> None:
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    assert [end.name for end in session.get_inputs()] == ["images"]
    assert [end.name for end in session.get_outputs()] == ["probabilities", "features"]
    assert session.get_inputs()[0].shape[1:] == [1, 32, 32]
    assert list(exported.parent.iterdir()) == [exported]


@pytest.mark.parametrize("count", [1, 2, 3, 33])
def test_any_batch_gives_what_torch_gives(exported: Path, count: int) -> None:
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    images = _images(count)
    with torch.inference_mode():
        probabilities, features = Calibrated(_network()).eval()(torch.from_numpy(images))
    given = session.run(["probabilities", "features"], {"images": images})
    np.testing.assert_allclose(given[0], probabilities.numpy(), atol=TOLERANCE)
    np.testing.assert_allclose(given[1], features.numpy(), atol=1e-4)
    assert np.ptp(given[0]) > 0.1  # the comparison is of numbers that differ


def test_a_file_that_gives_other_numbers_is_refused_and_removed(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.models.onnx_export._export", lambda model, example, path: shutil.copy(exported, path))
    with pytest.raises(ExportError, match="differs from torch"):
        export_onnx(_network(seed=1), SPEC, tmp_path / "model.onnx", _images(8))
    assert not list(tmp_path.iterdir())


def test_what_was_there_stays_when_the_check_fails(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.models.onnx_export._export", lambda model, example, path: shutil.copy(exported, path))
    (tmp_path / "model.onnx").write_bytes(b"before")
    with pytest.raises(ExportError):
        export_onnx(_network(seed=1), SPEC, tmp_path / "model.onnx", _images(8))
    assert (tmp_path / "model.onnx").read_bytes() == b"before"


@pytest.mark.parametrize(
    "wrong_for",
    [
        "many",
        "one",
    ],
)
def test_an_output_that_is_no_number_is_a_difference(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong_for: str
) -> None:
    class Session(onnxruntime.InferenceSession):
        def run(self, names: Any, inputs: Any, options: Any = None) -> Any:
            rows, features = super().run(names, inputs, options)
            is_one = len(rows) == 1
            return [np.full_like(rows, np.nan) if is_one == (wrong_for == "one") else rows, features]

    monkeypatch.setattr("shared.models.onnx_export._export", lambda model, example, path: shutil.copy(exported, path))
    monkeypatch.setattr("onnxruntime.InferenceSession", Session)
    with pytest.raises(ExportError):
        export_onnx(_network(), SPEC, tmp_path / "model.onnx", _images(8))


def test_a_graph_that_knows_one_batch_only_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check runs one image and many, so that a batch size written into the graph cannot pass."""

    def export(model: Calibrated, example: torch.Tensor, path: Path) -> None:
        path.write_bytes(b"")

    class Session:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def run(self, names: Any, inputs: Any) -> Any:
            images = torch.from_numpy(inputs["images"])
            with torch.inference_mode():
                rows, features = (part.numpy() for part in Calibrated(_network()).eval()(images))
            return [rows if len(rows) > 1 else rows[:, ::-1], features]

    monkeypatch.setattr("shared.models.onnx_export._export", export)
    monkeypatch.setattr("onnxruntime.InferenceSession", Session)
    with pytest.raises(ExportError, match="differs"):
        export_onnx(_network(), SPEC, tmp_path / "model.onnx", _images(8))
