from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from shared.errors import ConfigError
from shared.models.backbones.build import build_backbone
from shared.models.evidence import FIRST_LOGIT, EvidenceMap, strongest
from shared.models.network import Network, feature_width
from shared.models.onnx_export import TOLERANCE, export_onnx
from shared.models.pooling import EVIDENCE
from shared.task import Preprocessing


def _network(*layers: str) -> Network:
    backbone = build_backbone("convnet_small", layers=layers, seed=0)
    return Network(backbone, layers, EVIDENCE, feature_width(backbone, layers, EVIDENCE, 1, 32), 2).eval()


def test_evidence_is_the_mean_of_the_three_most_suspicious_places_wherever_they_lie() -> None:
    logits = torch.full((2, 4, 5), -6.0)
    logits[0, 1, 1], logits[0, 3, 4], logits[0, 2, 0] = 3.0, 2.0, 1.0
    logits[1] = logits[0].flip(0, 1)
    assert strongest(logits).tolist() == [[2.0], [2.0]]


def test_a_map_of_one_place_has_the_evidence_of_that_place() -> None:
    assert strongest(torch.tensor([[[0.5]]])).tolist() == [[0.5]]


def test_the_map_adds_the_logits_of_all_layers_on_the_grid_of_the_finest() -> None:
    one = EvidenceMap({"fine": 2, "coarse": 3})
    for weight in one.convolutions.parameters():
        torch.nn.init.ones_(weight)
    maps = {"fine": torch.ones(1, 2, 4, 4), "coarse": torch.ones(1, 3, 2, 2)}
    assert one(maps).shape == (1, 4, 4)
    torch.testing.assert_close(one(maps).detach(), torch.full((1, 4, 4), 2.0 + 3.0 + FIRST_LOGIT), check_stride=False)


def test_the_features_of_a_network_end_with_its_evidence() -> None:
    network = _network("block2", "block3")
    maps = network.backbone(torch.rand(3, 1, 32, 32))
    features = network.features_of(maps)
    assert network.evidence is not None
    assert features.shape[1] == network.head.in_features
    torch.testing.assert_close(features[:, -1:], strongest(network.evidence(maps)))


def test_a_network_with_evidence_is_exported_as_it_is(tmp_path: Path) -> None:
    network = _network("block2", "block3")
    check = np.random.default_rng(0).random((3, 1, 32, 32), dtype=np.float32)
    assert export_onnx(network, Preprocessing(32), tmp_path / "model.onnx", check) <= TOLERANCE


def test_layers_that_give_vectors_have_no_evidence() -> None:
    backbone = build_backbone("vgg16", layers=["fc7"], seed=0)
    with pytest.raises(ConfigError, match=re.escape("layer fc7 gives vectors")):
        Network(backbone, ["fc7"], EVIDENCE, 1, 2)
