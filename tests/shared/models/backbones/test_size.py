"""Sizes of networks, counted against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

from shared.models.backbones.build import find_backbone
from shared.models.backbones.size import size_of


def test_parameters_and_operations_are_those_of_the_layers() -> None:
    record = replace(find_backbone("lenet"), default_layer="block1")
    size = size_of(record)
    # 20 kernels of 5 x 5 without bias, and scale and shift of BatchNorm
    assert size.parameters == 20 * 25 + 2 * 20
    # each of 24 x 24 places of 20 maps: 25 multiply-adds
    assert size.flops == 2 * 25 * 20 * 24 * 24
