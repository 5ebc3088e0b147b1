"""The command `ensemble`, and `train --seeds --ensemble`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from handwriting.cli import app
from medtl.cli import app as tumours_app
from shared.runs.record import read_model_record
from tests.conftest import SALT
from tests.shared.cli.calling import call, is_one_line, is_wrong_usage

COST = (
    r"cost: [\d,]+ parameters, 2\.0 x those of {name} \([\d,]+\); one image takes \d+\.\d ms here, \d+\.\d x its "
    r"\d+\.\d ms"
)


@pytest.fixture(autouse=True)
def _same_names_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDTL_SALT", SALT)


def test_it_prints_its_results_and_its_cost(
    tiny_run: Path, sibling_run: Path, ensemble_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.experiments.comparison.costs.SECONDS", 0.05)
    made = call(app, "ensemble", tiny_run, sibling_run, "--out", ensemble_run)  # made before: quick
    assert made.exit_code == 0, made.output
    lines = made.stdout.splitlines()
    assert lines[-2] == f"report: {ensemble_run / 'report.html'}"
    assert re.fullmatch(COST.format(name=re.escape(tiny_run.name)), lines[-1]), lines[-1]


def test_it_answers_explains_and_is_chosen_as_any_other(ensemble_run: Path, characters: Path) -> None:
    image = characters / "digit_0" / "000.png"
    judged = call(app, "predict", image, "--model", ensemble_run, "--json")
    assert judged.exit_code == 0, judged.output
    assert json.loads(judged.stdout.splitlines()[0])["label"] == "digit_0"
    explained = call(app, "explain", image, "--model", ensemble_run, "--out", "maps")
    assert explained.exit_code == 0, explained.output
    assert "passed its checks" in explained.stdout or "not to be believed" in explained.stdout
    assert list(Path("maps").glob("*.png"))
    grad_cam = call(app, "explain", image, "--model", ensemble_run, "--method", "grad-cam")
    assert is_wrong_usage(grad_cam, "no method 'grad-cam' for 2 x convnet_small; allowed are integrated-gradients")
    own = call(app, "evaluate", ensemble_run)
    assert own.exit_code == 0, own.output
    assert call(app, "use", ensemble_run).exit_code == 0
    listed = call(app, "models").stdout
    assert f"* {ensemble_run}" in listed.replace(" (default)", "")


def test_a_class_can_be_added_to_it(ensemble_run: Path, characters: Path) -> None:
    added = call(app, "add-class", "kha", characters / "digit_0/000.png", "--model", ensemble_run, "--out", "more")
    assert added.exit_code == 0, added.output
    record = read_model_record(Path("more"))
    assert record.classes[-1] == "kha"
    assert record.is_ensemble
    judged = call(app, "predict", characters / "digit_0/000.png", "--model", "more", "--json")
    assert json.loads(judged.stdout.splitlines()[0])["label"] == "kha"


def test_runs_that_do_not_belong_together_are_wrong_usage(
    tiny_run: Path, sibling_run: Path, ensemble_run: Path, screening_run: Path
) -> None:
    assert is_wrong_usage(call(app, "ensemble", tiny_run), "name at least two")
    assert is_wrong_usage(call(app, "ensemble", tiny_run, "nowhere"), "nowhere: no folder, and no run under")
    assert is_wrong_usage(call(app, "ensemble", tiny_run, ensemble_run), "is itself a mean of runs")
    assert is_wrong_usage(call(tumours_app, "ensemble", screening_run, tiny_run), "is a run of handwriting")
    gone = call(app, "ensemble", tiny_run, sibling_run, "--data", "gone.zip", "--out", "new")
    assert is_one_line(gone, "gone.zip")
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ensemble",), "--ensemble is the mean of several runs, and --seeds is 1"),
        (("--seeds", "2", "--average", "answers"), "--average is answers, and averages nothing without --ensemble"),
        (("--seeds", "2", "--out", "x"), "--out names one folder, and --seeds 2 trains as many runs"),
    ],
)
def test_options_of_train_that_would_do_nothing_are_refused(words: tuple[str, ...], said: str) -> None:
    assert is_wrong_usage(call(app, "train", *words), said)


@pytest.mark.usefixtures("quick_ending")
def test_train_makes_seeds_and_their_mean(tiny_words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.api.training.cost_lines", lambda *_: ())  # nothing was exported to be timed
    words = (*tiny_words, "strategy={name: finetune, augmentation: none, phases: [{epochs: 1, train: none}]}")
    made = call(app, "train", *words, "--seeds", "2", "--ensemble", "--average", "answers", "--out", "mean")
    assert made.exit_code == 0, made.output
    assert len(list(Path("runs/members").iterdir())) == 2
    assert read_model_record(Path("mean")).is_ensemble
    apart = call(app, "train", *words, "--seeds", "2")
    assert apart.exit_code == 0, apart.output
    folders = [path for path in Path("runs").iterdir() if path.name != "members"]
    assert len(folders) == 2
    assert all(f"report: {folder}/report.html" in apart.stdout for folder in folders)
