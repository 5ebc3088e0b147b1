"""What is missed goes the whole way: from masks through a training to report and predictions, and to `evaluate`."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medtl.cli import app
from shared.io.atomic import read_json
from tests.shared.cli.calling import call
from tests.shared.cli.heads import BACKBONE, drawn_head

RADII = (1, 2, 3, 4)
"""Of the discs that stand for tumours, in pixels."""


def _data(root: Path, patients: int, seed: int) -> Path:
    """Patients of four slices, every other one with tumours of four sizes and their masks."""
    random, (rows, columns) = np.random.default_rng(seed), np.mgrid[:32, :32]
    (root / "masks").mkdir(parents=True)
    lines = ["path,label,group,mask"]
    for patient in range(patients):
        for number, radius in enumerate(RADII):
            name = f"{patient}-{number}.png"
            pixels = drawn_head(random)
            row, column = random.integers(11, 21, 2)
            disc = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
            ill = patient % 2 == 0
            Image.fromarray(np.clip(pixels + 140 * disc * ill, 0, 255).astype(np.uint8)).save(root / name)
            if ill:
                Image.fromarray((255 * disc).astype(np.uint8)).save(root / "masks" / name)
            lines.append(
                f"{name},{'tumour' if ill else 'no_tumour'},p{seed}-{patient},{f'masks/{name}' if ill else ''}"
            )
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, good for nothing."""
    folder = tmp_path_factory.mktemp("missed")
    data = _data(folder / "data", patients=24, seed=0)
    result = call(
        app,
        "train",
        f"data.source={data}",
        BACKBONE,
        "strategy.name=linear_probe",
        "explained_images=1",
        "--out",
        folder / "run",
    )
    assert result.exit_code == 0, result.output
    return folder / "run"


def test_each_positive_image_has_its_size_in_report_and_predictions(run: Path) -> None:
    test = read_json(run / "report.json")["test"]
    sizes = test["missed"]["sizes"]
    assert (sizes["known"], sizes["unknown"], sizes["mm2"]) == (test["positives"], 0, [])
    assert sum(one["sensitivity"]["n"] for one in sizes["share"]) == test["positives"]
    found = sum(one["sensitivity"]["successes"] for one in sizes["share"])
    assert test["positives"] - found == test["false_negatives"]
    with (run / "predictions.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "test"]
    assert all((row["mask_share"] != "") == (row["label"] == "tumour") for row in rows)
    assert "What is missed, test" in (run / "report.html").read_text(encoding="utf-8")


def test_evaluate_tells_what_is_missed_of_the_own_test_and_of_other_data(run: Path, tmp_path: Path) -> None:
    own = call(app, "evaluate", run)
    assert own.exit_code == 0, own.output
    assert "sensitivity by area of the mask (% of the pixels that are not dark): " in own.output
    there = call(app, "evaluate", run, _data(tmp_path / "other", patients=6, seed=5), "--out", tmp_path / "out")
    assert there.exit_code == 0, there.output
    assert "sensitivity by area of the mask (% of the pixels that are not dark): " in there.output
    assert "by patient with a tumour: not one positive image called in" in there.output
    test = read_json(tmp_path / "out" / "evaluation.json")["test"]
    assert test["missed"]["sizes"]["known"] == test["positives"] == 12
    counts = test["missed"]["groups"]
    assert (sum(counts["positive"].values()), sum(counts["negative"].values())) == (3, 3)
