"""The commands that both applications have, called as a person calls them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from handwriting.cli import app
from handwriting.task import TASK as CHARACTERS
from medtl.task import TASK
from shared.io.atomic import read_json
from shared.prediction.answer import Answer, SliceAnswer
from shared.prediction.text import in_words
from shared.runs.folder import is_finished, locked

RUNNER = CliRunner()
KEYS = {"input", "status", "reason", "label", "probabilities", "threshold", "certified_sensitivity", "slices"}


def _call(*words: str | Path) -> Result:
    return RUNNER.invoke(app, [str(word) for word in words])


def _is_one_line(result: Result, said: str) -> bool:
    """One line on standard error that begins with `error:`, and no traceback anywhere."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    return (
        len(lines) == 1
        and lines[0].startswith("error: ")
        and said in lines[0]
        and "Traceback" not in result.output
        and isinstance(result.exception, SystemExit)
    )


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands look for runs below the working directory."""
    monkeypatch.chdir(tmp_path)


def test_train_makes_a_run_and_predict_finds_it(tiny_words: tuple[str, ...], characters: Path) -> None:
    trained = _call("train", *tiny_words)
    assert trained.exit_code == 0, trained.output
    (run,) = Path("runs").iterdir()
    assert is_finished(run)
    summary = read_json(run / "report.json")["summary"]
    assert trained.stdout.splitlines() == [*summary, f"report: {run / 'report.html'}"]
    judged = _call("predict", characters / "digit_0" / "000.png")
    assert judged.exit_code == 0, judged.output
    lines = judged.stdout.splitlines()
    assert lines[0] == f"model: {run} (the newest; another by --model)"
    assert re.fullmatch(r"accepted from a probability of 0\.\d{4}: \d+ of \d+ images of validation .*", lines[1])
    assert re.fullmatch(r".*000\.png: (rejected, likeliest class )?[क०१] (ka|0|1) \([01]\.\d{3}\)", lines[2])
    assert re.fullmatch(r"  likeliest: ([क०१] (ka|0|1) [01]\.\d{3}(, |$)){3}", lines[3])
    assert lines[-1].startswith("Isolated handwritten characters only")


def test_train_takes_a_file_and_words_over_it(tiny_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copy(tiny_run / "config.yaml", tmp_path / "tiny.yaml")
    again = _call("train", "tiny.yaml", "--out", tiny_run)
    assert again.exit_code == 0, again.output
    assert f"report: {tiny_run / 'report.html'}" in again.stdout
    assert "finished already" in caplog.text
    other = _call("train", "tiny.yaml", "seed=1", "--out", tiny_run)
    assert other.exit_code == 2
    assert _is_one_line(other, "another configuration")


def test_evaluate_compares_two_runs(tiny_run: Path, characters: Path, tmp_path: Path) -> None:
    result = _call("evaluate", tiny_run, "--versus", tiny_run, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "difference +0.000" in result.stdout
    assert read_json(tmp_path / "out" / "evaluation.json")["versus"]["n"] > 0
    both = _call("evaluate", tiny_run, characters, "--versus", tiny_run)
    assert both.exit_code == 2
    assert _is_one_line(both, "--versus")


def test_predict_writes_one_json_object_a_line(tiny_run: Path, characters: Path) -> None:
    result = _call("predict", characters / "digit_0", characters / "digit_1" / "001.png", "--model", tiny_run, "--json")
    assert result.exit_code == 0, result.output
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(answers) == 17
    classes = set(read_json(tiny_run / "model.json")["classes"])
    for answer in answers:
        assert set(answer) >= KEYS
        assert answer["status"] == "assessed"
        assert set(answer["probabilities"]) == classes
        assert answer["label"] in classes
        assert len(answer["slices"]) == 1
    assert answers[-1]["input"] == str(characters / "digit_1" / "001.png")


def test_predict_exits_3_when_one_is_refused_and_judges_the_rest(
    tiny_run: Path, characters: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    sound = characters / "digit_0" / "000.png"
    result = _call("predict", "broken.png", sound, "--model", tiny_run, "--json")
    assert result.exit_code == 3
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert (first["input"], first["status"], second["status"]) == ("broken.png", "refused", "assessed")
    assert set(first) == set(second) >= KEYS
    assert first["reason"]
    assert first["label"] is None
    in_words_too = _call("predict", "broken.png", sound, "--model", tiny_run)
    assert in_words_too.exit_code == 3
    model, threshold, answer, *_ = in_words_too.stdout.splitlines()
    assert model == f"model: {tiny_run}"
    assert threshold.startswith("accepted from a probability of ")
    assert answer.startswith("broken.png: refused: ")


def _slice(number: int, value: float) -> SliceAnswer:
    probabilities = {"no_tumour": 1 - value, "tumour": value}
    label = max(probabilities, key=probabilities.__getitem__)
    return SliceAnswer(number, label, probabilities, value, "positive" if value >= 0.25 else "negative", 0.05)


def test_a_series_is_told_by_decision_probability_and_slice() -> None:
    answer = Answer(
        "series",
        "run",
        "assessed",
        label="no_tumour",
        decision="positive",
        probabilities={"no_tumour": 0.7, "tumour": 0.3},
        positive_probability=0.3,
        threshold=0.25,
        certified_sensitivity=0.2236,
        ood_score=0.04,
        ood_threshold=0.1,
        slices=tuple(_slice(i, value) for i, value in enumerate((0.1, 0.3, 0.2, 0.1, 0.8), start=1)),
        notes=("a gap",),
    )
    lines = in_words(answer, TASK).splitlines()
    assert lines[0] == "series: positive, likeliest class no_tumour (0.700)"
    assert lines[1].endswith("0.300, positive from 0.250; sensitivity certified at this threshold: 0.22")
    assert lines[2] == "  by slice: number, tumour probability (+ where positive), likeliest class"
    assert "2 0.30+ no_tumour" in lines[3]
    assert "3 0.20  no_tumour" in lines[3]
    assert lines[4].strip() == "5 0.80+ tumour"
    assert lines[5] == "  out-of-distribution score 0.040; up to 0.100 is assessed"
    assert lines[6] == "  note: a gap"


@pytest.mark.parametrize(
    ("decision", "said"), [("accepted", "क ka (0.600)"), ("rejected", "rejected, likeliest class क ka (0.600)")]
)
def test_a_character_is_told_in_its_script_with_the_likeliest_classes(decision: str, said: str) -> None:
    shares = {"kha": 0.25, "ka": 0.6, "digit_0": 0.1, "strange": 0.04, "ga": 0.01, "gha": 0.0}
    answer = Answer(
        "a.png",
        "run",
        "assessed",
        label="ka",
        decision=decision,
        probabilities=shares,
        threshold=0.7,
        ood_score=0.2,
        ood_threshold=0.25,
    )
    assert in_words(answer, CHARACTERS).splitlines() == [
        f"a.png: {said}",
        "  likeliest: क ka 0.600, ख kha 0.250, ० 0 0.100, strange 0.040, ग ga 0.010",
        "  out-of-distribution score 0.200; up to 0.250 is assessed",
    ]


def test_predict_out_writes_what_json_prints(tiny_run: Path, characters: Path) -> None:
    words = ("predict", characters / "digit_1", "--model", tiny_run)
    printed, written = _call(*words, "--json"), _call(*words, "--out", "answers/today")
    assert printed.exit_code == written.exit_code == 0
    assert Path("answers/today/predictions.jsonl").read_text(encoding="utf-8") == printed.stdout
    assert "{" not in written.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("train", "seed=x"), 2, "seed: "),
        (("train", "data={folds: 3, left_out: x}"), 2, "data: folds and left_out both choose the test"),
        (("train", "sede=1"), 2, "sede: unknown key 'sede'; did you mean seed?"),
        (("train", "nowhere.yaml"), 2, "nowhere.yaml: cannot be read"),
        (("train", "data.source=nowhere"), 2, "nowhere does not exist"),
        (("train", "data.source=.", "strategy.name=finetuna"), 2, "did you mean finetune"),
        (("train", "data.source=.", "data.options.margin=9"), 2, "margin is 9"),
        (("train", "data.source=."), 1, "no layout that is known"),
        (("predict", "a.png"), 2, "no finished handwriting run"),
        (("predict", "a.png", "--model", "nowhere"), 2, "nowhere is not a run folder"),
        (("predict", "a.png", "--model", "."), 2, ". is not a run folder"),
    ],
)
def test_a_fault_is_one_line_and_a_code(words: tuple[str, ...], code: int, said: str) -> None:
    result = _call(*words)
    assert result.exit_code == code, result.output
    assert _is_one_line(result, said), result.output


@pytest.mark.parametrize(
    "words", [("predict",), ("predict", "a.png", "--jsno"), ("train", "--seed", "1"), ("tarin",), ()]
)
def test_wrong_usage_exits_2(words: tuple[str, ...]) -> None:
    result = _call(*words)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_path_that_does_not_exist_is_said_before_anything_is_judged(tiny_run: Path, characters: Path) -> None:
    result = _call("predict", characters / "digit_0", "nowhere.png", "--model", tiny_run)
    assert result.exit_code == 2
    assert _is_one_line(result, "nowhere.png does not exist")
    assert not result.stdout


def test_a_damaged_run_is_said_in_one_line(tiny_run: Path, characters: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(tiny_run, tmp_path / "broken")
    with (broken / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    result = _call("predict", characters / "digit_0" / "000.png", "--model", broken)
    assert result.exit_code == 1
    assert _is_one_line(result, "model.onnx is missing or was changed after training")


def test_a_run_folder_in_use_is_said_in_one_line(tiny_words: tuple[str, ...], tmp_path: Path) -> None:
    with locked(tmp_path / "run"):
        result = _call("train", *tiny_words, "--out", "run")
    assert result.exit_code == 1
    assert _is_one_line(result, "trained by another process")


@pytest.mark.parametrize("command", ["train", "predict"])
def test_a_place_that_cannot_be_written_is_said_in_one_line(
    command: str, tiny_words: tuple[str, ...], tiny_run: Path, characters: Path
) -> None:
    Path("file").write_text("in the way")
    words = tiny_words if command == "train" else (characters / "digit_0" / "000.png", "--model", tiny_run)
    result = _call(command, *words, "--out", "file")
    assert result.exit_code == 2
    assert _is_one_line(result, "file")


def test_an_interrupt_is_said_and_exits_130(
    tiny_words: tuple[str, ...], characters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shared.data.partition.audit", interrupt)
    result = _call("train", *tiny_words)
    assert result.exit_code == 130
    assert "the same command resumes it" in result.stderr


def test_leaks_are_refused_unless_told_what_to_do_with_them(
    tiny_words: tuple[str, ...], tmp_path: Path, draw_characters: Callable[..., Path]
) -> None:
    draw_characters(tmp_path / "data" / "Train", each=12, seed=1)
    draw_characters(tmp_path / "data" / "Test", each=5, seed=2)
    shutil.copy(tmp_path / "data/Train/digit_0/000.png", tmp_path / "data/Test/digit_0/000.png")
    words = (*tiny_words, f"data.source={tmp_path / 'data'}")
    refused = _call("train", *words, "--out", tmp_path / "a")
    assert refused.exit_code == 1
    assert refused.stderr.splitlines()[-1].startswith("error: 1 of 15 test images are duplicates")
    assert _call("train", *words, "--drop-leaks", "--allow-leaks").exit_code == 2
    for flag, tested in (("--drop-leaks", 14), ("--allow-leaks", 15)):
        assert _call("train", *words, flag, "--out", tmp_path / flag).exit_code == 0
        assert read_json(tmp_path / flag / "report.json")["test"]["n"] == tested


def test_evaluate_and_report_print_the_results_of_a_run(tiny_run: Path, tmp_path: Path) -> None:
    report = _call("report", tiny_run)
    assert report.exit_code == 0
    assert f"report: {tiny_run / 'report.html'}" in report.stdout
    own = _call("evaluate", tiny_run, "--out", tmp_path)
    assert own.exit_code == 0
    assert set(report.stdout.splitlines()[:-1]) <= set(own.stdout.splitlines())
    assert read_json(tmp_path / "evaluation.json") == read_json(tiny_run / "report.json")
    assert _is_one_line(_call("evaluate", tmp_path), "is not a run folder")


def test_evaluate_on_other_data_says_what_was_left_out(
    tiny_run: Path, tmp_path: Path, draw_characters: Callable[..., Path]
) -> None:
    result = _call("evaluate", tiny_run, draw_characters(tmp_path / "data", each=4, seed=9))
    assert result.exit_code == 0
    assert "0 of 12 images stood in training" in result.stdout
    assert result.stdout.splitlines()[0].startswith("Isolated handwritten characters only")
    refused = _call("evaluate", tiny_run, "--prevalence", "0.1")
    assert refused.exit_code == 2
    assert _is_one_line(refused, "need DATA")


def test_options_lists_every_key_that_a_resolved_configuration_has(tiny_run: Path) -> None:
    result = _call("options")
    assert result.exit_code == 0
    listed = {line.split(" = ")[0] for line in result.stdout.splitlines() if " = " in line}

    def keys(tree: dict, prefix: str = "") -> set[str]:
        found = set()
        for name, value in tree.items():
            deeper = isinstance(value, dict) and name not in ("options", "strategy")
            found |= keys(value, f"{prefix}{name}.") if deeper else {f"{prefix}{name}"}
        return found

    resolved = keys(yaml.safe_load((tiny_run / "config.yaml").read_text())) - {"strategy"}
    assert resolved <= listed
    assert {"strategy.phases[].lr_backbone", "strategy.head", "strategy.selection"} <= listed
    assert "margin" in result.stdout


@pytest.mark.parametrize(("command", "said"), [("train", "A YAML file"), ("predict", "A character image")])
def test_help_says_what_the_arguments_are(command: str, said: str) -> None:
    assert said in _call(command, "--help").stdout


def test_backbones_are_listed_with_stages_and_licence() -> None:
    result = _call("backbones")
    assert result.exit_code == 0
    assert "convnet_small: 1 channel(s), 32 px, Apache-2.0" in result.stdout
    assert "stages block1 block2 block3 block4; default code block4" in result.stdout


def test_verbose_says_more_on_standard_error_only(tiny_run: Path, characters: Path) -> None:
    words = ("predict", characters / "digit_0" / "000.png", "--model", tiny_run, "--json")
    assert _call("--verbose", *words).stdout == _call(*words).stdout


@pytest.mark.parametrize("task", ["handwriting", "medtl"])
def test_help_loads_nothing_heavy(task: str) -> None:
    code = (
        f"import sys\nfrom typer.testing import CliRunner\nfrom {task}.cli import app\n"
        "assert CliRunner().invoke(app, ['train', '--help']).exit_code == 0\n"
        "print(sorted({'torch', 'monai', 'numpy', 'onnxruntime', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
