"""The command `add-class` of both applications."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from click.testing import Result
from PIL import Image

from handwriting.cli import app as characters_app
from medtl.cli import app as tumours_app
from medtl.task import TASK
from shared.prediction.predictor import Predictor
from shared.runs.record import read_model_record
from tests.shared.cli.calling import call, is_wrong_usage
from tests.shared.cli.heads import draw_heads


def test_a_character_is_added_and_its_run_serves_as_any_other(
    tiny_run: Path, characters: Path, draw_characters, tmp_path: Path
) -> None:
    names = ("character_1_ka", "digit_0", "digit_1", "digit_7")
    data = draw_characters(tmp_path / "data", each=24, seed=5, names=names)
    for path in (data / "digit_7").iterdir():  # no stroke but a filled square
        random, at = np.random.default_rng(int(path.stem)), int(path.stem) % 5
        pixels = random.integers(0, 20, (32, 32))
        pixels[6 + at : 20 + at, 8 : 20 + at] = random.integers(180, 256, (14, 12 + at))
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    examples, rest = sorted((data / "digit_7").iterdir())[:6], sorted((data / "digit_7").iterdir())[6:]
    before = {path.name: path.read_bytes() for path in tiny_run.iterdir() if path.is_file()}
    added = call(characters_app, "add-class", "७", *examples, "--model", tiny_run, "--out", "more")
    assert added.exit_code == 0, added.output
    assert "Nothing is certified" in added.stdout
    assert "told by the features of the run: convnet_small, pretrained on nothing" in added.stdout
    assert {path.name: path.read_bytes() for path in tiny_run.iterdir() if path.is_file()} == before
    assert Path("more/paths.json").stat().st_mode & 0o777 == 0o600
    record = read_model_record(Path("more"))
    assert record.classes == ("ka", "digit_0", "digit_1", "digit_7")
    assert record.certified_error is None

    judged = call(characters_app, "predict", *rest, "--model", "more", "--json")
    labels = [json.loads(line)["label"] for line in judged.stdout.splitlines()]
    assert np.mean([label == "digit_7" for label in labels]) > 0.8
    kept = call(characters_app, "evaluate", "more", data)
    assert kept.exit_code == 0, kept.output
    # the 6 examples, and 2 squares that differ from one of them by noise alone
    assert re.search(r"^8 of 96 images are copies of images in training", kept.stdout, re.MULTILINE), kept.stdout
    told = call(characters_app, "report", "more")
    assert told.exit_code == 0
    assert "was added from 6 example(s)" in told.stdout
    assert "७" in Path("more/report.html").read_text(encoding="utf-8")
    assert Path("more/model_card.md").is_file()
    own = call(characters_app, "evaluate", "more")
    assert own.exit_code == 0
    assert "The run's own test was not evaluated again" in own.stdout
    compared = call(characters_app, "evaluate", "more", "--versus", tiny_run)
    assert compared.exit_code == 1
    assert "has no predictions of a test" in compared.stderr
    explained = call(characters_app, "explain", rest[0], "--model", "more", "--no-checks", "--out", "maps")
    assert explained.exit_code in (0, 4), explained.output
    assert list(Path("maps").glob("*.png"))


def test_what_add_class_cannot_do_is_wrong_usage(tiny_run: Path, characters: Path) -> None:
    image = characters / "digit_0" / "000.png"

    def said(name: str, path: Path, out: str) -> Result:
        return call(characters_app, "add-class", name, path, "--model", tiny_run, "--out", out)

    assert is_wrong_usage(said("क", image, "new"), "knows the class ka already")
    assert is_wrong_usage(said(" ", image, "new"), "empty name")
    Path("there").mkdir()
    assert is_wrong_usage(said("kha", image, "there"), "there exists")
    Path("broken.png").write_bytes(b"no picture")
    assert is_wrong_usage(said("kha", Path("broken.png"), "new"), "give examples that can be judged")
    assert not Path("new").exists()
    other = call(tumours_app, "add-class", "glioma", image, "--model", tiny_run, "--out", "new")
    assert other.exit_code == 2
    assert "is a run of handwriting" in other.stderr


def test_an_unknown_finding_that_is_added_counts_as_tumour_and_that_is_said(
    screening_run: Path, tmp_path: Path
) -> None:
    data = draw_heads(tmp_path / "more", {"craniopharyngioma": (25, 16, 5)}, each=12, seed=3)
    examples = sorted((data / "craniopharyngioma").iterdir())
    words = ("--model", screening_run, "--out", "new")
    added = call(tumours_app, "add-class", "Craniopharyngioma", *examples[:5], *words)
    assert added.exit_code == 0, added.output
    assert "Whether craniopharyngioma is tumour is not known; it counts as tumour." in added.output
    assert "Research use only" in call(tumours_app, "report", "new").stdout
    record = read_model_record(Path("new"))
    assert record.classes[-1] == "craniopharyngioma"
    assert record.positive == (False, True, True, True)
    assert record.certified_sensitivity is None
    assert record.operating_point is not None
    assert "a class was added" in record.operating_point["statement"]
    known = call(tumours_app, "add-class", "Pituitary Adenoma", examples[0], "--model", screening_run, "--out", "again")
    assert is_wrong_usage(known, "knows the class pituitary already")
    answers = [Predictor(Path("new"), "medtl", TASK.preprocess).assess(item) for item in TASK.read_inputs(examples[5:])]
    assert np.mean([answer.label == "craniopharyngioma" for answer in answers]) > 0.5
