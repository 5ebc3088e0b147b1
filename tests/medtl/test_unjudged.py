"""Validation, test and `evaluate` leave out the slices that `predict` leaves out, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medtl.datasets import load
from medtl.task import TASK
from shared.config.read import load_config
from shared.evaluation.cases import UsageContext
from shared.io.atomic import read_json
from shared.pipeline.train import run
from shared.prediction.external import assess_data
from shared.runs.predictions import read_predictions
from tests.medtl.planted import TRAINING, Training
from tests.medtl.test_inputs import only, write_volume

AREAS = (0.04, 0.3, 0.5, 0.4, 0.45, 0.06)
"""Shares of the slices of a volume that the head covers: the first and the last are too little of it."""


def _judged(path: Path) -> list[bool]:
    """Whether `predict` judges each slice of a volume, asked by the samples of a data set."""
    samples = load(path.parent, {"labels": "binary"}, unlabelled=True).samples
    assert [sample.frame for sample in samples] == list(range(len(samples)))
    return (~TASK.unjudged(samples)).tolist()


@pytest.mark.parametrize("areas", [AREAS, (0.3, 0.5, 0.4), (0.02, 0.09, 0.3, 0.1, 0.05)])
def test_the_same_slices_are_left_out_as_by_predict(tmp_path: Path, areas: Sequence[float]) -> None:
    path = write_volume(tmp_path / "a.nii", areas)
    shown = {origin.index for origin in only(path).origins}
    assert _judged(path) == [number in shown for number in range(len(areas))]


def test_series_are_compared_within_themselves_whatever_their_order(tmp_path: Path) -> None:
    for name, areas in (("a", (0.5, 0.09, 0.5)), ("b", (0.12, 0.1, 0.12))):
        write_volume(tmp_path / f"{name}.nii", areas)
    samples = load(tmp_path, {"labels": "binary"}, unlabelled=True).samples
    mixed = [samples[i] for i in (3, 0, 4, 1, 5, 2)]
    assert TASK.unjudged(mixed).tolist() == [False, False, False, True, False, False]


def test_a_picture_that_predict_refuses_is_left_out(tmp_path: Path) -> None:
    rows, columns = np.mgrid[-1 : 1 : 64 * 1j, -1 : 1 : 64 * 1j]
    (tmp_path / "glioma").mkdir()
    for name, radius in (("head", 0.7), ("vertex", 0.2)):
        head = np.where(np.hypot(rows, columns) < radius, 150 + 50 * np.sin(40 * rows), 0).astype(np.uint8)
        Image.fromarray(head).save(tmp_path / "glioma" / f"{name}.png")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "glioma" / "noise.png")
    samples = load(tmp_path, {"labels": "binary"}).samples
    found = dict(zip([Path(sample.source).stem for sample in samples], TASK.unjudged(samples).tolist(), strict=True))
    assert found == {"head": False, "vertex": True, "noise": True}


def _patients(root: Path, count: int, seed: int = 0) -> Path:
    """Volumes of patients, of whom every second has a tumour on the first, third and fourth slice, the first unseen."""
    random = np.random.default_rng(seed)
    root.mkdir()
    rows = ["path,label,slice,patient,split"]
    for number in range(count):
        write_volume(root / f"{number}.nii", np.array(AREAS) * random.uniform(0.9, 1.1, len(AREAS)))
        for index in range(len(AREAS)):
            label = "glioma" if number % 2 == 0 and index in (0, 2, 3) else "no_tumour"
            split = ("train", "validation", "test")[number // 2 % 3]
            rows.append(f"{number}.nii,{label},{index},p{number},{split}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.mark.usefixtures("quick_ending")
def test_a_training_judges_what_predict_judges_and_counts_lost_tumours_as_missed(tmp_path: Path) -> None:
    words = [f"data.source={_patients(tmp_path / 'data', 12)}", "data.leaks=allow", *TRAINING]
    folder = run(TASK, load_config(None, words), root=tmp_path)
    report = read_json(folder / "report.json")
    for name in ("validation", "test"):
        assert report[name]["left_out"] == {"images": 8, "positive": 2}
        assert report[name]["n"] == 4 * 6 - 8 + 2
        assert report[name]["sensitivity"]["n"] == 2 * 3
        assert report[name]["sensitivity"]["value"] <= 4 / 6
        predictions = read_predictions(folder, name)
        lost = np.array(predictions.grouping.unjudged)
        assert lost.sum() == 2
        assert predictions.probabilities[lost].tolist() == [[1.0, 0.0]] * 2
        assert report[name]["abstention"]["inputs"] == 4
    notes = (folder / "report.html").read_text()
    assert "8 of 24 images of test were left out, as predict leaves them out; 2 of them, with tumour" in notes


def test_evaluate_judges_what_predict_judges_and_says_how_many_it_left_out(
    planted_training: Training, tmp_path: Path
) -> None:
    data = _patients(tmp_path / "data", 4, seed=3)
    tree = assess_data(TASK, planted_training.run, data, usage=UsageContext(), progress=lambda *_: None)
    assert (tree["coverage"]["left_out"], tree["coverage"]["left_out_positive"]) == (8, 2)
    assert tree["coverage"]["assessed"] == tree["test"]["n"] == 4 * 6 - 8 + 2
    assert tree["test"]["sensitivity"]["n"] == 6
    assert tree["test"]["sensitivity"]["value"] <= 4 / 6
    said = (
        "8 of 24 images of the data were left out, as predict leaves them out; 2 of them, with tumour, count as missed."
    )
    assert said in tree["notes"]
