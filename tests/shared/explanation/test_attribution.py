"""Attributions: they add up where they must, leave nothing behind, and point at what decides."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shared.errors import UsageError
from shared.explanation.attribution import METHODS, attribute, methods_for
from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width

CPU = torch.device("cpu")
SIZE = 32


def _network(name: str = "convnet_small", size: int = SIZE, classes: int = 2) -> Network:
    backbone = build_backbone(name, layers=None, seed=0)
    width = feature_width(backbone, backbone.layers, "avg_1x1", 1, size)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Network(backbone, backbone.layers, "avg_1x1", width, classes).eval()


def _corner_network() -> Network:
    """Class 1 is the mean of the upper left quarter, by weights set by hand."""
    network = _network()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.zeros_(module.weight)
            module.weight.data[0, 0, 1, 1] = 1.0
    network.pooling = "avg_2x2"
    network.head = torch.nn.Linear(network.head.in_features * 4, 2)
    torch.nn.init.zeros_(network.head.weight)
    torch.nn.init.zeros_(network.head.bias)
    network.head.weight.data[1, 0] = 1.0
    return network.eval()


def _image(seed: int = 0, size: int = SIZE) -> np.ndarray:
    # above the mean that the backbone subtracts, so that the first ReLU passes it
    return np.random.default_rng(seed).uniform(0.6, 1.0, (1, size, size)).astype(np.float32)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "grad-cam"])
def test_a_method_finds_the_quarter_that_decides(method: str) -> None:
    network, image = _corner_network(), _image()
    image[:, :16, :16] += 1.0  # above the mean, which is what occlusion paints
    found = attribute(network, image[None], np.array([1]), CPU, method)
    assert found.shape == (1, SIZE, SIZE)
    assert found.dtype == np.float32
    positive = np.clip(found[0], 0, None)
    assert positive[:16, :16].sum() > 0.9 * positive.sum() > 0


def test_grad_cam_shows_where_the_maps_that_count_are_strong() -> None:
    # it weighs maps as a whole: of an even image it would show all quarters alike
    image = _image()
    image[:, 16:], image[:, :, 16:] = 0.0, 0.0
    found = attribute(_corner_network(), image[None], np.array([1]), CPU, "grad-cam")[0]
    assert found.min() >= 0.0
    # the maps are 2 x 2, enlarged bilinearly
    assert found[:16, :16].mean() > 3 * found[16:, 16:].mean()


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_a_function_of_its_input(method: str) -> None:
    network, image = _network(), _image()
    np.random.seed(1)
    torch.manual_seed(1)
    before = (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    first = attribute(network, image[None], np.array([1]), CPU, method)
    assert (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
    np.random.seed(2)
    torch.manual_seed(2)
    assert np.array_equal(first, attribute(network, image[None], np.array([1]), CPU, method))
    assert all(torch.equal(weights[name], tensor) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())


def test_integrated_gradients_add_up_to_the_difference_from_black() -> None:
    network, image = _corner_network(), _image()
    found = attribute(network, image[None], np.array([1]), CPU, "integrated-gradients")
    with torch.no_grad():
        ends = network(torch.from_numpy(np.stack([image, np.zeros_like(image)])))[:, 1]
    assert found.sum() == pytest.approx(float(ends[0] - ends[1]), rel=0.05)


def test_occlusion_is_what_painting_over_a_square_costs() -> None:
    network, image = _corner_network(), _image()
    image[:, :4, :4] += 1.0
    found = attribute(network, image[None], np.array([1]), CPU, "occlusion")[0]
    with torch.no_grad():
        whole = network(torch.from_numpy(image[None]))[0, 1]
        without = image.copy()
        without[:, :4, :4] = image.mean()
        cost = whole - network(torch.from_numpy(without[None]))[0, 1]
    # the corner pixel is under one window only
    assert found[0, 0] == pytest.approx(float(cost), rel=1e-4)


def test_guided_grad_cam_is_told_apart_where_it_is_not_defined() -> None:
    assert "guided-grad-cam" in methods_for(_network())
    network = _network("mobilenet_v3_small", 64)
    assert "guided-grad-cam" not in methods_for(network)
    with pytest.raises(UsageError, match="mobilenet_v3_small has activations other than ReLU: use grad-cam"):
        attribute(network, _image(size=64)[None], np.array([1]), CPU, "guided-grad-cam")


def test_maps_are_not_defined_for_the_tokens_of_a_transformer() -> None:
    pytest.importorskip("timm")
    backbone = build_backbone("timm/test_vit", layers=None, seed=0, input_size=SIZE)
    network = Network(backbone, backbone.layers, "cls", 64, 2).eval()
    assert methods_for(network) == ("integrated-gradients", "gradient-shap", "occlusion")
    for method in ("grad-cam", "guided-grad-cam"):
        with pytest.raises(UsageError, match="timm/test_vit hands tokens from block to block; use occlusion"):
            attribute(network, _image()[None], np.array([1]), CPU, method)
    assert np.abs(attribute(network, _image()[None], np.array([1]), CPU, "occlusion")).max() > 0


def test_guided_grad_cam_passes_relu6() -> None:
    network = _network("mobilenet_v2", 64)
    found = attribute(network, _image(size=64)[None], np.array([1]), CPU, "guided-grad-cam")
    assert np.abs(found).max() > 0


def test_an_unknown_method_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no method 'saliency'; allowed are integrated-gradients, gradient-shap"):
        attribute(_network(), _image()[None], np.array([1]), CPU, "saliency")


def test_images_of_a_cache_are_only_read() -> None:
    image = _image()
    image.flags.writeable = False
    assert attribute(_network(), image[None], np.array([1]), CPU, "grad-cam").shape == (1, SIZE, SIZE)
