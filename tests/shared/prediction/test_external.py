from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageOps

from handwriting.task import TASK
from shared.errors import DataError
from shared.evaluation.cases import UsageContext
from shared.io.atomic import read_json
from shared.prediction.external import assess_data, in_common_classes
from shared.runs.record import ModelRecord

Draw = Callable[..., Path]


def _assess(run: Path, data: Path) -> dict:
    return assess_data(TASK, run, data, usage=UsageContext(), progress=lambda *_: None)


def test_other_data_are_judged_whole(tiny_run: Path, tmp_path: Path, draw_characters: Draw) -> None:
    tree = _assess(tiny_run, draw_characters(tmp_path / "data", each=4, seed=9))
    assert tree["coverage"] == {
        "assessed": 12,
        "refused": 0,
        "refused_positive": 0,
        "seen_in_training": 0,
        "group_seen_in_training": 0,
        "left_out": 0,
        "left_out_positive": 0,
        "copies": {},
    }
    assert not any("left out, as predict" in note for note in tree["notes"])
    assert tree["test"]["n"] == 12
    assert tree["test"]["accuracy"]["value"] > 0.6
    assert any(line.startswith("accuracy") for line in tree["summary"])


def test_what_the_run_has_seen_is_left_out_and_its_test_gives_the_same_numbers(
    tiny_run: Path, characters: Path
) -> None:
    tree, report = _assess(tiny_run, characters), read_json(tiny_run / "report.json")
    assert tree["test"]["n"] == report["test"]["n"]
    assert tree["coverage"]["seen_in_training"] > report["test"]["n"]
    assert tree["test"]["confusion"] == report["test"]["confusion"]


def test_rescaled_and_recompressed_copies_are_left_out_and_mirrored_characters_are_judged(
    tiny_run: Path, characters: Path, tmp_path: Path
) -> None:
    seen = _assess(tiny_run, characters)["coverage"]["seen_in_training"]
    for path in characters.glob("*/*.png"):
        for kind in ("rescaled", "mirrored"):
            (tmp_path / kind / path.parent.name).mkdir(parents=True, exist_ok=True)
        with Image.open(path) as picture:
            large = picture.resize((96, 96), Image.Resampling.BOX)
            large.save(tmp_path / "rescaled" / path.parent.name / f"{path.stem}.jpg", quality=85)
            ImageOps.mirror(picture).save(tmp_path / "mirrored" / path.parent.name / path.name)
    rescaled, mirrored = (_assess(tiny_run, tmp_path / kind) for kind in ("rescaled", "mirrored"))
    assert rescaled["coverage"]["copies"] == {"near": seen}
    assert any(f"{seen} of 48 images are copies of images in training" in note for note in rescaled["notes"])
    # a ring or a cross in the middle is its own mirror image
    assert mirrored["coverage"]["seen_in_training"] < seen / 4


def test_refused_images_are_counted(tiny_run: Path, tmp_path: Path, draw_characters: Draw) -> None:
    data = draw_characters(tmp_path / "data", each=4, seed=9)
    (data / "digit_0" / "000.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    Image.new("L", (32, 32), 90).save(data / "digit_1" / "000.png")
    tree = _assess(tiny_run, data)
    assert (tree["coverage"]["assessed"], tree["coverage"]["refused"]) == (10, 2)
    assert "2 were refused, 0 of them positive." in tree["notes"]


def test_classes_that_the_run_does_not_know_are_named(tiny_run: Path, tmp_path: Path, draw_characters: Draw) -> None:
    data = draw_characters(tmp_path / "data", each=3, seed=9)
    shutil.move(data / "digit_0", data / "digit_7")
    with pytest.raises(DataError, match=r"does not know digit_7.*--known-only"):
        _assess(tiny_run, data)
    tree = assess_data(TASK, tiny_run, data, usage=UsageContext(), progress=lambda *_: None, known_only=True)
    assert tree["coverage"]["assessed"] == 6
    assert "3 images of other classes were left out." in tree["notes"]


def test_other_names_of_the_positive_event_are_compared_as_positive_or_not(model_record: ModelRecord) -> None:
    task = SimpleNamespace(positive_name="lesion", is_positive=lambda label: label != "healthy")
    record = replace(model_record, classes=("healthy", "cyst", "tumour"), positive=(False, True, True))
    probabilities = np.array([[0.2, 0.5, 0.3], [0.9, 0.1, 0.0]])
    names = ["another kind of lesion", "healthy"]
    found, labels, common = in_common_classes(task, record, probabilities, names)
    assert found == pytest.approx(np.array([[0.2, 0.8], [0.9, 0.1]]))
    assert labels.tolist() == [1, 0]
    assert common.classes == ("no lesion", "lesion")
    assert common.positive == (False, True)
