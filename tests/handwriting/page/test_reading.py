"""`predict --page`, from a picture of a page to its text."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from handwriting.cli import app
from handwriting.labels import CHARACTERS
from handwriting.page.reading import UNREAD, Reading, _unread_lines, as_text, read_item
from shared.runs.provenance import Provenance
from shared.task import Item
from tests.handwriting.page.test_signs import line

RUNNER = CliRunner()


def _reading(number: int, line: int, word: int, label: str, decision: str = "accepted") -> Reading:
    return Reading(number, line, word, (0, 0, 9, 9), label, CHARACTERS[label].symbol, 0.9, decision, 0.1)


def _page(characters: Path, to: Path) -> Path:
    """Two lines of two and one characters of the tiny dataset, dark on white."""
    page = np.full((220, 320), 255, np.uint8)
    for row, column, name in ((30, 40, "digit_0"), (30, 160, "digit_1"), (130, 40, "digit_1")):
        with Image.open(next(iter(sorted((characters / name).glob("*.png"))))) as image:
            glyph = np.asarray(image.convert("L").resize((60, 60)))
        page[row : row + 60, column : column + 60] = 255 - glyph
    Image.fromarray(page).save(to)
    return to


def _predict(*words: str | Path) -> Result:
    return RUNNER.invoke(app, ["predict", "--page", *[str(word) for word in words]])


def test_text_has_the_lines_and_words_of_the_page() -> None:
    readings = [
        _reading(1, 1, 1, "ka"),
        _reading(2, 1, 1, "kha", "rejected"),
        _reading(3, 1, 2, "digit_1"),
        _reading(4, 2, 1, "ga"),
        _reading(5, 2, 1, "gha", "not assessed"),
    ]
    assert as_text(readings) == f"क{UNREAD} १\nग{UNREAD}"


def test_a_page_is_read_in_order(tiny_run: Path, characters: Path, tmp_path: Path) -> None:
    page, out = _page(characters, tmp_path / "page.png"), tmp_path / "out"
    told = _predict(page, "--model", tiny_run, "--out", out)
    assert told.exit_code == 0, told.output
    tree = json.loads((out / "predictions.jsonl").read_text(encoding="utf-8"))
    assert [(one["line"], one["label"]) for one in tree["characters"]] == [
        (1, "digit_0"),
        (1, "digit_1"),
        (2, "digit_1"),
    ]
    assert f"{page}: 3 characters" in told.stdout
    with Image.open(out / "page-1.png") as drawing:
        assert min(drawing.size) > 100
    as_json = _predict(page, "--model", tiny_run, "--json")
    assert json.loads(as_json.stdout) == tree


def test_what_is_unlike_the_training_images_is_not_read(
    tiny_run: Path, characters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = np.array([0.0, 2.0, 0.0])
    monkeypatch.setattr("shared.evaluation.decision.ood.Reference.scores", lambda _, features: scores[: len(features)])
    page = _page(characters, tmp_path / "page.png")
    told = _predict(page, "--model", tiny_run, "--json")
    tree = json.loads(told.stdout)
    assert (told.exit_code, tree["status"], tree["not_assessed"]) == (4, "partly assessed", 1)
    assert tree["caution"].endswith("a human must look")
    assert [one["decision"] == "not assessed" for one in tree["characters"]] == [False, True, False]
    assert tree["characters"][1]["ood_score"] == 2.0
    (first, *others) = tree["characters"][1]["guesses"]
    assert (first["label"], first["probability"]) == ("digit_1", tree["characters"][1]["probability"])
    assert len(others) == 2
    words = _predict(page, "--model", tiny_run).stdout
    assert "1 not assessed" in words
    assert "not assessed, a human must look; number in reading order and raw guesses, not to be relied on:" in words
    assert f"  2: ? {first['symbol']} {first['probability']:.2f}, {others[0]['symbol']} " in words
    scores[:] = 2.0
    told = _predict(page, "--model", tiny_run, "--json")
    assert (told.exit_code, json.loads(told.stdout)["status"]) == (4, "not assessed")


def test_a_page_that_was_read_in_full_says_so(tiny_run: Path, characters: Path, tmp_path: Path) -> None:
    tree = json.loads(_predict(_page(characters, tmp_path / "page.png"), "--model", tiny_run, "--json").stdout)
    assert (tree["status"], tree["not_assessed"], tree["caution"]) == ("assessed", 0, None)


def test_a_page_of_many_unread_characters_lists_the_first() -> None:
    unread = [{"number": number, "decision": "not assessed", "guesses": []} for number in range(1, 31)]
    lines = _unread_lines(unread)
    assert len(lines) == 22
    assert lines[-1] == "  and 10 more, which --json lists"
    assert _unread_lines([{"decision": "rejected"}]) == []


def test_a_file_name_that_is_no_utf_8_is_told_and_written(tiny_run: Path, characters: Path, tmp_path: Path) -> None:
    page, out = _page(characters, tmp_path / "page-\udcff.png"), tmp_path / "out"
    told = _predict(page, "--model", tiny_run, "--out", out)
    assert told.exit_code == 0, told.output
    assert "page-\\udcff.png: 3 characters" in told.stdout
    written = (out / "predictions.jsonl").read_text(encoding="utf-8")
    assert json.loads(written)["input"].endswith("page-\udcff.png")


def test_what_is_no_page_is_refused_in_a_line(tiny_run: Path, tmp_path: Path) -> None:
    Image.new("L", (200, 200), 255).save(tmp_path / "blank.png")
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    for name in ("blank.png", "damaged.png"):
        result = _predict(tmp_path / name, "--model", tiny_run)
        assert result.exit_code == 3, result.output
        assert f"{name}: refused: " in result.stdout


@pytest.mark.parametrize("page", [False, True])
def test_a_path_that_does_not_exist_is_wrong_usage(tiny_run: Path, page: bool) -> None:
    result = RUNNER.invoke(app, ["predict", "nowhere.png", "--model", str(tiny_run), *["--page"] * page])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: nowhere.png")


def test_reading_needs_no_torch() -> None:
    code = "import sys, handwriting.page.reading; print([m for m in ('torch', 'albumentations') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Sure:
    """A run that accepts every character as one class."""

    def __init__(self, label: str, *, synthetic: bool = False) -> None:
        self.label, self.record = label, SimpleNamespace(ood={"threshold": 1.0}, synthetic=synthetic)
        self.verdict = "a verdict"
        self.name = "sure"
        self.provenance = Provenance("sure", "2026-01-01T00:00:00+00:00", (), (), "", (label,), False)

    def each(self, crops: list[np.ndarray]) -> list[SimpleNamespace]:
        """The same answer for each crop."""
        one = SimpleNamespace(label=self.label, probabilities={self.label: 0.99}, decision="accepted", ood_score=0.1)
        return [one] * len(crops)


def test_a_letter_with_a_sign_is_not_accepted_bare_however_sure_the_run_is() -> None:
    item = Item("page.png", slices=(line({1: "above", 4: "below"}),))
    tree, _ = read_item(item, Sure("ka"))  # type: ignore[arg-type]
    assert tree["text"] == f"क{UNREAD}कक{UNREAD}क"
    assert [one["has_sign"] for one in tree["characters"]] == [False, True, False, False, True, False]
    assert tree["notes"] == [
        "2 characters have more ink than a letter, as vowel signs: signs are not read, nor the letters alone"
    ]
    tree, _ = read_item(item, Sure("digit_1"))  # type: ignore[arg-type]
    assert (tree["text"], tree["notes"]) == ("१" * 6, [])


def test_a_page_that_may_be_turned_is_told() -> None:
    upside_down = np.ascontiguousarray(np.rot90(line({}), 2))
    tree, _ = read_item(Item("page.png", slices=(upside_down,)), Sure("ka"))  # type: ignore[arg-type]
    assert len(tree["notes"]) == 1
    assert tree["notes"][0].startswith("the page may be upside down")


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_run_of_fonts_decides_on_no_page_that_is_not_known_to_be_synthetic(synthetic: bool) -> None:
    item = Item("page.png", slices=(line({}),), synthetic=synthetic)
    tree, _ = read_item(item, Sure("ka", synthetic=True))  # type: ignore[arg-type]
    assert (tree["status"], tree["text"]) == (("assessed", "क" * 6) if synthetic else ("not assessed", UNREAD * 6))
    assert {one["symbol"] for one in tree["characters"]} == {"क"}  # the guess is told all the same
    assert ("not known to be synthetic" in " ".join(tree["notes"])) is not synthetic
    assert tree["verdict"] == "a verdict"
