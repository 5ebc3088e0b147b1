"""A network that also sees mirror images: one answer for both, learnt from the images alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from shared.errors import UsageError
from shared.explanation.attribution import DEFAULT_METHOD, OF_ONE_BACKBONE, attribute, methods_for
from shared.models.backbones.build import build_backbone
from shared.models.ensemble import mean_of_answers
from shared.models.network import Network, feature_width
from shared.models.onnx_export import export_onnx
from shared.models.pooling import EVIDENCE
from shared.task import Preprocessing

IMAGES = np.random.default_rng(0).random((5, 1, 32, 32), dtype=np.float32)


def _network(*, mirrored: bool, seed: int = 0) -> Network:
    backbone = build_backbone("convnet_small", layers=("block2",), seed=seed)
    width = feature_width(backbone, ("block2",), EVIDENCE, 1, 32)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network(backbone, ("block2",), EVIDENCE, width, 2, mirrored=mirrored)
        torch.nn.init.normal_(network.head.weight, std=2.0)
    return network.eval()


@torch.no_grad()
def _answers(network: Network, images: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(np.ascontiguousarray(images))).numpy()


def test_the_answer_is_the_mean_of_both_and_the_same_for_both() -> None:
    alone, both = _network(mirrored=False), _network(mirrored=True)
    here, there = _answers(alone, IMAGES), _answers(alone, IMAGES[..., ::-1])
    assert np.abs(here - there).max() > 1e-2
    np.testing.assert_allclose(_answers(both, IMAGES), (here + there) / 2, atol=1e-5)
    np.testing.assert_allclose(_answers(both, IMAGES[..., ::-1]), _answers(both, IMAGES), atol=1e-5)


def test_training_sees_the_images_alone() -> None:
    alone, both = _network(mirrored=False).train(), _network(mirrored=True).train()
    torch.testing.assert_close(both(torch.from_numpy(IMAGES)), alone(torch.from_numpy(IMAGES)))


def test_the_exported_network_answers_alike(tmp_path: Path) -> None:
    network = _network(mirrored=True)
    export_onnx(network, Preprocessing(32), tmp_path / "model.onnx", IMAGES)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for images in (IMAGES, IMAGES[:1]):  # the batch is free
        here, there = (session.run(None, {"images": np.ascontiguousarray(x)}) for x in (images, images[..., ::-1]))
        np.testing.assert_allclose(here[0], there[0], atol=1e-5)
        assert here[0].shape == (len(images), 2)


def test_a_mean_of_networks_keeps_what_each_sees() -> None:
    first, second = _network(mirrored=True), _network(mirrored=False, seed=1)
    mean = mean_of_answers([first, second])
    expected = (_answers(first, IMAGES) + _answers(second, IMAGES)) / 2
    np.testing.assert_allclose(_answers(mean, IMAGES), expected, atol=1e-5)


def test_maps_of_one_picture_are_refused() -> None:
    network = _network(mirrored=True)
    assert not set(methods_for(network)) & set(OF_ONE_BACKBONE)
    with pytest.raises(UsageError, match=f"mirror image; use {DEFAULT_METHOD}"):
        attribute(network, IMAGES[:1], np.array([0]), torch.device("cpu"), OF_ONE_BACKBONE[0])
