"""Weights from files, runs and a web server of the test's own: what is loaded, listed and refused."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models

from shared.errors import RunError, UsageError, WeightsError
from shared.io.atomic import write_json
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.backbones.module import Backbone
from shared.models.weights import load_weights
from shared.runs.folder import finish

RESNET_STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")


def _backbone(name: str = "resnet18", layer: str | None = None, seed: int = 0) -> Backbone:
    return build_backbone(name, layers=[layer] if layer else None, seed=seed)


def _published(name: str = "resnet18") -> dict[str, Tensor]:
    return dict(_tensors(name))


@functools.cache
def _tensors(name: str) -> dict[str, Tensor]:
    """A whole state dict of the original network, every tensor different from a fresh one."""
    with torch.device("meta"):
        shapes = find_backbone(name).build().state_dict()
    random = torch.Generator().manual_seed(5)
    return {
        key: torch.rand(tensor.shape, generator=random) + 0.5 if tensor.is_floating_point() else torch.tensor(7)
        for key, tensor in shapes.items()
    }


def _saved(folder: Path, tensors: Mapping[str, object], name: str = "weights.pth") -> str:
    torch.save(dict(tensors), folder / name)
    return str(folder / name)


def _values(backbone: Backbone) -> dict[str, Tensor]:
    """Tensors by their name in the original network."""
    return {backbone.original_names[name]: tensor for name, tensor in backbone.stages.state_dict().items()}


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_a_file_is_loaded_whole_and_its_classifier_is_listed(suffix: str, tmp_path: Path) -> None:
    published = _published()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(published, path)
    else:
        torch.save(published, path)
    backbone = _backbone()
    report = load_weights(backbone, str(path))
    values = _values(backbone)
    assert all(torch.equal(tensor, published[name]) for name, tensor in values.items())
    assert report.loaded == len(values) == len(published) - 2
    assert report.unused == ("fc.bias", "fc.weight")
    assert report.reinitialised == ()
    assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert report.spec == path.name  # never the folder, which may bear a person's name
    assert not report.folded_batch_norm


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    published = {key: t.half() if t.is_floating_point() else t for key, t in _published().items()}
    backbone = _backbone()
    load_weights(backbone, _saved(tmp_path, published))
    weight = backbone.stages["stem"][0].weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, published["conv1.weight"].float())


def test_a_checkpoint_with_a_state_dict_inside_is_read(tmp_path: Path) -> None:
    published = _published()
    backbone = _backbone(layer="stem")
    load_weights(backbone, _saved(tmp_path, {"epoch": 3, "state_dict": published}))
    assert torch.equal(backbone.stages["stem"][0].weight, published["conv1.weight"])


def test_the_format_from_before_torch_1_6_is_read(tmp_path: Path) -> None:
    published = OrderedDict((key, nn.Parameter(t) if t.ndim > 1 else t) for key, t in _published().items())
    path = tmp_path / "old.pth"
    torch.save(published, path, _use_new_zipfile_serialization=False)
    backbone = _backbone()
    load_weights(backbone, str(path))
    assert torch.equal(backbone.stages["stem"][0].weight, published["conv1.weight"])


def test_random_weights_are_reported_as_such() -> None:
    report = load_weights(_backbone(), "random")
    assert (report.loaded, report.sha256, report.reinitialised) == (0, None, RESNET_STAGES)


def test_only_the_copied_stages_change(tmp_path: Path) -> None:
    backbone, fresh = _backbone(seed=3), _backbone(seed=3)
    report = load_weights(backbone, _saved(tmp_path, _published()), copied=["stem", "layer1"])
    changed = {
        stage
        for stage in RESNET_STAGES
        for name, tensor in fresh.stages[stage].state_dict().items()
        if not torch.equal(tensor, backbone.stages[stage].state_dict()[name])
    }
    assert changed == {"stem", "layer1"}
    assert report.reinitialised == ("layer2", "layer3", "layer4")
    assert "layer2.0.conv1.weight" in report.unused


def test_stages_that_are_not_copied_may_lack_tensors(tmp_path: Path) -> None:
    stem = {key: t for key, t in _published().items() if key.startswith(("conv1", "bn1"))}
    report = load_weights(_backbone(), _saved(tmp_path, stem), copied=["stem"])
    assert report.loaded == len(stem)


def test_a_stage_that_is_not_there_cannot_be_copied(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="layer4 not in this network, which ends at resnet18's stage layer2"):
        load_weights(_backbone(layer="layer2"), _saved(tmp_path, _published()), copied=["stem", "layer4"])


def test_missing_tensors_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    published = {key: t for key, t in _published().items() if not key.startswith("layer4")}
    with pytest.raises(WeightsError) as caught:
        load_weights(_backbone(), _saved(tmp_path, published))
    message = str(caught.value)
    assert "weights.pth does not fit resnet18: it lacks layer4.0.conv1.weight" in message
    assert message.count("layer4.") == 8
    assert "and 17 more (25 in all)" in message


def test_tensors_of_another_shape_are_named_with_both_shapes(tmp_path: Path) -> None:
    published = _published() | {"layer1.0.conv1.weight": torch.zeros(64, 64, 1, 1)}
    with pytest.raises(WeightsError, match=r"layer1\.0\.conv1\.weight \(64, 64, 1, 1\) for \(64, 64, 3, 3\)"):
        load_weights(_backbone(), _saved(tmp_path, published))


def test_nothing_is_changed_by_weights_that_do_not_fit(tmp_path: Path) -> None:
    backbone, fresh = _backbone(seed=1), _backbone(seed=1)
    published = {key: t for key, t in _published().items() if not key.startswith("layer4")}
    with pytest.raises(WeightsError):
        load_weights(backbone, _saved(tmp_path, published))
    assert all(torch.equal(tensor, _values(fresh)[name]) for name, tensor in _values(backbone).items())


def test_weights_of_a_deeper_relative_are_refused(tmp_path: Path) -> None:
    # each tensor that ResNet-18 needs is in the file of ResNet-34, in the same shape
    with pytest.raises(WeightsError, match=r"is not of resnet18, which has no layer1\.2\.conv1\.weight"):
        load_weights(_backbone(), _saved(tmp_path, _published("resnet34")))


def test_a_classifier_of_another_form_is_no_obstacle(tmp_path: Path) -> None:
    published = {key: t for key, t in _published().items() if not key.startswith("fc.")}
    own = {"fc.1.weight": torch.zeros(4, 512), "fc.1.bias": torch.zeros(4), "projection.weight": torch.zeros(2, 2)}
    report = load_weights(_backbone(), _saved(tmp_path, published | own))
    assert report.unused == ("fc.1.bias", "fc.1.weight", "projection.weight")


def test_the_auxiliary_head_of_inception_is_listed_as_unused(tmp_path: Path) -> None:
    report = load_weights(_backbone("inception_v3", "stem"), _saved(tmp_path, _published("inception_v3")))
    assert "AuxLogits.fc.weight" in report.unused
    assert report.loaded == 18


def test_densenet_is_read_from_files_with_the_names_of_old(tmp_path: Path) -> None:
    published = _published("densenet121")
    old = {
        key.replace("norm1.", "norm.1.").replace("norm2.", "norm.2.")
        .replace("conv1.", "conv.1.").replace("conv2.", "conv.2."): tensor
        for key, tensor in published.items()
        if not key.endswith("num_batches_tracked")
    }  # fmt: skip
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    backbone = _backbone("densenet121")
    report = load_weights(backbone, _saved(tmp_path, old))
    trained = {name: t for name, t in _values(backbone).items() if not name.endswith("num_batches_tracked")}
    assert all(torch.equal(tensor, published[name]) for name, tensor in trained.items())
    assert report.loaded == len(trained)
    assert report.unused == ("classifier.bias", "classifier.weight")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged or holds more than tensors"),
        (b"PK\x03\x04 half a file", "is damaged or holds more than tensors"),
        ({"object": Path("x")}, "is damaged or holds more than tensors"),
        ({"layer": 3}, "does not hold a state dict"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(content: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=message):
        load_weights(_backbone(layer="stem"), str(path))


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    published = _published()
    published["layer2.0.bn1.weight"] = torch.full((128,), torch.nan)
    with pytest.raises(WeightsError, match=r"not finite in layer2\.0\.bn1\.weight"):
        load_weights(_backbone(), _saved(tmp_path, published))


@pytest.mark.parametrize(
    ("spec", "message"), [("nowhere.pth", "no such file or run"), ("a.bin", "is no weights file; allowed are .pth")]
)
def test_a_file_that_cannot_be_meant_is_answered(spec: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"x")
    with pytest.raises(UsageError, match=message):
        load_weights(_backbone(layer="stem"), spec, source=tmp_path)


def _run(folder: Path, backbone: Backbone, name: str = "convnet_small") -> Path:
    tensors = {f"backbone.{key}": tensor for key, tensor in backbone.state_dict().items()}
    folder.mkdir()
    save_file({**tensors, "head.weight": torch.zeros(2, 256)}, folder / "model.safetensors")
    write_json(folder / "model.json", {"backbone": {"name": name}})
    (folder / "model.onnx").write_bytes(b"")
    (folder / "features.npz").touch()
    finish(folder, "medtl")
    return folder


def test_a_finished_run_is_a_source_of_weights(tmp_path: Path) -> None:
    source, target = _backbone("convnet_small", seed=1), _backbone("convnet_small", "block2", seed=2)
    run = _run(tmp_path / "source-run", source)
    report = load_weights(target, str(run), copied=["block1"])
    for stage, same in (("block1", True), ("block2", False)):
        assert torch.equal(target.stages[stage][0].weight, source.stages[stage][0].weight) is same
    assert report.spec == "source-run/model.safetensors"
    assert report.reinitialised == ("block2",)
    assert "head.weight" in report.unused


def test_a_run_of_another_architecture_is_refused(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", _backbone("convnet_small"))
    with pytest.raises(WeightsError, match=r"was trained with convnet_small; backbone\.name is resnet18"):
        load_weights(_backbone(), str(run))


def test_an_unfinished_or_changed_run_is_refused(tmp_path: Path) -> None:
    backbone = _backbone("convnet_small")
    run = _run(tmp_path / "run", backbone)
    (run / "model.onnx").write_bytes(b"changed")
    with pytest.raises(RunError, match="was changed after training"):
        load_weights(backbone, str(run))
    (run / "done").unlink()
    with pytest.raises(UsageError, match="is not a run folder"):
        load_weights(backbone, str(run))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder served over HTTP, and its address; TORCH_HOME is another fresh folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch-home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    served = tmp_path / "served"
    served.mkdir()
    http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(served)))
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield served, f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()


def _with_address(backbone: Backbone, url: str) -> Backbone:
    backbone.record = replace(backbone.record, weights_url=lambda: url)
    return backbone


def _serve(served: Path) -> str:
    """Writes published weights under the name that carries their hash, as torchvision's files do."""
    path = Path(_saved(served, _published()))
    name = f"resnet18-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth"
    path.rename(served / name)
    return name


def _checkpoints(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "torch-home" / "hub" / "checkpoints").iterdir())


def test_imagenet_weights_are_fetched_once_into_torch_home(tmp_path: Path, server: tuple[Path, str]) -> None:
    served, address = server
    name = _serve(served)
    backbone = _with_address(_backbone(), f"{address}/{name}")
    report = load_weights(backbone, "imagenet")
    assert report.spec == "imagenet"
    assert torch.equal(backbone.stages["stem"][0].weight, _published()["conv1.weight"])
    assert _checkpoints(tmp_path) == [name]
    (served / name).unlink()
    assert load_weights(_with_address(_backbone(), f"{address}/{name}"), "imagenet") == report


def test_a_failed_download_says_which_file_to_place_where(tmp_path: Path, server: tuple[Path, str]) -> None:
    _, address = server
    with pytest.raises(WeightsError) as caught:
        load_weights(_with_address(_backbone(), f"{address}/resnet18-f37072fd.pth"), "imagenet")
    message = str(caught.value)
    assert "could not be fetched (HTTP Error 404: File not found)" in message
    assert f"place resnet18-f37072fd.pth from {address}/resnet18-f37072fd.pth in {tmp_path}/torch-home/hub" in message
    assert _checkpoints(tmp_path) == []


def test_a_download_that_was_changed_on_the_way_is_not_kept(tmp_path: Path, server: tuple[Path, str]) -> None:
    served, address = server
    name = _serve(served)
    content = bytearray((served / name).read_bytes())
    content[len(content) // 2] ^= 1
    (served / name).write_bytes(content)
    with pytest.raises(WeightsError, match="invalid hash value"):
        load_weights(_with_address(_backbone(), f"{address}/{name}"), "imagenet")
    assert _checkpoints(tmp_path) == []


def test_no_server_is_a_failed_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch-home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(WeightsError, match=r"could not be fetched \(Connection refused\).*by hand"):
        load_weights(_with_address(_backbone(), "http://127.0.0.1:9/resnet18-f37072fd.pth"), "imagenet")


def test_a_file_placed_by_hand_must_have_the_hash_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    _saved(tmp_path / "hub" / "checkpoints", _published(), "resnet18-f37072fd.pth")
    with pytest.raises(WeightsError, match="is not the file its name says: its SHA-256 does not begin with f37072fd"):
        load_weights(_backbone(), "imagenet")


def test_a_network_without_imagenet_weights_says_so() -> None:
    with pytest.raises(WeightsError, match="no download of ImageNet weights is known for convnet_small"):
        load_weights(_backbone("convnet_small"), "imagenet")


def _picture() -> Tensor:
    rows, columns = np.mgrid[0:96, 0:96].astype(np.float32)
    disc = ((rows - 40) ** 2 + (columns - 55) ** 2 < 20**2).astype(np.float32)
    return torch.from_numpy((0.3 * rows / 96 + 0.6 * disc)[None, None])


@pytest.mark.weights
@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "file", "folded"),
    [
        ("squeezenet1_1", "squeezenet1_1-imagenet.pth", False),
        ("mobilenet_v2", "mobilenet_v2-imagenet-bnfolded.pth", True),
    ],
)
def test_real_weights_give_the_features_of_torchvision(name: str, file: str, folded: bool, weights_dir: Path) -> None:
    backbone = _backbone(name)
    report = load_weights(backbone.eval(), str(weights_dir / file))
    assert report.folded_batch_norm is folded
    assert all(key.startswith("classifier.") for key in report.unused)
    original = models.get_model(name, weights=None).eval()
    original.load_state_dict(torch.load(weights_dir / file, weights_only=True))
    image = _picture()
    features = backbone(image)[backbone.record.default_layer]
    mean, std = torch.tensor(backbone.record.mean).view(3, 1, 1), torch.tensor(backbone.record.std).view(3, 1, 1)
    torch.testing.assert_close(features, original.features((image.expand(-1, 3, -1, -1) - mean) / std))
    assert torch.isfinite(features).all()
    assert float(features.std()) > 0.1
