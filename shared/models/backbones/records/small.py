"""Small networks of this project, for small images and no pretraining."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

from shared.models.backbones.record import BACKBONES, UNIT_MEAN, UNIT_STD, BackboneRecord

CONVNETS = {"convnet_small": (32, 64, 128, 256), "convnet_medium": (48, 96, 192, 320)}
"""Channels of the four blocks of each; widths are multiples of 16, as matrix units of a processor want them."""


def _build_convnet(widths: tuple[int, ...]) -> Any:
    from torch import nn

    network = nn.Module()
    for i, (before, after) in enumerate(itertools.pairwise((1, *widths)), start=1):
        block = nn.Sequential(
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        network.add_module(f"block{i}", block)
    return network


def _split_by_name(original: Any) -> dict[str, Any]:
    return dict(original.named_children())


def _build_lenet() -> Any:
    from torch import nn

    network = nn.Module()
    for i, (before, after) in enumerate(((1, 20), (20, 50)), start=1):
        convolution = nn.Conv2d(before, after, 5, bias=False)
        block = nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2))
        network.add_module(f"block{i}", block)
    network.add_module("fc", nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(800, 500), nn.ReLU()))
    return network


for _name, _widths in CONVNETS.items():
    BACKBONES.add(
        _name,
        BackboneRecord(
            name=_name,
            stages=("block1", "block2", "block3", "block4"),
            default_layer="block4",
            classifier="",
            build=partial(_build_convnet, _widths),
            split=_split_by_name,
            channels=1,
            input_size=32,
            min_size=16,
            mean=UNIT_MEAN,
            std=UNIT_STD,
            licence="Apache-2.0",
            source="this project; eight convolutions in the manner of VGG, for small images and no pretraining",
        ),
    )
BACKBONES.add(
    "lenet",
    BackboneRecord(
        name="lenet",
        stages=("block1", "block2", "fc"),
        default_layer="fc",
        classifier="",
        build=_build_lenet,
        split=_split_by_name,
        channels=1,
        input_size=28,
        min_size=28,
        mean=UNIT_MEAN,
        std=UNIT_STD,
        licence="Apache-2.0",
        source="LeCun et al., Proc IEEE 86(11), 1998, in the widths of Caffe's example, with BatchNorm; this project",
    ),
)
