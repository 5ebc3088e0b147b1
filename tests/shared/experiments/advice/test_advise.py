from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from typer.testing import CliRunner

from handwriting import datasets
from handwriting.cli import app
from shared.config.read import load_config
from shared.experiments.advice.config import sides_for
from shared.experiments.advice.recipes import FINETUNE, PROBE, PROBE_AUTO
from shared.io.atomic import read_json
from shared.models.backbones.build import find_backbone


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two epochs on one fold, and no weights but those that a test names."""
    monkeypatch.delenv("MEDTL_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("shared.models.local_weights.find_packaged", lambda record: None)
    monkeypatch.setattr("shared.experiments.advice.recipes.MAX_EPOCHS", 2)
    monkeypatch.setattr("shared.experiments.advice.short_finetune.MAX_IMAGES_SEEN", 1)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "convnet_small-made.pth"
    torch.manual_seed(0)
    torch.save(find_backbone("convnet_small").build().state_dict(), path)
    return path


def _call(*words: str) -> Any:
    return CliRunner().invoke(app, ["advise", *words])


def test_advice_is_printed_and_its_configuration_is_what_train_takes(characters: Path, weights: Path) -> None:
    found = _call(str(characters), "backbone.size=32", "--weights", str(weights), "--out", "out")
    assert found.exit_code == 0, found.output
    text = found.stdout
    for words in (
        "the test that training draws with seed=0 was left out",
        "LogME",
        "pretrained on not known",
        "linear accuracy over depth: block1",
        "not tried, because their weights are not here: alexnet (alexnet-owt-7be5be79.pth)",
        "scenario: small data, ",
        "like those that convnet_small was pretrained on (last layer",
        "advice: convnet_small",
        "why: ",
        "next: handwriting train out/advised.yaml",
    ):
        assert words in text
    tree = read_json(Path("out/advice.json"))
    assert [one["recipe"] for one in tree["candidates"]] == [PROBE, PROBE_AUTO, FINETUNE]
    assert tree["expected"]["low"] < tree["expected"]["value"] <= tree["expected"]["high"]
    assert tree["best_linear"] in tree["candidates"][:2]
    assert tree["expected"]["value"] == tree["best_linear"]["value"]
    assert tree["data"]["images"] == tree["data"]["used"] < 48
    config = load_config(Path("out/advised.yaml"))
    assert (config.name, config.backbone.weights, config.backbone.size) == ("advised", str(weights), 32)
    assert (config.strategy["name"] == "finetune") == (tree["advised"]["recipe"] == FINETUNE)
    assert yaml.safe_load(Path("out/advised.yaml").read_text())["data"] == {"source": str(characters)}


def test_the_advice_is_the_same_each_time(characters: Path, weights: Path) -> None:
    words = (str(characters), "backbone.size=32", "--weights", str(weights), "--out")
    _call(*words, "one")
    _call(*words, "two")
    one, two = (read_json(Path(name) / "advice.json") for name in ("one", "two"))
    del one["seconds"], two["seconds"]
    assert one == two


def test_a_given_test_is_never_read(
    characters: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted(characters.rglob("*.png"))
    sent = {path: "test" if number % 4 == 0 else "train" for number, path in enumerate(paths)}
    table = tmp_path / "manifest.csv"
    with table.open("w", newline="") as stream:
        rows = [(str(path), path.parent.name, part) for path, part in sent.items()]
        csv.writer(stream).writerows([("path", "label", "split"), *rows])
    read: list[str] = []
    real = datasets.read
    monkeypatch.setattr(datasets, "read", lambda sample: read.append(sample.source) or real(sample))
    found = _call(str(table), "backbone.size=32", "--weights", str(weights))
    assert found.exit_code == 0, found.output
    assert "the data's own test was not looked at" in found.stdout
    assert read
    assert not {str(path) for path, part in sent.items() if part == "test"} & set(read)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["backbone.name=vgg16"], "advice chooses this itself; leave it out. Allowed are data, seed"),
        (["strategy.name=finetune"], "advice chooses this itself"),
        (["data.budget.labels_per_class=3"], "data.budget.labels_per_class: advice measures on all"),
        (["data.source=elsewhere"], "leave data.source out"),
        (["seed=x"], "seed: input should be a whole number"),
    ],
)
def test_what_advice_decides_itself_is_no_setting(
    characters: Path, weights: Path, words: list[str], message: str
) -> None:
    found = _call(str(characters), *words, "backbone.size=32", "--weights", str(weights))
    assert found.exit_code == 2
    assert message in found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_no_data_no_weights_or_too_small_an_image_is_one_line(characters: Path, tmp_path: Path) -> None:
    torch.save(find_backbone("alexnet").build().state_dict(), tmp_path / "alexnet-x.pth")
    for words, message in (
        (["nowhere"], "nowhere"),
        ([str(characters)], "no weights of any backbone were found"),
        ([str(characters), "backbone.size=32", "--weights", "alexnet-x.pth"], "need at least 63 pixels"),
    ):
        found = _call(*words)
        assert found.exit_code == 2
        assert message in found.stderr
        assert len(found.stderr.splitlines()) == 1


def test_sides_follow_the_images() -> None:
    assert sides_for(28) == {"store_size": 32, "size": 64}
    assert sides_for(100) == {"size": 96}
    assert sides_for(512) == {"size": 160}
