"""The mean of runs as a run of its own: what it answers, states, counts and refuses, and how its training goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from handwriting.task import TASK
from shared.config.read import load_config
from shared.errors import ConfigError, UsageError
from shared.evaluation.calibration import softmax
from shared.evaluation.decision.ood import Reference
from shared.io.atomic import read_json
from shared.models.ensemble import Ensemble
from shared.models.restore import load_trained
from shared.pipeline.ensemble import MEMBERS, make_ensemble, train_ensemble, train_seeds
from shared.pipeline.origin import NOT_CERTIFIED
from shared.prediction.predictor import Predictor
from shared.runs.folder import finish, is_finished
from shared.runs.predictions import read_predictions
from shared.runs.record import read_model_record
from shared.runs.seen import Seen
from tests.conftest import SALT

Words = tuple[str, ...]
HEAD_ALONE = (
    "strategy={name: finetune, augmentation: none, batch_norm: freeze_stats, phases: [{epochs: 1, train: none}]}"
)


@pytest.fixture(autouse=True)
def _same_names_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDTL_SALT", SALT)


def _logits(run: Path, split: str) -> np.ndarray:
    return np.log(np.maximum(read_predictions(run, split).probabilities, 1e-30))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_its_predictions_are_the_mean_of_those_of_its_members_recalibrated(
    tiny_run: Path, sibling_run: Path, ensemble_run: Path, split: str
) -> None:
    own, one, other = (read_predictions(run, split) for run in (ensemble_run, tiny_run, sibling_run))
    assert own.samples == one.samples == other.samples
    mean = (_logits(tiny_run, split) + _logits(sibling_run, split)) / 2
    temperature = read_model_record(ensemble_run).temperature
    np.testing.assert_allclose(own.probabilities, softmax(mean / temperature), atol=1e-4)


def test_torch_and_onnx_give_the_mean_of_what_the_members_give(
    tiny_run: Path, sibling_run: Path, ensemble_run: Path
) -> None:
    images = list(np.random.default_rng(0).random((4, 1, 32, 32), dtype=np.float32))
    mean = sum(np.log(Predictor(run, TASK.name, TASK.preprocess).judge(images)[0]) for run in (tiny_run, sibling_run))
    network, record = load_trained(ensemble_run)
    assert isinstance(network, Ensemble)
    found = Predictor(ensemble_run, TASK.name, TASK.preprocess).judge(images)[0]
    np.testing.assert_allclose(found, softmax(mean / 2 / record.temperature), atol=1e-5)


def test_its_record_names_its_members_and_compares_the_layers_of_all(
    tiny_run: Path, sibling_run: Path, ensemble_run: Path
) -> None:
    record, members = read_model_record(ensemble_run), [read_model_record(run) for run in (tiny_run, sibling_run)]
    assert record.is_ensemble
    assert record.backbone["name"] == "2 x convnet_small"
    assert list(record.trunks) == [member.backbone for member in members]
    assert [one["weights_hash"] for one in record.backbone["mean_of"]] == [one.weights_hash for one in members]
    widths = [Reference.read(run).widths.tolist() for run in (tiny_run, sibling_run)]
    assert Reference.read(ensemble_run).widths.tolist() == widths[0] + widths[1]
    seen = [Seen.read(run, record.copy_rule) for run in (ensemble_run, tiny_run)]
    assert len(seen[0].images) == len(seen[1].images)


def test_its_certificate_counts_every_combination_of_models_and_its_report_says_so(
    tiny_run: Path, sibling_run: Path, ensemble_run: Path
) -> None:
    rule = read_model_record(ensemble_run).rejection or {}
    assert rule["choices"] == 8 * 8
    notes = " ".join(read_json(ensemble_run / "report.json")["notes"])
    assert f"the mean of the answers of 2 runs: {tiny_run.name}, {sibling_run.name}." in notes
    assert "chosen on validation among 64 models: 8 x 8," in notes
    page = (ensemble_run / "report.html").read_text(encoding="utf-8")
    assert "2 x convnet_small" in page
    assert "block2; pooling avg_2x2" in page
    config = (ensemble_run / "config.yaml").read_text(encoding="utf-8")
    assert config.count("seed: 1") == 1
    assert str(tiny_run.parents[1]) not in page


def _runs_from(start: Path, root: Path, words: Words) -> list[Path]:
    more = (f"backbone.weights={start}", "backbone.transfer_stages=null")
    return train_seeds(TASK, load_config(None, [*words, HEAD_ALONE, *more]), 2, root=root)


@pytest.mark.usefixtures("quick_ending")
def test_auto_chooses_weights_or_answers_on_validation_and_counts_that(
    tiny_run: Path, tiny_words: Words, tmp_path: Path
) -> None:
    members = _runs_from(tiny_run, tmp_path, tiny_words)
    assert all(read_model_record(run).backbone["weights"]["sha256"] is not None for run in members)
    made = make_ensemble(TASK, members, root=tmp_path)
    record = read_model_record(made)
    rows = [json.loads(line) for line in (made / "metrics.jsonl").read_text().splitlines()]
    assert [row["average"] for row in rows] == ["weights", "answers"]
    # the backbone is frozen, so that both means are one function: the cheaper one is taken, but for rounding
    assert rows[0]["validation_score"] == pytest.approx(rows[1]["validation_score"], abs=1e-4)
    assert (record.rejection or {})["choices"] == 1 * 1 * 2
    assert (record.rejection or {})["statement"] == NOT_CERTIFIED  # as its members: their source saw validation
    stated = make_ensemble(TASK, members, root=tmp_path, average="weights")
    soup = read_model_record(stated)
    assert (soup.is_ensemble, (soup.rejection or {})["choices"]) == (False, 1)
    assert soup.backbone["layers"] == ["block2"]
    heads = [load_file(run / "model.safetensors") for run in (*members, stated)]
    scaled = [tensors["head.weight"] / tensors["temperature"] for tensors in heads[:2]]
    assert np.allclose(heads[2]["head.weight"], (scaled[0] + scaled[1]) / 2, atol=1e-5)


def test_weights_without_a_common_start_are_refused(tiny_run: Path, sibling_run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"cannot be averaged: .* began with random weights, .*; use --average answers"
    ):
        make_ensemble(TASK, [tiny_run, sibling_run], root=tmp_path, average="weights")
    assert not list(tmp_path.iterdir())


def test_data_that_are_not_those_of_the_runs_are_refused(
    tiny_run: Path, sibling_run: Path, tmp_path: Path, draw_characters: Callable[..., Path]
) -> None:
    other = draw_characters(tmp_path / "other", each=16, seed=9)
    with pytest.raises(UsageError, match="not the data, or no longer those"):
        make_ensemble(TASK, [tiny_run, sibling_run], root=tmp_path, data=other)
    moved = [shutil.copytree(run, tmp_path / run.name) for run in (tiny_run, sibling_run)]
    for run in moved:
        (run / "paths.json").unlink()  # as where a run was passed on
    with pytest.raises(UsageError, match=r"the data of .* are not here: characters; name them by --data DATA"):
        make_ensemble(TASK, moved, root=tmp_path)
    for run in moved:
        text = (run / "config.yaml").read_text(encoding="utf-8")
        changed = text.replace("source: ", "source: null #").replace("collections: {}", "collections: {a: x}")
        (run / "config.yaml").write_text(changed, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"--data names one dataset, .* was trained on collections"):
        make_ensemble(TASK, moved, root=tmp_path, data=other)


def test_a_network_that_answers_otherwise_than_its_run_says_is_refused(
    tiny_run: Path, sibling_run: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(sibling_run, tmp_path / "other")
    tensors = load_file(other / "model.safetensors")
    tensors[next(name for name in tensors if name.endswith("running_var"))].mul_(30)  # as of another domain
    save_file(tensors, other / "model.safetensors")
    finish(other, "handwriting")
    with pytest.raises(UsageError, match=r"other answers on its validation .* \(by 0\.\d\d, at most 0\.05 is"):
        make_ensemble(TASK, [tiny_run, other], root=tmp_path, out=tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


def test_a_folder_that_holds_something_else_is_left_alone(tiny_run: Path, sibling_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_run, tmp_path / "copy")
    with pytest.raises(ConfigError, match="holds a run of another configuration"):
        make_ensemble(TASK, [tiny_run, sibling_run], root=tmp_path, out=copy)


def test_one_that_is_made_is_returned(
    tiny_run: Path, sibling_run: Path, ensemble_run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = (ensemble_run / "done").read_bytes()
    assert make_ensemble(TASK, [tiny_run, sibling_run], root=ensemble_run.parent) == ensemble_run
    assert (ensemble_run / "done").read_bytes() == before
    assert "nothing is made again" in caplog.text


class _Interrupted(Exception):
    pass


@pytest.mark.usefixtures("quick_ending")
def test_an_interrupted_training_of_an_ensemble_goes_on(
    tiny_words: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shared.pipeline.ensemble as module

    config = load_config(None, [*tiny_words, HEAD_ALONE, "seed=3"])
    train, trained = module.run_experiment, list[int]()

    def stops(experiment: Any, **how: Any) -> Path:
        if len(trained) == 1:
            raise _Interrupted
        trained.append(experiment.config.seed)
        return train(experiment, **how)

    with monkeypatch.context() as patch:
        patch.setattr(module, "run_experiment", stops)
        with pytest.raises(_Interrupted):
            train_ensemble(TASK, config, 2, root=tmp_path)
    (first,) = (tmp_path / MEMBERS).iterdir()
    ended = (first / "done").read_bytes()

    def ends_early(*_: Any) -> None:
        raise _Interrupted

    with monkeypatch.context() as patch, pytest.raises(_Interrupted):
        patch.setattr(module, "finish_run", ends_early)
        train_ensemble(TASK, config, 2, root=tmp_path)
    (half,) = (path for path in tmp_path.iterdir() if path.name != MEMBERS)
    assert not is_finished(half)
    made, members = train_ensemble(TASK, config, 2, root=tmp_path)
    assert (made, is_finished(made)) == (half, True)
    assert (members[0], (first / "done").read_bytes()) == (first, ended)
    configs = [load_config(run / "config.yaml", []) for run in members]
    assert [(one.seed, one.data.split.seed) for one in configs] == [(3, 3), (4, 3)]
    assert (read_model_record(made).rejection or {})["choices"] == 1
    assert train_ensemble(TASK, config, 2, root=tmp_path)[0] == made


def test_labels_that_folds_divide_leave_no_validation(tiny_words: Words, tmp_path: Path) -> None:
    config = load_config(None, [*tiny_words, "data.budget.labels_per_class=4"])
    with pytest.raises(ConfigError, match=r"there is none: .* is folds; set labelled"):
        train_ensemble(TASK, config, 2, root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_several_processes_make_no_mean(tiny_words: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="torchrun started several; train with --seeds alone"):
        train_ensemble(TASK, load_config(None, tiny_words), 2, root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_mean_of_several_backbones_is_no_source_of_weights(
    ensemble_run: Path, tiny_words: Words, tmp_path: Path
) -> None:
    from shared.errors import WeightsError
    from shared.pipeline.preflight import preflight
    from shared.pipeline.train import run_experiment

    words = [*tiny_words, f"backbone.weights={ensemble_run}"]
    with pytest.raises(WeightsError, match="is the mean of several runs and has several backbones; name one of its"):
        run_experiment(preflight(TASK, load_config(None, words)), root=tmp_path)
