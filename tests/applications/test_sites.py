"""Folders by site (`site/class/image`) in both applications: the folder of the site becomes the domain."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handwriting.task import TASK as HANDWRITING
from medtl.task import TASK as MEDTL
from shared.errors import DataError
from shared.samples import Dataset, Meanings
from shared.task import Task

CASES = [
    pytest.param(MEDTL, {"No Tumor": "no_tumour", "glioma": "glioma"}, id="medtl"),
    pytest.param(HANDWRITING, {"character_1_ka": "ka", "digit_0": "digit_0"}, id="handwriting"),
]


def _picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.zeros((12, 10), dtype=np.uint8)
    grey[2:10, 3:7] = 100 + len(str(path))
    Image.fromarray(grey).save(path)


def _packed(root: Path) -> Path:
    with zipfile.ZipFile(root.with_suffix(".zip"), "w") as archive:
        for path in root.rglob("*"):
            archive.write(path, path.relative_to(root))
    return root.with_suffix(".zip")


def _load(task: Task, source: Path) -> Dataset:
    return task.load(source, options=task.default_options, meanings=Meanings(folders_above="domains"))


@pytest.mark.parametrize(("task", "folders"), CASES)
@pytest.mark.parametrize("form", ["{site}/{folder}", "Training/{site}/{folder}", "{site}/Training/{folder}"])
def test_sites_become_domains_in_a_folder_and_in_a_zip(
    tmp_path: Path, task: Task, folders: dict[str, str], form: str
) -> None:
    root = tmp_path / "set"
    for site in ("north", "south"):
        for folder in folders:
            _picture(root / form.format(site=site, folder=folder) / "1.png")
    plain, zipped = _load(task, root), _load(task, _packed(root))
    split = "train" if "Training" in form else None
    assert {(one.domain, one.label, one.split) for one in plain.samples} == {
        (site, label, split) for site in ("north", "south") for label in folders.values()
    }
    assert len(plain.samples) == 4
    assert [one.id for one in plain.samples] == [one.id for one in zipped.samples]
    assert plain.fingerprint == zipped.fingerprint
    assert any("The 2 folders above those of the classes are domains" in note for note in plain.notes)


@pytest.mark.parametrize(("task", "folders"), CASES)
def test_mixed_depths_are_refused(tmp_path: Path, task: Task, folders: dict[str, str]) -> None:
    for place in ("north", "south", "."):
        for folder in folders:
            _picture(tmp_path / place / folder / "1.png")
    with pytest.raises(DataError, match=r"2 images in class, 4 images in site/class; give the path"):
        _load(task, tmp_path)


@pytest.mark.parametrize(("task", "folders"), CASES)
def test_unknown_classes_within_sites_are_refused(tmp_path: Path, task: Task, folders: dict[str, str]) -> None:
    for place in ("north", "south"):
        for folder in (*folders, "mystery"):
            _picture(tmp_path / place / folder / "1.png")
    with pytest.raises(DataError, match=r"2 images in folders of no known class, 4 images in site/class"):
        _load(task, tmp_path)


@pytest.mark.parametrize(("task", "folders"), CASES)
def test_one_site_alone_is_a_wrapping_folder(tmp_path: Path, task: Task, folders: dict[str, str]) -> None:
    for folder in folders:
        _picture(tmp_path / "north" / folder / "1.png")
    assert "north" not in {one.domain for one in _load(task, tmp_path).samples}


def test_patients_of_two_sites_with_one_name_are_two_patients(tmp_path: Path) -> None:
    for site in ("north", "south"):
        for number in ("1.png", "2.png"):
            _picture(tmp_path / site / "glioma" / "patient 7" / number)
        _picture(tmp_path / site / "no" / "patient 7" / "3.png")
    samples = _load(MEDTL, tmp_path).samples
    assert len({(one.domain, one.group) for one in samples}) == len({one.group for one in samples}) == 2


def test_writers_of_two_sites_with_one_number_are_two_writers(tmp_path: Path) -> None:
    for site in ("north", "south"):
        for family, folder in (("consonants", "1"), ("vowels", "12")):
            _picture(tmp_path / site / family / folder / "001_01.png")
    dataset = _load(HANDWRITING, tmp_path)
    assert dataset.classes == ("ka", "vowel_12")
    assert {one.domain for one in dataset.samples} == {"north", "south"}
    assert len({one.group for one in dataset.samples}) == 2
