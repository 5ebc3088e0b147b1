"""Every record is checked against the network it was cut from, at the smallest size that passes through."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from shared.errors import UnknownNameError
from shared.models.backbones import build
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.backbones.record import BACKBONES, IMAGENET_MEAN, IMAGENET_STD, BackboneRecord
from shared.models.network import Calibrated, Network, feature_width

ELSEWHERE = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "xception")
"""Networks that timm builds."""
CONVNETS = ("convnet_small", "convnet_medium")
TRUNK = "ppocr_v6_small_rec"
TRANSFORMERS = [name for name in BACKBONES if BACKBONES.get(name).tokens]
"""They have their own tests, in `test_timm_transformer`."""
PRETRAINED = [name for name in BACKBONES if "/" not in name and name not in (*CONVNETS, "lenet", TRUNK, *TRANSFORMERS)]
TORCHVISION = [name for name in PRETRAINED if name not in ELSEWHERE]
LARGE = 1_000_000


def _original(record: BackboneRecord) -> nn.Module:
    """The original network in evaluation mode with quick random weights: large dense layers are of rank one."""
    with torch.device("meta"):
        network = record.build()
    network.to_empty(device="cpu").eval()
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("num_batches_tracked"):
                tensor.zero_()
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=random)
            elif tensor.ndim == 2 and tensor.numel() > LARGE:
                rows, columns = (torch.randn(n, generator=random) for n in tensor.shape)
                torch.outer(rows, columns / columns.norm(), out=tensor)
            else:
                fan_in = max(1, tensor[0].numel() if tensor.ndim > 1 else 100)
                tensor.normal_(0, (2 / fan_in) ** 0.5, generator=random)
    return network


def _classifier_input(network: nn.Module, classifier: str, images: Tensor) -> Tensor:
    """What the original network hands to the classifier that the record cuts off."""
    seen: list[Tensor] = []
    hook = network.get_submodule(classifier).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(images)
    hook.remove()
    return seen[0]


def _normalised(record: BackboneRecord, images: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (record.mean, record.std))
    return (images - mean) / std


def test_names_and_stages_are_known_without_torch() -> None:
    code = (
        "import sys; from shared.models.backbones.build import BACKBONES, find_backbone;"
        "print(find_backbone('vgg16').stages[-1], [m for m in ('torch', 'torchvision', 'timm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "fc7 []"


def test_all_promised_backbones_are_there() -> None:
    promised = {
        *("alexnet", "vgg11", "vgg16", "vgg19", "vgg11_bn", "vgg16_bn", "vgg19_bn", "resnet18", "resnet34"),
        *("resnet50", "densenet121", "densenet201", "inception_v3", "squeezenet1_1", "mobilenet_v2"),
        *("mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0"),
        *("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "xception"),
    }
    assert promised == set(PRETRAINED)
    assert set(TRANSFORMERS) == {
        *("deit_tiny", "deit_small", "deit_base", "dinov2_small", "dinov2_base", "dinov3_small", "dinov3_base"),
    }


@pytest.mark.parametrize("name", PRETRAINED)
def test_stages_hold_every_tensor_but_those_of_the_classifier(name: str) -> None:
    record = find_backbone(name)
    with torch.device("meta"):
        original = record.build()
    stages = record.split(original)
    assert tuple(stages) == record.stages
    assert len(set(record.stages)) == len(record.stages)
    assert set(record.feature_layers) <= set(record.stages)
    assert record.default_layer in record.feature_layers
    kept = [id(tensor) for stage in stages.values() for tensor in (*stage.parameters(), *stage.buffers())]
    assert len(kept) == len(set(kept))
    tensors = [*original.named_parameters(), *original.named_buffers()]
    left = {tensor_name for tensor_name, tensor in tensors if id(tensor) not in set(kept)}
    assert left
    assert all(tensor_name.startswith((f"{record.classifier}.", "AuxLogits.")) for tensor_name in left)


# the other VGGs are cut by the same function, and their cuts are checked above
@pytest.mark.parametrize("name", [name for name in PRETRAINED if name[:3] != "vgg" or name in ("vgg11", "vgg16_bn")])
@torch.no_grad()
def test_the_stages_compute_what_the_original_hands_to_its_classifier(name: str) -> None:
    record = find_backbone(name)
    original = _original(record)
    images = torch.rand(2, 3, record.min_size, record.min_size, generator=torch.Generator().manual_seed(1))
    x = _normalised(record, images)
    expected = _classifier_input(original, record.classifier, x)
    for stage in record.split(original).values():
        x = stage(x)
    if expected.ndim == 2 and x.ndim == 4:
        x = x.mean(dim=(2, 3))
    assert float(expected.std()) > 0
    torch.testing.assert_close(x, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("name", TORCHVISION)
def test_input_statistics_and_sizes_are_those_the_weights_were_published_with(name: str) -> None:
    record = find_backbone(name)
    published = models.get_model_weights(name)["IMAGENET1K_V1"]
    recipe = published.transforms()
    assert record.input_size == recipe.crop_size[0]
    assert tuple(recipe.mean) == IMAGENET_MEAN
    assert tuple(recipe.std) == IMAGENET_STD
    if name != "inception_v3":  # it has its own test below
        assert (record.mean, record.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert record.weights_url is not None
    assert record.weights_url() == published.url


@pytest.mark.parametrize("name", ELSEWHERE)
def test_input_statistics_of_timms_networks_are_timms(name: str) -> None:
    timm = pytest.importorskip("timm")
    record = find_backbone(name)
    recipe = timm.get_pretrained_cfg("legacy_xception" if name == "xception" else f"tf_{name}")
    assert recipe.input_size == (3, record.input_size, record.input_size)
    assert (recipe.mean, recipe.std) == (record.mean, record.std)
    assert record.pretrained_on == "ImageNet"


def test_the_address_of_xceptions_weights_is_timms_and_ends_with_a_hash() -> None:
    timm = pytest.importorskip("timm")
    url = find_backbone("xception").weights_url
    assert url is not None
    assert url() == timm.get_pretrained_cfg("legacy_xception").url
    assert url().endswith("/xception-43020ad28.pth")


def test_a_text_recognisers_trunk_is_never_called_imagenets() -> None:
    record = find_backbone(TRUNK)
    assert record.pretrained_on is not None
    assert record.pretrained_on.startswith("PP-OCR text recognition")
    assert "ImageNet" not in f"{record.pretrained_on}{record.licence}{record.source}"
    assert record.weights_url is None


@torch.no_grad()
def test_the_trunk_halves_the_height_alone_after_its_stem() -> None:
    record = find_backbone(TRUNK)
    backbone = build_backbone(TRUNK, layers=record.feature_layers, seed=0).eval()
    shapes = {layer: tuple(maps.shape[1:]) for layer, maps in backbone(torch.rand(1, 1, 48, 160)).items()}
    assert shapes == {"stem": (96, 12, 40), "stage1": (96, 12, 40), "stage2": (192, 6, 40), "stage3": (384, 3, 40)}


@torch.no_grad()
def test_inception_gets_the_input_that_its_published_weights_expect() -> None:
    record = find_backbone("inception_v3")
    original = _original(record)
    original.transform_input = True  # as torchvision sets it when it loads the ImageNet weights
    images = torch.rand(1, 3, 75, 75, generator=torch.Generator().manual_seed(2))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    expected = _classifier_input(original, "fc", (images - mean) / std)
    x = _normalised(record, images)
    for stage in record.split(original).values():
        x = stage(x)
    torch.testing.assert_close(x.mean(dim=(2, 3)), expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


@torch.no_grad()
def test_grey_is_the_same_grey_in_three_channels() -> None:
    backbone = build_backbone("squeezenet1_1", layers=None, seed=0).eval()
    grey = torch.rand(2, 1, 40, 40)
    torch.testing.assert_close(backbone(grey)["fire9"], backbone(torch.cat([grey] * 3, dim=1))["fire9"])


@torch.no_grad()
def test_colour_becomes_its_mean_where_the_network_has_one_channel() -> None:
    backbone = build_backbone("convnet_small", layers=None, seed=0).eval()
    colour = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(backbone(colour)["block4"], backbone(colour.mean(dim=1, keepdim=True))["block4"])


@torch.no_grad()
def test_input_is_normalised_with_the_statistics_of_the_record() -> None:
    backbone = build_backbone("squeezenet1_1", layers=["stem"], seed=0).eval()
    images = torch.rand(1, 3, 32, 32)
    expected = backbone.stages["stem"](_normalised(backbone.record, images))
    torch.testing.assert_close(backbone(images)["stem"], expected)


@torch.no_grad()
@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_1", "mobilenet_v2", "densenet121", *CONVNETS])
def test_a_layer_is_the_same_whether_or_not_deeper_ones_are_wanted(name: str) -> None:
    record = find_backbone(name)
    together = build_backbone(name, layers=record.feature_layers, seed=0).eval()
    x = images = torch.rand(1, record.channels, record.min_size, record.min_size)
    outputs = together(images)
    assert list(outputs) == list(record.feature_layers)
    x = _normalised(record, images)
    for layer, stage in together.stages.items():
        x = stage(x.clone())  # a later stage that works in place would show
        torch.testing.assert_close(outputs[layer], x)


def test_stages_after_the_deepest_wanted_layer_are_cut_off() -> None:
    backbone = build_backbone("resnet18", layers=["layer2", "stem"], seed=0)
    assert list(backbone.stages) == ["stem", "layer1", "layer2"]
    assert set(backbone(torch.rand(1, 1, 32, 32))) == {"stem", "layer2"}


def test_fire5_is_index_7_of_the_original() -> None:
    record = find_backbone("squeezenet1_1")
    original = record.build()
    assert list(record.split(original)["fire5"]) == [original.features[7]]


def test_dense_layers_are_codes() -> None:
    for name in ("alexnet", "vgg16"):
        assert find_backbone(name).feature_layers[-2:] == ("fc6", "fc7")
    backbone = build_backbone("alexnet", layers=["fc6"], seed=0).eval()
    assert backbone(torch.rand(2, 1, 63, 63))["fc6"].shape == (2, 4096)


def test_random_weights_depend_on_the_seed_alone() -> None:
    before = torch.get_rng_state()
    first, second, other = (build_backbone("convnet_small", layers=None, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    weights = [backbone.stages["block1"][0].weight for backbone in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet81", "did you mean resnet18"),
        ("unheard-of-zzz", "known: .*convnet_medium, lenet, alexnet, vgg11"),
    ],
)
def test_an_unknown_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        find_backbone(name)


def test_an_unknown_layer_is_answered_with_the_layers() -> None:
    with pytest.raises(UnknownNameError, match="resnet18 has no layer fc6; its feature layers are stem, layer1"):
        build_backbone("resnet18", layers=["fc6"], seed=0)


def test_a_network_whose_library_is_not_installed_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "find_spec", lambda _: None)
    with pytest.raises(UnknownNameError, match=r"'xception' needs timm; .* pip install '\.\[weights\]'"):
        find_backbone("xception")


def test_timm_that_is_not_installed_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "find_spec", lambda _: None)
    with pytest.raises(UnknownNameError, match=r"pip install '\.\[timm\]'"):
        find_backbone("timm/resnet18")


@torch.no_grad()
def test_a_timm_model_gives_its_own_features() -> None:
    timm = pytest.importorskip("timm")
    before = torch.get_rng_state()
    backbone = build_backbone("timm/resnet10t", layers=None, seed=0).eval()
    assert torch.equal(before, torch.get_rng_state())
    original = timm.create_model("resnet10t", pretrained=False).eval()
    names = backbone.original_names
    values = {names[name]: tensor for name, tensor in backbone.stages.state_dict().items()}
    assert original.load_state_dict(values, strict=False).missing_keys == ["fc.weight", "fc.bias"]
    images = torch.rand(1, 3, 64, 64)
    expected = original.forward_features(_normalised(backbone.record, images))
    torch.testing.assert_close(backbone(images)[backbone.record.default_layer], expected)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm/cait_xxs24_224", "is no chain of modules"),
        ("timm/resnet10x", "did you mean timm/resnet10"),
        ("timm/zzzzzz", "list_models"),
    ],
)
def test_a_timm_model_that_cannot_be_used_is_refused(name: str, message: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(UnknownNameError, match=message):
        find_backbone(name)


EXPORTED = [
    ("convnet_small", "avg_2x2"),
    ("lenet", "avg_1x1"),
    pytest.param(TRUNK, "avg_2x2", marks=pytest.mark.slow),
    pytest.param("efficientnet_lite0", "avg_1x1", marks=pytest.mark.slow),
    pytest.param("xception", "avg_1x1", marks=pytest.mark.slow),
    pytest.param("squeezenet1_1", "avg_max", marks=pytest.mark.slow),
    pytest.param("alexnet", "avg_1x1", marks=pytest.mark.slow),
    pytest.param("vgg11_bn", "avg_1x1", marks=pytest.mark.slow),
    pytest.param("resnet18", "avg_3x3", marks=pytest.mark.slow),
    pytest.param("densenet121", "avg_1x1", marks=pytest.mark.slow),
    pytest.param("inception_v3", "max_1x1", marks=pytest.mark.slow),
    pytest.param("mobilenet_v2", "avg_3x3", marks=pytest.mark.slow),
    pytest.param("mobilenet_v3_small", "avg_1x1", marks=pytest.mark.slow),
    pytest.param("efficientnet_b0", "avg_1x1", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "pooling"), EXPORTED)
@torch.no_grad()
def test_codes_survive_the_export(name: str, pooling: str, tmp_path: Path) -> None:
    import onnxruntime

    from shared.models.onnx_export import _export

    record = find_backbone(name)
    size, layers = record.min_size + 1, [record.default_layer]
    backbone = build_backbone(name, layers=layers, seed=0)
    _settle(backbone, torch.rand(8, 1, size, size))
    network = Network(backbone, layers, pooling, feature_width(backbone, layers, pooling, 1, size), 3)
    model = Calibrated(network).eval()
    _export(model, torch.zeros(2, 1, size, size), tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 3):
        images = torch.rand(count, 1, size, size)
        expected = model(images)[1].numpy()
        features = session.run(["features"], {"images": images.numpy()})[0]
        assert features.shape == expected.shape
        assert float(np.abs(expected).max()) > 1e-3
        assert float(np.abs(features - expected).max()) <= 1e-4 * float(np.abs(expected).max())


def _settle(backbone: nn.Module, images: Tensor) -> None:
    """Fits BatchNorm's statistics to random weights: without that, deep features vanish and any two would agree."""
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    backbone.train()(images)
    backbone.eval()
