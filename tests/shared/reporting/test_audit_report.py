from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from handwriting.cli import app
from shared.io.atomic import read_json

Draw = Callable[..., Path]
SAID_OF_BOTH = "of 6 test images 1 are pixel-identical to training images, 2 are duplicates in all"


@pytest.fixture
def leaking(tmp_path: Path, draw_characters: Draw) -> Path:
    """One test image is a training file again, one such a file a little darker, and one stands in two classes."""
    data = tmp_path / "data"
    draw_characters(data / "Train", each=4, seed=1)
    draw_characters(data / "Test", each=2, seed=2)
    train = data / "Train" / "digit_0"
    shutil.copy(train / "000.png", data / "Test" / "digit_0" / "000.png")
    with Image.open(train / "001.png") as picture:
        picture.point(lambda value: value * 0.9).save(data / "Test" / "digit_0" / "001.png")
    shutil.copy(train / "002.png", data / "Train" / "digit_1" / "002.png")
    return data


def test_the_counts_are_those_of_what_was_planted(leaking: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["audit", str(leaking), "--out", str(tmp_path / "out")])
    assert result.exit_code == 3
    assert SAID_OF_BOTH in result.stdout
    tree = read_json(tmp_path / "out" / "audit.json")
    assert (tree["images"], tree["copies"], tree["copies_by_bytes"]) == (18, 3, 2)
    assert (tree["pairs_pixels"], tree["pairs_near"], tree["contradictions"]) == (2, 1, 1)
    assert tree["across_split"]["duplicates_of_training"] == 2


def test_the_worst_pair_comes_first_and_files_are_named_in_the_table_only(leaking: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["audit", str(leaking), "--out", str(tmp_path / "out")])
    rows = list(csv.DictReader((tmp_path / "out" / "pairs.csv").read_text().splitlines()))
    assert {(Path(row["first"]).name, Path(row["second"]).name) for row in rows} == {
        (name, name) for name in ("000.png", "001.png", "002.png")
    }
    assert "digit_0/00" not in result.stdout
    with Image.open(tmp_path / "out" / "pairs.png") as sheet:
        assert sheet.width > sheet.height


def test_clean_data_pass(tmp_path: Path, draw_characters: Draw) -> None:
    result = CliRunner().invoke(app, ["audit", str(draw_characters(tmp_path / "data", each=3))])
    assert result.exit_code == 0
    assert "9 distinct images; 0 copies" in result.stdout
    assert "training images" not in result.stdout


@pytest.mark.slow
@pytest.mark.data
def test_the_leaks_of_sartaj_are_found(data_dir: Path, tmp_path: Path) -> None:
    from medtl.cli import app as medtl

    result = CliRunner().invoke(medtl, ["audit", str(data_dir / "sartaj.zip"), "--out", str(tmp_path)])
    assert result.exit_code == 3
    across = read_json(tmp_path / "audit.json")["across_split"]
    assert across["pixel_identical_to_training"] == 251
    assert across["duplicates_of_training"] >= 255
