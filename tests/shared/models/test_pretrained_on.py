"""What weights were trained on, in words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shared.config.read import validate
from shared.config.schema import BackboneSection
from shared.errors import ConfigError
from shared.io.atomic import write_json
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.pretrained_on import NOTHING, UNKNOWN, pretrained_on
from shared.models.weights import load_weights


def test_words_files_and_runs_say_what_they_were_trained_on(tmp_path: Path) -> None:
    resnet, small = find_backbone("resnet18"), find_backbone("convnet_small")
    assert pretrained_on(resnet, "random") == NOTHING
    assert pretrained_on(resnet, "imagenet") == "ImageNet"
    (tmp_path / "resnet18-x.pth").touch()
    said = pretrained_on(resnet, "resnet18-x.pth", tmp_path)
    assert said == "ImageNet, as the published weights of resnet18 are; the file does not say"
    assert pretrained_on(small, "resnet18-x.pth", tmp_path) == UNKNOWN
    run = tmp_path / "first"
    run.mkdir()
    write_json(run / "model.json", {"backbone": {"name": "resnet18"}})
    assert pretrained_on(resnet, str(run)) == "the training images of first"
    write_json(run / "model.json", {"backbone": {"name": "resnet18", "weights": {"pretrained_on": "ImageNet"}}})
    assert pretrained_on(resnet, str(run)) == "the training images of first; before that: ImageNet"


def test_of_a_file_it_is_asked_and_what_is_stated_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    backbone = build_backbone("lenet", layers=["block1"], seed=0)
    file = tmp_path / "lenet.pth"
    torch.save({backbone.original_names[name]: one for name, one in backbone.stages.state_dict().items()}, file)
    assert load_weights(backbone, str(file)).pretrained_on == UNKNOWN
    assert "lenet.pth: what these weights were trained on is not known; state it" in caplog.text
    caplog.clear()
    assert load_weights(backbone, str(file), stated="12 letters").pretrained_on == "12 letters"
    assert "not known" not in caplog.text
    with pytest.raises(ConfigError, match="pretrained_on is stated of a file, and weights are imagenet"):
        validate(BackboneSection, {"pretrained_on": "12 letters"}, origin="backbone")


@pytest.mark.weights
def test_the_text_recognisers_trunk_fits_whole_and_is_not_called_imagenets(weights_dir: Path) -> None:
    path = weights_dir / "ppocr_v6_small_rec-trunk.safetensors"
    backbone = build_backbone("ppocr_v6_small_rec", layers=None, seed=0)
    report = load_weights(backbone, str(path))
    assert (report.loaded, report.unused) == (len(backbone.stages.state_dict()), ())
    assert report.pretrained_on.startswith("PP-OCR text recognition")
    assert "ImageNet" not in report.pretrained_on
