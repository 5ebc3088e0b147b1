"""Vision transformers against timm itself, on files in its format that hold random weights."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from shared.errors import WeightsError
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.backbones.module import Backbone
from shared.models.backbones.record import BackboneRecord
from shared.models.network import Network, feature_width
from shared.models.onnx_export import export_onnx
from shared.models.pooling import pool
from shared.models.source_classifier import load_classifier
from shared.models.weights import load_weights, require_weights
from shared.task import Preprocessing

timm = pytest.importorskip("timm")

SMALL = {"embed_dim": 32, "depth": 3, "num_heads": 2}
STAGES = ("embedding", "block1", "block2", "block3")


def _small(name: str) -> BackboneRecord:
    """A backbone as its record has it, but for its width and the number of its blocks."""
    from shared.models.backbones.timm_transformer import build_transformer

    record = find_backbone(name)
    model = {
        "deit_tiny": "deit_tiny_patch16_224",
        "dinov2_small": "vit_small_patch14_dinov2",
        "dinov3_small": "vit_small_patch16_dinov3",
    }.get(name, name.removeprefix("timm/"))
    build_at = partial(build_transformer, model, dynamic_img_size=False, **SMALL)
    return replace(record, stages=STAGES, default_layer="block3", feature_layers=STAGES, build_at=build_at)


def _trained(record: BackboneRecord, patches: int, seed: int = 5) -> Any:
    """timm's own network, every tensor of which differs from a fresh one."""
    assert record.build_at is not None
    assert record.tokens is not None
    model = record.build_at(patches * record.tokens.side).eval()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.add_(torch.randn(tensor.shape, generator=random) * 0.2)
    return model


def _file(folder: Path, tensors: Mapping[str, Any], name: str = "weights.pth") -> str:
    torch.save(dict(tensors), folder / name)
    return str(folder / name)


def _loaded(record: BackboneRecord, file: str, patches: int) -> Backbone:
    assert record.tokens is not None
    backbone = build_backbone(record, layers=STAGES, seed=1, input_size=patches * record.tokens.side).eval()
    load_weights(backbone, file)
    return backbone


def _same(found: Mapping[str, Tensor], model: Any, images: Tensor) -> None:
    """Compares the last layer with timm's own answer, registers left out."""
    wanted = model.forward_features(images)
    has_class = model.cls_token is not None
    patches = wanted[:, model.num_prefix_tokens :]
    torch.testing.assert_close(
        found["block3"], torch.cat([wanted[:, :1], patches], dim=1) if has_class else patches, rtol=1e-4, atol=1e-5
    )


def _normalised(record: BackboneRecord, images: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (record.mean, record.std))
    return (images - mean) / std


@pytest.mark.parametrize("name", ["deit_tiny", "dinov2_small", "dinov3_small", "timm/test_vit2"])
@torch.no_grad()
def test_a_file_in_timms_format_gives_timms_features(name: str, tmp_path: Path) -> None:
    record = _small(name)
    model = _trained(record, 4)
    path = tmp_path / "weights.safetensors"
    save_file(model.state_dict(), path)
    backbone = _loaded(record, str(path), 4)
    side = backbone.input_size
    assert side is not None
    images = torch.rand(2, 3, side, side)
    found = backbone(images)
    _same(found, model, _normalised(record, images))
    assert {tuple(tokens.shape[1:]) for tokens in found.values()} == {(16 + (model.cls_token is not None), 32)}


@torch.no_grad()
def test_position_embeddings_are_interpolated_as_timm_does_it(tmp_path: Path) -> None:
    record = _small("deit_tiny")
    model = _trained(record, 4)
    backbone = _loaded(record, _file(tmp_path, model.state_dict()), 6)
    model.set_input_size(img_size=(96, 96))
    images = torch.rand(2, 3, 96, 96)
    _same(backbone(images), model, _normalised(record, images))


def _under(prefix: str) -> Callable[[Any], Mapping[str, Any]]:
    return lambda tensors: (
        {f"{prefix}{name}": tensor for name, tensor in tensors.items()} | {"loss.weight": torch.ones(1)}
    )


@pytest.mark.parametrize(
    "written",
    [
        _under("module."),
        _under("model."),
        _under("model.encoder."),
        lambda tensors: {"model": dict(tensors)},
        lambda tensors: {"state_dict": _under("module.")(tensors), "args": argparse.Namespace(lr=0.1), "epoch": 3},
    ],
)
@torch.no_grad()
def test_what_tools_write_around_the_names_is_left_out(
    written: Callable[[Any], Mapping[str, Any]], tmp_path: Path
) -> None:
    record = _small("deit_tiny")
    model = _trained(record, 2)
    backbone = _loaded(record, _file(tmp_path, written(model.state_dict())), 2)
    images = torch.rand(2, 3, 32, 32)
    _same(backbone(images), model, _normalised(record, images))


@torch.no_grad()
def test_the_names_of_dinov3s_authors_are_read_and_nothing_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = _small("dinov3_small")
    model = _trained(record, 4)
    theirs = {
        name.replace("reg_token", "storage_tokens").replace("gamma_1", "ls1.gamma").replace("gamma_2", "ls2.gamma"): one
        for name, one in model.state_dict().items()
    }
    theirs |= {"mask_token": torch.zeros(1, 32), "rope_embed.periods": torch.ones(4)}
    theirs |= {f"blocks.{number}.attn.qkv.bias": torch.zeros(96) for number in range(3)}
    backbone = _loaded(record, _file(tmp_path, theirs), 4)
    images = torch.rand(1, 3, 64, 64)
    _same(backbone(images), model, _normalised(record, images))
    assert capsys.readouterr().out == ""


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    record = _small("deit_tiny")
    tensors = _trained(record, 4).state_dict()
    other_patches = _trained(_small("dinov2_small"), 4).state_dict()
    for given, message in (
        (other_patches, "is of a network with patches of 14 pixels, deit_tiny has 16; set backbone.name"),
        ({name: one for name, one in tensors.items() if name != "norm.bias"}, "lacks norm.bias"),
        (tensors | {"blocks.3.norm1.bias": torch.zeros(32)}, r"is not of deit_tiny, which has no blocks\.3"),
        (tensors | {"pos_embed": torch.zeros(1, 7, 32)}, "does not fit deit_tiny: its position embeddings"),
        (tensors | {"norm.bias": torch.zeros(48)}, r"has other shapes in norm.bias \(48,\) for \(32,\)"),
        (_under("student.")(tensors) | _under("teacher.")(tensors), "several networks, under student., teacher."),
    ):
        with pytest.raises(WeightsError, match=message):
            _loaded(record, _file(tmp_path, given), 4)


@torch.no_grad()
def test_codes_are_the_class_token_and_the_mean_of_the_patches() -> None:
    record = _small("dinov3_small")
    model = _trained(record, 3)
    backbone = build_backbone(record, layers=["block3"], seed=1, input_size=48).eval()
    backbone.stages.load_state_dict(
        {name: dict(model.named_parameters())[backbone.original_names[name]] for name in backbone.stages.state_dict()}
    )
    images = torch.rand(2, 3, 48, 48)
    tokens, output = model.forward_features(_normalised(record, images)), backbone(images)["block3"]
    first, mean = tokens[:, 0], tokens[:, 5:].mean(dim=1)
    torch.testing.assert_close(pool(output, "cls"), first)
    torch.testing.assert_close(pool(output, "avg_1x1"), mean)
    torch.testing.assert_close(pool(output, "cls_avg"), torch.cat([first, mean], dim=1))
    # by rows: the first of 3 x 3 cells is the first patch, in each channel
    torch.testing.assert_close(pool(output, "avg_3x3").view(2, -1, 9)[:, :, 1], tokens[:, 6])


def test_deits_classifier_was_trained_on_the_class_token(tmp_path: Path) -> None:
    record = _small("deit_tiny")
    model = _trained(record, 2)
    classifier = load_classifier(
        build_backbone(record, layers=None, seed=1, input_size=32), _file(tmp_path, model.state_dict())
    )
    assert torch.equal(classifier.weight, model.head.weight)
    assert (classifier.layers, classifier.pooling) == (("block3",), "cls")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pooling"), [("deit_tiny", "cls_avg"), ("dinov3_small", "avg_2x2")])
def test_the_network_survives_the_export(name: str, pooling: str, tmp_path: Path) -> None:
    record = _small(name)
    backbone = build_backbone(record, layers=["block1", "block3"], seed=0, input_size=64)
    layers = ["block1", "block3"]
    width = feature_width(backbone, layers, pooling, 1, 48)  # stored smaller than the input
    network = Network(backbone, layers, pooling, width, 3).eval()
    images = np.random.default_rng(0).random((3, 1, 48, 48), dtype=np.float32)
    assert export_onnx(network, Preprocessing(48), tmp_path / "model.onnx", images) < 1e-4


def test_published_weights_that_no_download_gives_are_named_and_taken_where_they_are_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    record, folder = _small("dinov2_small"), tmp_path / "hub" / "checkpoints"
    with pytest.raises(WeightsError, match=f"place dinov2_vits14_pretrain.pth from https.* in {folder} by hand"):
        require_weights(record, "imagenet")
    folder.mkdir(parents=True)
    _file(folder, _trained(record, 4).state_dict(), "dinov2_vits14_pretrain.pth")
    report = load_weights(build_backbone(record, layers=None, seed=0, input_size=56), "imagenet")
    assert report.spec == "dinov2_vits14_pretrain.pth"  # never called ImageNet's
    assert report.pretrained_on.startswith("LVD-142M")
    with pytest.raises(WeightsError, match=r"place dinov3_vits16_pretrain_lvd1689m-08c60483.pth"):
        require_weights(find_backbone("dinov3_small"), "imagenet")


@pytest.mark.parametrize("name", ["deit_tiny", "deit_small", "dinov2_base", "dinov3_base"])
def test_records_say_what_timm_says(name: str) -> None:
    record = find_backbone(name)
    with torch.device("meta"):
        model = record.build()
    stages = record.split(model)
    assert tuple(stages) == record.stages
    assert record.tokens is not None
    assert (record.tokens.side, record.tokens.side) == model.patch_embed.patch_size
    assert record.tokens.before == model.num_prefix_tokens
    assert (record.mean, record.std) == (model.pretrained_cfg["mean"], model.pretrained_cfg["std"])
    kept = [id(tensor) for stage in stages.values() for tensor in stage.parameters()]
    assert len(kept) == len(set(kept))
    left = {key for key, tensor in model.named_parameters() if id(tensor) not in kept}
    assert left == ({"head.weight", "head.bias"} if name.startswith("deit") else set())


@torch.no_grad()
def test_any_transformer_of_timm_is_a_backbone() -> None:
    before = torch.get_rng_state()
    record = find_backbone("timm/test_vit")
    assert torch.equal(before, torch.get_rng_state())
    assert record.stages == ("embedding", *(f"block{number}" for number in range(1, 7)))
    assert (record.default_layer, record.input_size, record.pretrained_on) == ("block6", 160, None)
    backbone = build_backbone(record, layers=None, seed=0, input_size=48)
    assert backbone(torch.rand(1, 1, 20, 20))["block6"].shape == (1, 10, 64)
