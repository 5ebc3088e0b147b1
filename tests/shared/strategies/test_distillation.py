"""Outputs of the source against torchvision's own whole networks, and the distillation loss in closed form."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision import models

from shared.errors import ConfigError, WeightsError
from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.models.source_classifier import load_classifier
from shared.models.weights import load_weights
from shared.strategies._distillation import SourceHead, SourceOutputs

SIDE = 64


def _source(name: str, folder: Path) -> tuple[Network, Path, torch.nn.Module]:
    """A network with the weights of a file, the file, and the whole original."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        original = models.get_model(name, weights=None).eval()
    path = folder / f"{name}.pth"
    torch.save(original.state_dict(), path)
    backbone = build_backbone(name, layers=None, seed=0)
    load_weights(backbone, str(path))
    layers = backbone.layers
    return (
        Network(backbone, layers, "avg_1x1", feature_width(backbone, layers, "avg_1x1", 3, SIDE), 2).eval(),
        path,
        original,
    )


@pytest.fixture
def squeezenet(tmp_path: Path) -> tuple[Network, Path, torch.nn.Module]:
    return _source("squeezenet1_1", tmp_path)


def _images(count: int) -> torch.Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18"])
def test_the_source_gives_the_logits_of_the_whole_original(tmp_path: Path, name: str) -> None:
    network, path, original = _source(name, tmp_path)
    head = SourceHead(load_classifier(network.backbone, str(path)))
    with torch.inference_mode():
        found = head(network, network.backbone(_images(2)))
        torch.testing.assert_close(found, original(network.backbone.adapted(_images(2))), atol=1e-4, rtol=1e-4)


def test_distance_and_its_gradient_are_those_of_the_papers(squeezenet: tuple[Network, Path, torch.nn.Module]) -> None:
    network, path, _ = squeezenet
    outputs = SourceOutputs(network, str(path), temperature=3.0)
    scores = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    wanted = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    distance = outputs.distance(scores, wanted)
    p, q = torch.softmax(wanted / 3, dim=1), torch.softmax(scores / 3, dim=1)
    torch.testing.assert_close(distance, 9 * (p * (p / q).log()).sum(dim=1).mean())
    distance.backward()
    torch.testing.assert_close(scores.grad, 3 * (q - p).detach() / 4)


def test_the_source_stays_when_the_network_moves_and_is_in_no_checkpoint(
    squeezenet: tuple[Network, Path, torch.nn.Module],
) -> None:
    network, path, _ = squeezenet
    outputs, images = SourceOutputs(network, str(path), temperature=2.0), _images(2)
    assert set(outputs.state_dict()) == {"head.weight", "head.bias"}
    assert float(outputs(network, images, network.backbone(images)).detach()) == pytest.approx(0.0, abs=1e-5)
    with torch.no_grad():
        for parameter in [*network.backbone.parameters(), *outputs.parameters()]:
            parameter.mul_(1.3)
    moved = outputs(network, images, network.backbone(images))
    assert float(moved.detach()) > 1e-6
    moved.backward()
    assert outputs.head.weight.grad is not None
    assert all(p.grad is None and not p.requires_grad for module in outputs._source for p in module.parameters())


def test_features_other_than_those_of_the_source_are_refused(squeezenet: tuple[Network, Path, torch.nn.Module]) -> None:
    network, path, _ = squeezenet
    network.pooling = "max_1x1"
    with pytest.raises(ConfigError, match=r"fire9 under avg_1x1, and the network has fire9 under max_1x1; set"):
        SourceOutputs(network, str(path), temperature=2.0)


def test_a_classifier_of_several_layers_or_none_is_refused(squeezenet: tuple[Network, Path, torch.nn.Module]) -> None:
    network, path, _ = squeezenet
    with pytest.raises(WeightsError, match="random weights have no classifier"):
        load_classifier(network.backbone, "random")
    torch.save({f"classifier.{i}.weight": torch.zeros(2, 2) for i in range(2)}, path)
    with pytest.raises(WeightsError, match=r"no classifier of one layer.*classifier\.0\.weight"):
        load_classifier(network.backbone, str(path))


def test_the_classifier_of_a_run_is_its_head(tiny_run: Path) -> None:
    from safetensors.torch import load_file

    backbone = build_backbone("convnet_small", layers=("block2",), seed=0)
    found = load_classifier(backbone, str(tiny_run))
    assert torch.equal(found.weight, load_file(tiny_run / "model.safetensors")["head.weight"])
    assert (found.layers, found.pooling) == (("block2",), "avg_2x2")
