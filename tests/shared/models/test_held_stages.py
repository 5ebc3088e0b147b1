"""Files that hold the first stages alone limit the layers of the features."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from handwriting.task import TASK
from shared.config.read import validate
from shared.config.schema import Config
from shared.errors import ConfigError
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.held_stages import fitted_record
from shared.models.weights import load_weights
from shared.pipeline.preflight import preflight


def _saved(path: Path, name: str, kept: Callable[[str], bool]) -> str:
    with torch.device("meta"):
        shapes = find_backbone(name).build().state_dict()
    tensors: dict[str, Tensor] = {key: torch.zeros(t.shape, dtype=t.dtype) for key, t in shapes.items() if kept(key)}
    torch.save(tensors, path)
    return str(path)


def test_the_deepest_stage_of_a_file_is_the_default_and_the_run_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _saved(tmp_path / "vgg16-convolutions.pth", "vgg16", lambda key: key.startswith("features."))
    record = fitted_record(find_backbone("vgg16"), path)
    assert record.default_layer == "block5"
    assert record.feature_layers == ("block1", "block2", "block3", "block4", "block5")
    with caplog.at_level(logging.WARNING):
        report = load_weights(build_backbone(record, layers=None, seed=0), path)
    assert (report.loaded, report.absent) == (26, ("fc6", "fc7"))
    assert (
        "the weights end with block5 and hold no fc6, fc7; the deepest layer of the features is block5" in caplog.text
    )


def _config(weights: str, **backbone: object) -> Config:
    tree = {"data": {"source": "x"}, "backbone": {"name": "resnet18", "weights": weights, "size": 64, **backbone}}
    return validate(Config, {**tree, "strategy": {"name": "linear_probe"}}, origin="test")


def test_a_configuration_takes_the_deepest_stage_and_refuses_deeper_ones(tmp_path: Path) -> None:
    path = _saved(tmp_path / "a.pth", "resnet18", lambda key: not key.startswith(("layer3", "layer4", "fc")))
    assert preflight(TASK, _config(path)).backbone.default_layer == "layer2"
    with pytest.raises(ConfigError, match=r"no layer 'layer4'; backbone\.weights=.*a\.pth holds stem, layer1, layer2$"):
        preflight(TASK, _config(path, layers=["layer4"]))
    # random weights beyond the transferred stages are asked for here
    stated = _config(path, layers=["layer4"], transfer_stages=["stem", "layer1", "layer2"])
    assert preflight(TASK, stated).backbone.absent_stages == ()


def test_a_file_that_lacks_single_tensors_is_no_shorter_network(tmp_path: Path) -> None:
    record = find_backbone("resnet18")
    for kept in (
        lambda key: key != "layer4.1.bn2.weight",
        lambda key: not key.startswith("layer2"),
        lambda key: key.startswith("fc"),
        lambda key: True,
    ):
        assert fitted_record(record, _saved(tmp_path / f"{id(kept)}.pth", "resnet18", kept)) == record
    (tmp_path / "damaged.pth").write_bytes(b"x")
    assert fitted_record(record, str(tmp_path / "damaged.pth")) == record


def test_words_and_what_is_not_there_limit_nothing(tmp_path: Path) -> None:
    record = find_backbone("vgg16")
    for spec in ("imagenet", "random", str(tmp_path / "nowhere.pth"), str(tmp_path)):
        assert fitted_record(record, spec) == record
    assert fitted_record(record, "packaged").default_layer == "block5"
    assert fitted_record(find_backbone("resnet18"), "packaged") == find_backbone("resnet18")
