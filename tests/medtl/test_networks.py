"""MONAI's networks as backbones: cut so that nothing is lost, for one channel, and found only when asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from medtl import networks
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.backbones.record import BACKBONES

MONAI = ["monai/densenet121", "monai/resnet18"]


@pytest.fixture(autouse=True)
def _registered() -> None:
    networks.register_backbones()


def test_registering_loads_nothing_heavy_and_may_be_repeated() -> None:
    code = (
        "import sys; from medtl import networks; from shared.models.backbones.record import BACKBONES;"
        "networks.register_backbones(); networks.register_backbones();"
        "print([n for n in BACKBONES if n.startswith('monai/')], [m for m in ('torch', 'monai') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{MONAI} []"


def test_every_monai_network_is_tested_here() -> None:
    assert [name for name in BACKBONES if name.startswith("monai/")] == MONAI


@torch.no_grad()
@pytest.mark.parametrize("name", MONAI)
def test_the_stages_compute_what_the_original_hands_to_its_classifier(name: str) -> None:
    record = find_backbone(name)
    original = record.build().eval()
    for module in original.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 1.5)
            module.bias.uniform_(-1, 1)
    seen: list[Tensor] = []
    original.get_submodule(record.classifier).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = torch.rand(2, 1, 64, 64)
    original(images)
    x = images
    stages = record.split(original)
    assert tuple(stages) == record.stages
    for stage in stages.values():
        x = stage(x)
    # DenseNet's class layers begin with the ReLU that torchvision counts among the features
    expected = seen[0].relu() if seen[0].ndim == 4 else seen[0]
    found = x if expected.ndim == 4 else x.mean(dim=(2, 3))
    assert float(expected.std()) > 0
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", MONAI)
def test_stages_hold_every_tensor_but_those_of_the_classifier(name: str) -> None:
    record = find_backbone(name)
    with torch.device("meta"):
        original = record.build()
    kept = {id(t) for stage in record.split(original).values() for t in (*stage.parameters(), *stage.buffers())}
    tensors = [*original.named_parameters(), *original.named_buffers()]
    left = {tensor_name for tensor_name, tensor in tensors if id(tensor) not in kept}
    assert left
    assert all(tensor_name.startswith(f"{record.classifier}.") for tensor_name in left)


@torch.no_grad()
@pytest.mark.parametrize("name", MONAI)
def test_one_channel_in_and_colour_averaged(name: str) -> None:
    backbone = build_backbone(name, layers=["stem"], seed=0).eval()
    colour = torch.rand(1, 3, 32, 32)
    grey = colour.mean(dim=1, keepdim=True)
    assert next(backbone.parameters()).shape[1] == 1
    torch.testing.assert_close(backbone(colour)["stem"], backbone(grey)["stem"])


@torch.no_grad()
@pytest.mark.parametrize("name", MONAI)
def test_the_smallest_size_passes_through(name: str) -> None:
    record = find_backbone(name)
    features = build_backbone(name, layers=None, seed=0).eval()(torch.rand(1, 1, record.min_size, record.min_size))
    assert torch.isfinite(features[record.default_layer]).all()
    assert features[record.default_layer].shape[2:] == (1, 1)
