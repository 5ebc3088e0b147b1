"""The commands `use` and `models`, and what answers after them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from handwriting.cli import app
from handwriting.task import TASK
from medtl.cli import app as tumours
from shared.api import Application
from shared.io.atomic import read_json, write_json
from shared.runs.verdict import read_verdict
from tests.shared.cli.calling import call, is_one_line, is_wrong_usage
from tests.shared.runs.making import cut


@pytest.fixture
def runs(tiny_run: Path) -> Path:
    """Two copies of a finished run below the working directory."""
    for name in ("first", "second"):
        shutil.copytree(tiny_run, Path("runs") / name)
    return Path("runs")


def test_predict_asks_which_of_several_runs_shall_answer_until_one_is_chosen(
    runs: Path, tiny_run: Path, characters: Path
) -> None:
    picture = characters / "digit_0" / "000.png"
    asked = call(app, "predict", picture)
    assert is_wrong_usage(asked, "choose one by `handwriting use RUN`, or name one by --model RUN")
    assert "first, second" in asked.stderr or "second, first" in asked.stderr
    used = call(app, "use", "second")
    assert used.exit_code == 0, used.output
    assert used.stdout.splitlines()[0] == "default of handwriting: runs/second"
    verdict = read_verdict(tiny_run).short
    assert used.stdout.splitlines()[1] == f"  fit for: {verdict}"
    assert "trained 20" in used.stdout
    answered = call(app, "predict", picture)
    assert answered.exit_code == 0
    assert answered.stdout.startswith("model: runs/second (the default; another by --model RUN)\nfit for: ")
    named = call(app, "predict", picture, "--model", "first")
    assert named.stdout.startswith("model: runs/first\n")


@pytest.mark.parametrize("command", ["serve", "listen"])
def test_servers_refuse_to_guess_even_where_there_is_one_run(command: str, tiny_run: Path, screening_run: Path) -> None:
    application, run = (app, tiny_run) if command == "serve" else (tumours, screening_run)
    shutil.copytree(run, Path("runs") / "only")
    assert is_wrong_usage(call(application, command), "no model is chosen, and runs/ holds 1 finished")
    assert not Path("spool").exists()


def test_a_server_takes_the_default(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.web.serving.run_server", lambda *_: None)
    call(app, "use", runs / "first")
    served = call(app, "serve", "--port", 0)
    assert served.exit_code == 0, served.output
    assert served.stdout.startswith("model: runs/first (the default; another by --model RUN)\nfit for: ")


def test_use_refuses_what_cannot_answer(runs: Path, screening_run: Path) -> None:
    assert is_wrong_usage(call(app, "use", "nowhere"), "nowhere: no folder, and no run under")
    assert is_wrong_usage(call(app, "use", screening_run), "is a run of medtl; `handwriting` cannot use it")
    (runs / "first" / "done").unlink()
    assert is_wrong_usage(call(app, "use", "first"), "runs/first is not finished")
    cut(runs / "second" / "model.onnx")
    damaged = call(app, "use", "second")
    assert damaged.exit_code == 1
    assert is_one_line(damaged, "model.onnx is missing or was changed")
    assert [path.name for path in runs.iterdir() if path.is_file()] == []


def test_models_lists_what_can_answer_and_names_what_cannot(runs: Path, tiny_run: Path) -> None:
    for name in ("half", "cut"):
        shutil.copytree(tiny_run, runs / name)
    (runs / "half" / "done").unlink()
    cut(runs / "cut" / "done")
    call(app, "use", "second")
    listed = call(app, "models")
    assert listed.exit_code == 0, listed.output
    lines = listed.stdout.splitlines()
    assert {"  first", "* runs/second (default)"} <= set(lines)
    assert [line.split(" ")[1] for line in lines if line.startswith("!")] == ["runs/cut/done", "runs/half"]
    assert lines.count(f"    fit for: {read_verdict(tiny_run).short}") == 2
    accuracy = read_json(tiny_run / "report.json")["test"]["accuracy"]["value"]
    tested = [line for line in lines if re.fullmatch(r"    convnet_small, .* on its test [01]\.\d{3} \[.*\]", line)]
    assert len(tested) == 2
    assert f"accuracy on its test {accuracy:.3f}" in tested[0].lower()
    assert sum("trained 20" in line and "characters (dhcd)" in line for line in lines) == 2


def test_models_says_what_to_do_where_nothing_is_chosen(runs: Path) -> None:
    assert "no default is chosen; choose one: `handwriting use RUN`" in call(app, "models").stdout
    shutil.rmtree(runs / "second")
    assert "runs/first answers: the only finished run under runs/; `handwriting use RUN`" in call(app, "models").stdout
    shutil.rmtree(runs)
    assert "no finished handwriting run under runs/; train one: `handwriting train`" in call(app, "models").stdout


def test_models_names_a_default_that_is_gone_and_one_from_elsewhere(runs: Path, tiny_run: Path) -> None:
    call(app, "use", tiny_run)
    assert f"* {tiny_run} (default)" in call(app, "models").stdout
    call(app, "use", "first")
    shutil.rmtree(runs / "first")
    listed = call(app, "models")
    assert listed.exit_code == 0
    assert "! the default run runs/first is gone; choose again by `handwriting use RUN`" in listed.stdout


def test_other_commands_take_the_name_of_a_run_too(runs: Path) -> None:
    assert call(app, "report", "first").exit_code == 0
    assert "difference +0.000" in call(app, "evaluate", "first", "--versus", "second").stdout


def test_the_model_that_answers_knows_among_how_many_it_was_chosen(runs: Path) -> None:
    alone = Application(TASK).load_run(runs / "first").chosen_among  # a copy is no further model
    record = read_json(runs / "second" / "model.json")
    assert alone == record["rejection"]["choices"]
    write_json(runs / "second" / "model.json", record | {"weights_hash": "another training"})
    assert Application(TASK).load_run(runs / "first").chosen_among == 2 * alone
