"""Attributions against masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shared.explanation.pointing_game import agreement, point
from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width

SIZE = 64


def _mask() -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[10:20, 30:40] = True
    return mask


def test_a_point_in_the_mask_hits_and_one_far_away_misses() -> None:
    attribution = np.zeros((SIZE, SIZE), np.float32)
    attribution[15, 35], attribution[50, 5] = 3.0, 1.0
    assert point(attribution, _mask()) == (True, pytest.approx(0.75))
    assert point(attribution[::-1, ::-1], _mask()) == (False, pytest.approx(0.0))


def test_a_point_within_the_tolerance_hits_but_its_share_does_not_count() -> None:
    attribution = np.zeros((SIZE, SIZE), np.float32)
    attribution[23, 35] = 1.0  # four pixels below: 15 of 224 are 4.3 of 64
    assert point(attribution, _mask()) == (True, 0.0)
    attribution[23, 35], attribution[25, 35] = 0.0, 1.0
    assert point(attribution, _mask()) == (False, 0.0)


def test_an_enlarged_map_points_at_the_middle_of_its_plateau() -> None:
    attribution = np.zeros((SIZE, SIZE), np.float32)
    attribution[0:30, 20:50] = 1.0  # its first pixel is far from the mask, its middle in it
    assert point(attribution, _mask())[0]


def test_what_speaks_against_the_class_points_at_nothing() -> None:
    attribution = np.zeros((SIZE, SIZE), np.float32)
    attribution[15, 35] = -1.0
    assert point(attribution, _mask()) == (False, 0.0)


def test_agreement_counts_each_method_and_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = build_backbone("convnet_small", layers=None, seed=0)
    network = Network(
        backbone, backbone.layers, "avg_1x1", feature_width(backbone, backbone.layers, "avg_1x1", 1, SIZE), 2
    )
    mask = _mask()

    def pointing(network: Network, images: np.ndarray, targets: np.ndarray, device: object, method: str) -> np.ndarray:
        right = method == "occlusion"
        return np.where(mask == right, 1.0, 0.0)[None].astype(np.float32)

    monkeypatch.setattr("shared.explanation.pointing_game.attribute", pointing)
    images = [np.full((1, SIZE, SIZE), 0.5, np.float32)] * 8
    calls: list[tuple[str, int, int, str]] = []
    found = agreement(
        network.eval(), images, [mask] * 8, [1] * 8, torch.device("cpu"), lambda *said: calls.append(said)
    )
    assert found["images"] == 8
    assert found["methods"]["occlusion"]["pointing"]["value"] == 1.0
    assert found["methods"]["occlusion"]["pointing"]["low"] == pytest.approx(0.676, abs=1e-3)  # Wilson, 8 of 8
    assert found["methods"]["occlusion"]["share"] == {"value": 1.0}  # no interval where all agree
    assert found["methods"]["grad-cam"]["pointing"]["value"] == 0.0
    assert found["chance"]["share"] == pytest.approx(100 / SIZE**2)
    assert 100 / SIZE**2 < found["chance"]["pointing"] < 400 / SIZE**2
    assert calls[-1][1:3] == (8, 8)
