"""Exports, read by the libraries that they are for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from handwriting.cli import app
from handwriting.task import TASK
from shared.errors import UsageError
from shared.exports import export, layout_names
from shared.io.atomic import read_json
from shared.prediction.predictor import Predictor
from shared.runs.record import read_model_record
from tests.shared.cli.calling import call, is_wrong_usage

ROOT = Path(__file__).parents[3]
TENSOR = {
    "type": "object",
    "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
    "properties": {"num_channels": {"type": "integer"}, "channel_def": {"type": "object"}},
}
IO = {"type": "object", "minProperties": 1, "additionalProperties": TENSOR}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": [
        *("schema", "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version"),
        *("task", "description", "authors", "copyright", "network_data_format"),
    ],
    "properties": {
        **{name: {"type": "string"} for name in ("version", "monai_version", "task", "authors", "copyright")},
        "eval_metrics": {"type": "object"},
        "network_data_format": {"required": ["inputs", "outputs"], "properties": {"inputs": IO, "outputs": IO}},
    },
}
"""What MONAI's schema of 2024-07-25 requires; the schema itself is fetched over the network."""


@pytest.fixture(scope="module")
def bundle(released_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released model as a bundle: its network takes weights from another file, and must not here."""
    out = tmp_path_factory.mktemp("monai") / "bundle"
    export(TASK, released_model, out, layout="monai")
    return out


@pytest.fixture(scope="module")
def repository(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hub") / "repository"
    export(TASK, tiny_run, out, layout="huggingface", licence="apache-2.0")
    return out


@pytest.mark.filterwarnings("ignore")
def test_monai_accepts_the_metadata(bundle: Path, tmp_path: Path) -> None:
    from monai.bundle import verify_metadata

    pytest.importorskip("jsonschema", reason="jsonschema is not installed, by which MONAI verifies metadata")
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(SCHEMA))
    metadata = bundle / "configs" / "metadata.json"
    verify_metadata(meta_file=str(metadata), filepath=str(schema))
    broken = read_json(metadata)
    del broken["network_data_format"]["outputs"]["pred"]["num_channels"]
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    with pytest.raises(ValueError, match="num_channels"):
        verify_metadata(meta_file=str(tmp_path / "broken.json"), filepath=str(schema))


@pytest.mark.filterwarnings("ignore")
def test_monai_runs_the_bundle_and_answers_as_predict_does(
    bundle: Path, released_model: Path, characters: Path, tmp_path: Path
) -> None:
    import monai.bundle

    images = tmp_path / "images"
    images.mkdir()
    for path in sorted((characters / "digit_0").iterdir())[:3]:
        shutil.copy(path, images / path.name)
    (images / "broken.png").write_bytes(b"no picture")
    moved = Path(shutil.copytree(bundle, tmp_path / "moved"))
    monai.bundle.run(
        config_file=str(moved / "configs" / "inference.json"),
        meta_file=str(moved / "configs" / "metadata.json"),
        bundle_root=str(moved),
        dataset_dir=str(images),
    )
    answers = json.loads((moved / "predictions.json").read_text())
    refused = [one for one in answers if "refusal" in one]
    assert len(refused) == 1
    predictor = Predictor(released_model, TASK.name, TASK.preprocess)
    items = [item for item in TASK.read_inputs([images]) if not item.refusal]
    for answer, item in zip((one for one in answers if "probabilities" in one), items, strict=True):
        (expected,) = predictor.each(item.slices)
        assert (answer["name"], answer["slice"]) == (item.name, 1)
        assert list(answer["probabilities"]) == list(predictor.record.classes)
        for name, value in answer["probabilities"].items():
            assert value == pytest.approx(expected.probabilities[name], abs=1e-6)


def test_names_that_monai_would_run_are_refused_and_leave_nothing(released_model: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(released_model, tmp_path / "run"))
    for name in ("$__import__('os').system('true')", "%other.json", "@run"):
        tree = read_json(run / "model.json")
        tree["classes"][0] = name
        (run / "model.json").write_text(json.dumps(tree))
        _rehash(run)
        with pytest.raises(UsageError, match=r"MONAI would run .* use --as huggingface"):
            export(TASK, run, tmp_path / "out", layout="monai")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def _rehash(run: Path) -> None:
    from shared.io.atomic import file_hash

    done = read_json(run / "done")
    done["files"]["model.json"] = file_hash(run / "model.json")
    (run / "done").write_text(json.dumps(done))


def test_the_hub_reads_the_card_and_its_results(repository: Path, tiny_run: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    card = hub.ModelCard.load(repository / "README.md")
    report = read_json(tiny_run / "report.json")["test"]
    assert card.data.license == "apache-2.0"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.model_name == tiny_run.name
    scores = {result.metric_name: result.metric_value for result in card.data.eval_results}
    (name,) = (name for name in scores if name.startswith("accuracy, likeliest class, by image, 95% interval"))
    assert scores[name] == report["accuracy"]["value"]
    assert f"n = {report['n']}" in name
    assert (tiny_run / "model_card.md").read_text().partition("\n")[2].strip() in card.text


def test_the_repository_holds_the_weights_and_what_the_network_needs(repository: Path, tiny_run: Path) -> None:
    import onnxruntime

    record, config = read_model_record(tiny_run), read_json(repository / "config.json")
    assert [config["id2label"][str(index)] for index in range(3)] == list(record.classes)
    assert config["threshold"] == record.image_threshold
    ours, theirs = load_file(tiny_run / "model.safetensors"), load_file(repository / "model.safetensors")
    assert all((ours[name] == theirs[name]).all() for name in ours)
    session = onnxruntime.InferenceSession(repository / "model.onnx", providers=["CPUExecutionProvider"])
    images = np.zeros((1, config["preprocessing"]["channels"], 32, 32), dtype=np.float32)
    assert session.run(["probabilities"], {"images": images})[0].shape == (1, 3)


def test_nothing_of_single_images_or_of_folders_is_exported(bundle: Path, repository: Path, characters: Path) -> None:
    files = [path for root in (bundle, repository) for path in root.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {
        *("metadata.json", "inference.json", "license.txt"),
        *("README.md", "config.json", "model.onnx", "model.safetensors"),
    }
    for path in files:
        content = path.read_bytes()
        assert str(characters).encode() not in content, path.name
        assert str(Path(torch.__file__).parent).encode() not in content, path.name  # as torch's exporter writes it
        assert str(ROOT).encode() not in content, path.name


def test_a_folder_that_holds_something_is_left_alone(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for layout in layout_names():
        with pytest.raises(UsageError, match="is not an empty folder"):
            export(TASK, tiny_run, tmp_path, layout=layout)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_command_exports_and_refuses_other_layouts(tiny_run: Path, tmp_path: Path) -> None:
    result = call(app, "export", tiny_run, "--as", "huggingface", "--out", tmp_path / "out")
    assert (result.exit_code, result.stderr) == (0, "")
    assert (tmp_path / "out" / "README.md").is_file()
    other = call(app, "export", tiny_run, "--as", "keras", "--out", tmp_path / "other")
    assert other.exit_code == 2
    assert "huggingface" in other.stderr
    assert not (tmp_path / "other").exists()
    screening = call(app, "export", tmp_path / "out", "--as", "monai", "--out", tmp_path / "third")
    assert is_wrong_usage(screening, "is not a run folder")
