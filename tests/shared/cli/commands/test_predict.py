"""The command `predict`."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from itertools import product
from pathlib import Path

import pytest

from handwriting.cli import app
from shared.io.atomic import read_json
from tests.shared.cli.calling import call, is_one_line

KEYS = {"input", "status", "reason", "label", "probabilities", "threshold", "certified_sensitivity", "slices"}


def test_predict_writes_one_json_object_a_line(tiny_run: Path, characters: Path) -> None:
    result = call(
        app, "predict", characters / "digit_0", characters / "digit_1" / "001.png", "--model", tiny_run, "--json"
    )
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
    result = call(app, "predict", "broken.png", sound, "--model", tiny_run, "--json")
    assert result.exit_code == 3
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert (first["input"], first["status"], second["status"]) == ("broken.png", "refused", "assessed")
    assert set(first) == set(second) >= KEYS
    assert first["reason"]
    assert first["label"] is None
    in_words_too = call(app, "predict", "broken.png", sound, "--model", tiny_run)
    assert in_words_too.exit_code == 3
    model, fit_for, trained, threshold, answer, *_ = in_words_too.stdout.splitlines()
    assert model == f"model: {tiny_run}"
    assert fit_for == f"fit for: {first['verdict']}"
    assert trained.startswith("trained 20")
    assert threshold.startswith("accepted from a probability of ")
    assert answer.startswith("broken.png: refused: ")


def test_predict_out_writes_what_json_prints(tiny_run: Path, characters: Path) -> None:
    words = ("predict", characters / "digit_1", "--model", tiny_run)
    printed, written = call(app, *words, "--json"), call(app, *words, "--out", "answers/today")
    assert printed.exit_code == written.exit_code == 0
    assert Path("answers/today/predictions.jsonl").read_text(encoding="utf-8") == printed.stdout
    assert "{" not in written.stdout


def test_a_path_that_does_not_exist_is_said_before_anything_is_judged(tiny_run: Path, characters: Path) -> None:
    result = call(app, "predict", characters / "digit_0", "nowhere.png", "--model", tiny_run)
    assert result.exit_code == 2
    assert is_one_line(result, "nowhere.png does not exist")
    assert not result.stdout


def test_a_damaged_run_is_said_in_one_line(tiny_run: Path, characters: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(tiny_run, tmp_path / "broken")
    with (broken / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    result = call(app, "predict", characters / "digit_0" / "000.png", "--model", broken)
    assert result.exit_code == 1
    assert is_one_line(result, "model.onnx is missing or was changed after training")


def test_verbose_says_more_on_standard_error_only(tiny_run: Path, characters: Path) -> None:
    words = ("predict", characters / "digit_0" / "000.png", "--model", tiny_run, "--json")
    assert call(app, "--verbose", *words).stdout == call(app, *words).stdout


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file takes a byte; folders can still be made."""

    def write(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("options", [(), ("--explain",)])
def test_a_full_disk_takes_no_answer_away(tiny_run: Path, characters: Path, options: tuple[str, ...]) -> None:
    pictures = sorted((characters / "digit_1").iterdir())[:2]
    words = ("predict", *pictures, "--model", tiny_run, "--out", "out", *options)
    told, printed = call(app, *words), call(app, *words, "--json")
    for result in (told, printed):
        assert result.exit_code == 1
        last = result.stderr.splitlines()[-1]  # progress may stand above it
        assert re.fullmatch(r"error: out/.+: No space left on device; free space there, or choose another place", last)
    assert [json.loads(line)["input"] for line in printed.stdout.splitlines()] == [str(one) for one in pictures]
    assert [line.partition(": ")[0] for line in told.stdout.splitlines() if line.startswith(str(characters))] == [
        str(one) for one in pictures
    ]
    assert list(Path("out").iterdir()) == []


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_takes_no_page_away(tiny_run: Path, characters: Path) -> None:
    page = characters / "digit_1" / "001.png"
    result = call(app, "predict", "--page", page, "--model", tiny_run, "--out", "out", "--json")
    assert result.exit_code == 1
    assert result.stdout, result.stderr
    (answer,) = (json.loads(line) for line in result.stdout.splitlines())
    assert answer["input"] == str(page)
    assert is_one_line(result, "No space left")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *product(("predict", "explain", "report", "evaluate"), ("model.onnx", "model.json", "features.npz", "done")),
        ("explain", "model.safetensors"),  # the others do not read it
    ],
)
def test_a_copy_of_a_run_that_was_cut_off_is_said_in_one_line(
    tiny_run: Path, characters: Path, command: str, name: str
) -> None:
    shutil.copytree(tiny_run, "copy")
    os.truncate(Path("copy") / name, 10)
    words = ("copy",) if command in ("report", "evaluate") else (characters / "digit_0/000.png", "--model", "copy")
    result = call(app, command, *words)
    assert result.exit_code == 1
    assert is_one_line(result, f"copy/{name} ")
    assert "copy it again" in result.stderr


def test_provider_that_is_not_installed_is_said_in_one_line_before_anything_is_read(
    tiny_run: Path, characters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    for page in ((), ("--page",)):
        words = ("predict", characters / "digit_0" / "000.png", "--model", tiny_run, *page, "--provider")
        missing = call(app, *words, "cuda")
        assert missing.exit_code == 2
        assert is_one_line(missing, "install onnxruntime-gpu in place of onnxruntime")
        unknown = call(app, *words, "abacus")
        assert unknown.exit_code == 2
        assert is_one_line(unknown, "'abacus' is no provider; allowed are cpu, cuda, openvino")


def test_provider_cpu_answers_as_without_one(tiny_run: Path, characters: Path) -> None:
    words = ("predict", characters / "digit_0" / "000.png", "--model", tiny_run, "--json")
    assert call(app, *words, "--provider", "cpu").stdout == call(app, *words).stdout
