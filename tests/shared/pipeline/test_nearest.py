"""A configuration that names a nearer network begins with it where its weights are, and says what it begins with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from handwriting.task import TASK
from shared.config.read import load_config
from shared.config.schema import Config
from shared.errors import ConfigError
from shared.models.backbones.build import build_backbone
from shared.models.local_weights import WEIGHTS_VARIABLE
from shared.pipeline.build import stated_features
from shared.pipeline.preflight import preflight

CONFIGS = Path(__file__).parents[3] / "configs" / "handwriting"
TRUNK = "ppocr_v6_small_rec"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of weights, empty; no others are on this machine."""
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("shared.models.local_weights.find_packaged", lambda record: None)
    return tmp_path


@pytest.mark.parametrize(("name", "layers"), [("frozen", ("stage2", "stage3")), ("auto", "auto")])
def test_characters_begin_with_the_trunk_that_was_trained_on_text_where_it_is_here(
    folder: Path, caplog: pytest.LogCaptureFixture, name: str, layers: object
) -> None:
    path = folder / f"{TRUNK}-trunk.safetensors"
    path.touch()
    experiment = preflight(TASK, load_config(CONFIGS / f"{name}.yaml"))
    section = experiment.config.backbone
    assert (experiment.backbone.name, section.weights, section.nearest) == (TRUNK, str(path), None)
    assert (section.size, section.layers) == (48, layers)
    (said,) = caplog.messages
    assert said.startswith(f"begins with {TRUNK}, pretrained on PP-OCR text recognition")
    assert "ImageNet" not in said


@pytest.mark.parametrize("name", ["frozen", "auto"])
def test_the_trunk_is_shown_what_it_was_trained_on(folder: Path, name: str) -> None:
    """Writing 48 pixels high in three equal channels, from -1 to 1: paper of one extreme, ink of the other."""
    (folder / f"{TRUNK}.safetensors").touch()
    experiment = preflight(TASK, load_config(CONFIGS / f"{name}.yaml"))
    stroke = np.full((60, 50), 255, dtype=np.float32)
    stroke[10:50, 20:30] = 0
    image = torch.from_numpy(TASK.preprocess(stroke, experiment.spec))[None]
    backbone = build_backbone(experiment.backbone, layers=None, seed=0, input_size=stated_features(experiment).size)
    shown = backbone.adapted(image)
    assert shown.shape == (1, 3, 48, 48)
    assert (float(shown.min()), float(shown.max())) == (-1.0, 1.0)
    assert bool((shown[0, 0] == shown[0, 2]).all())


@pytest.mark.parametrize("name", ["frozen", "auto"])
def test_elsewhere_they_begin_as_the_section_says_and_name_what_is_missing(
    caplog: pytest.LogCaptureFixture, name: str
) -> None:
    config = load_config(CONFIGS / f"{name}.yaml")
    experiment = preflight(TASK, config)
    assert experiment.config.backbone == config.backbone.model_copy(update={"nearest": None})
    (said,) = caplog.messages
    assert said.startswith(f"begins with squeezenet1_1 (weights: imagenet), as no weights of {TRUNK} are here")
    assert WEIGHTS_VARIABLE in said


def test_a_network_that_the_command_line_names_is_the_one_that_is_meant(folder: Path) -> None:
    (folder / f"{TRUNK}.safetensors").touch()
    for word in ("backbone.name=vgg16", "backbone.weights=random", "backbone.pooling=avg_2x2"):
        config = load_config(CONFIGS / "frozen.yaml", ["backbone.layers=[]", word])
        assert preflight(TASK, config).backbone.name == ("vgg16" if "vgg16" in word else "squeezenet1_1")
    larger = load_config(CONFIGS / "frozen.yaml", ["backbone.nearest.size=64"])
    assert preflight(TASK, larger).config.backbone.size == 64


@pytest.mark.parametrize(
    ("nearest", "message"),
    [
        ({"name": "ppocr"}, "unknown backbone 'ppocr'"),
        ({"name": TRUNK, "layers": ["fire5"]}, "no layer 'fire5'; ppocr_v6_small_rec has stem"),
        ({"name": "alexnet", "size": 48}, "alexnet needs at least 63 pixels"),
    ],
)
def test_a_fault_of_the_nearer_network_is_told_whether_it_is_here_or_not(
    nearest: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        preflight(TASK, Config.model_validate({"backbone": {"nearest": nearest}}))
