"""`explain` and `predict --explain`, as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from handwriting.cli import app
from shared.prediction.answer import CAUTION

RUNNER = CliRunner()


def _png_size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        picture.load()
        return picture.size


def test_explain_writes_pictures_maps_and_verdicts(tiny_run: Path, characters: Path, tmp_path: Path) -> None:
    scans = [str(characters / name / "001.png") for name in ("digit_0", "digit_1")]
    words = ["--model", str(tiny_run), "--method", "occlusion", "--out", str(tmp_path / "out")]
    result = RUNNER.invoke(app, ["explain", *scans, *words, "--json"])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [len(row["explanations"]) for row in rows] == [1, 1]
    for row in rows:
        (found,) = row["explanations"]
        assert found["label"] == row["label"]
        assert found["method"] == "occlusion"
        assert found["checks"]["believable"] == (not found["checks"]["faults"])
        raw = np.load(tmp_path / "out" / found["raw"], allow_pickle=False)
        assert raw.shape == (32, 32)
        assert raw.dtype == np.float32
        assert min(_png_size(tmp_path / "out" / found["picture"])) > 300
    written = (tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line) for line in written.splitlines()] == rows


def test_explain_tells_the_verdict_and_that_it_is_no_localisation(
    tiny_run: Path, characters: Path, tmp_path: Path
) -> None:
    scan = str(characters / "digit_0" / "001.png")
    base = ["explain", scan, "--model", str(tiny_run), "--out", str(tmp_path / "out")]
    checked = RUNNER.invoke(app, [*base, "--target", "ka"])
    assert checked.exit_code == 0, checked.output
    (line,) = [line for line in checked.stdout.splitlines() if "occlusion, क ka" in line]
    assert "passed its checks" in line or "not to be believed: " in line
    assert "no localisation" in checked.stdout
    unchecked = RUNNER.invoke(app, [*base, "--no-checks", "--cascade"])
    assert "unchecked; likeness where weights are random from head on " in unchecked.stdout
    (found,) = json.loads((tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8"))["explanations"]
    assert f"block1 on {found['cascade'][-1]['similarity']:.2f}; " in unchecked.stdout


def test_predict_explains_where_it_is_asked_to(tiny_run: Path, characters: Path, tmp_path: Path) -> None:
    scan = str(characters / "digit_0" / "001.png")
    words = ["predict", scan, "--model", str(tiny_run), "--explain"]
    without = RUNNER.invoke(app, words)
    assert without.exit_code == 2
    assert without.stderr == "error: --explain writes pictures; name a folder for them with --out\n"
    result = RUNNER.invoke(app, [*words, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "out").glob("*.png"))) == 1


def test_what_is_not_assessed_is_shown_with_the_reason(tiny_run: Path, tmp_path: Path) -> None:
    stripes = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (16, 16))
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    words = ["explain", str(tmp_path / "stripes.png"), "--model", str(tiny_run), "--out", str(tmp_path / "out")]
    result = RUNNER.invoke(app, [*words, "--json", "--no-checks"])
    assert result.exit_code == 4, result.output
    row = json.loads(result.stdout)
    assert (row["status"], row["decision"]) == ("not assessed", None)
    (found,) = row["explanations"]
    assert (found["status"], found["label"]) == ("not assessed", row["label"])
    assert found["probability"] == row["probabilities"][row["label"]]
    assert found["caution"] == row["caution"] == CAUTION
    assert len(list((tmp_path / "out").glob("*.png"))) == 1
    told = RUNNER.invoke(app, [*words, "--no-checks"]).stdout
    assert "raw, not to be relied on: not assessed; shows what the network looks at, not a finding; " in told


def test_what_was_refused_is_not_explained(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "not.png").write_bytes(b"no picture")
    words = ["explain", str(tmp_path / "not.png"), "--model", str(tiny_run), "--out", str(tmp_path / "out")]
    result = RUNNER.invoke(app, [*words, "--json"])
    assert result.exit_code == 3
    assert json.loads(result.stdout)["explanations"] == []
    assert not list((tmp_path / "out").glob("*.png"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--method", "lime"],
            "--method: unknown name 'lime'; allowed are integrated-gradients, gradient-shap",
        ),
        (["--target", "cat"], "no class 'cat' in this run; it has ka, digit_0, digit_1"),
    ],
)
def test_a_wrong_word_is_said_before_anything_is_written(
    tiny_run: Path, characters: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    scan = str(characters / "digit_0" / "001.png")
    out = tmp_path / "out"
    result = RUNNER.invoke(app, ["explain", scan, "--model", str(tiny_run), "--out", str(out), *words])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {said}")
    assert not out.exists()


def test_pages_are_not_explained(tiny_run: Path, characters: Path, tmp_path: Path) -> None:
    scan = str(characters / "digit_0" / "001.png")
    words = ["predict", scan, "--model", str(tiny_run), "--page", "--explain", "--out", str(tmp_path / "out")]
    result = RUNNER.invoke(app, words)
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr
