"""The synthetic characters on disk: layout, split by family, determinism, and that they are told as synthetic."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from handwriting.datasets import load, read
from handwriting.glyphs import dataset as glyph_dataset
from handwriting.glyphs.dataset import COLUMNS, LABELS, write_glyphs
from handwriting.glyphs.fonts import Font
from handwriting.inputs import read_inputs
from handwriting.task import TASK
from shared.errors import DataError, UsageError

FEW = ("ka", "chhya", "digit_4", "vowel_11")


def _write(out: Path, fonts: tuple[Font, ...], seed: int = 0) -> Path:
    return write_glyphs(out, labels=FEW, each=len(fonts) + 1, seed=seed)


@pytest.fixture(scope="module")
def glyphs(fonts: tuple[Font, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("glyphs") / "data", fonts)


@pytest.fixture(scope="module")
def rows(glyphs: Path) -> list[dict[str, str]]:
    with (glyphs / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_table_names_every_file_and_no_other(
    glyphs: Path, rows: list[dict[str, str]], fonts: tuple[Font, ...]
) -> None:
    assert {row["path"] for row in rows} | {"manifest.csv", "glyphs.json"} == set(_digests(glyphs))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(FEW) * (len(fonts) + 1)


def test_no_family_of_fonts_stands_in_two_splits(rows: list[dict[str, str]], fonts: tuple[Font, ...]) -> None:
    splits = defaultdict(set)
    for row in rows:
        splits[row["group"]].add(row["split"])
    assert set(splits) == {font.family for font in fonts}
    assert all(len(of_family) == 1 for of_family in splits.values())
    for split in ("train", "validation", "test"):
        assert {row["label"] for row in rows if row["split"] == split} == set(FEW)


def test_the_loader_tells_them_as_synthetic(glyphs: Path, fonts: tuple[Font, ...]) -> None:
    dataset = load(glyphs, {})
    assert dataset.synthetic
    assert f"synthetic, made from {len(fonts)} printed fonts" in "".join(dataset.notes)
    assert dataset.classes == FEW
    assert len({sample.group for sample in dataset.samples}) == len({font.family for font in fonts})
    assert all(item.synthetic for item in read_inputs([glyphs / "ka"]))
    pixels = [read(sample) for sample in dataset.samples]
    assert {picture.shape for picture in pixels} == {(32, 32)}
    assert len({picture.tobytes() for picture in pixels}) == len(pixels)
    for picture in pixels:  # light ink on black
        assert picture.max() > 100
        assert np.median(np.concatenate([picture[0], picture[-1]])) < 20


def test_the_mark_tells_how_they_were_made(glyphs: Path, fonts: tuple[Font, ...]) -> None:
    mark = json.loads((glyphs / "glyphs.json").read_text(encoding="utf-8"))
    assert mark["synthetic"] is True
    assert (mark["version"], mark["seed"], mark["fonts"]) == (glyph_dataset.VERSION, 0, len(fonts))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    glyphs: Path, fonts: tuple[Font, ...], tmp_path: Path
) -> None:
    assert _digests(_write(tmp_path / "again", fonts)) == _digests(glyphs)
    other = _write(tmp_path / "other", fonts, seed=1)
    assert (other / "ka" / "000.png").read_bytes() != (glyphs / "ka" / "000.png").read_bytes()


def test_fonts_of_too_few_families_are_refused(fonts: tuple[Font, ...], tmp_path: Path) -> None:
    first = fonts[0]
    (tmp_path / "fonts").mkdir()
    shutil.copy(first.path, tmp_path / "fonts")
    with pytest.raises(DataError, match=r"are of 1 families .*; 3 are needed"):
        write_glyphs(tmp_path / "out", folders=[tmp_path / "fonts"])
    assert not (tmp_path / "out").exists()


def test_fewer_images_than_families_are_refused(fonts: tuple[Font, ...], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="images per class are 2"):
        write_glyphs(tmp_path / "out", each=2)


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "glyphs").mkdir()
    (tmp_path / "glyphs" / "mine.txt").write_text("kept")
    with pytest.raises(UsageError, match="not an empty folder"):
        TASK.synthetic_dataset(tmp_path, lambda *_: None)
    assert (tmp_path / "glyphs" / "mine.txt").read_text() == "kept"


def test_interrupted_writing_leaves_nothing(fonts: tuple[Font, ...], tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_glyphs(tmp_path / "out", labels=FEW, progress=interrupt)
    assert not list(tmp_path.iterdir())


def test_embedded_data_are_written_once_and_have_the_classes_of_dhcd(
    fonts: tuple[Font, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(LABELS) == 46
    each = len({font.family for font in fonts})
    monkeypatch.setattr(glyph_dataset, "EACH", each)
    seen: list[tuple[int, int]] = []
    out = TASK.synthetic_dataset(tmp_path, lambda *now: seen.append(now))
    assert seen[-1] == (46 * each, 46 * each)
    before = len(seen)
    assert TASK.synthetic_dataset(tmp_path, lambda *now: seen.append(now)) == out == tmp_path / "glyphs"
    assert len(seen) == before
    assert load(out, {}).classes == LABELS
    assert {sample.domain for sample in load(out, {}).samples} == set(TASK.synthetic_domains())


def test_data_of_another_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "glyphs").mkdir()
    (tmp_path / "glyphs" / "glyphs.json").write_text('{"synthetic": true, "version": 0, "images_per_class": 70}')
    with pytest.raises(DataError, match="another version of handwriting; delete it"):
        TASK.synthetic_dataset(tmp_path, lambda *_: None)


def test_a_damaged_mark_is_no_reason_to_take_them_for_real(glyphs: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(glyphs, tmp_path / "copy")
    (copy / "glyphs.json").write_text("{")
    with pytest.raises(DataError, match=r"glyphs.json is damaged"):
        load(copy, {})
