"""What a run names, says of its units and warns of; the run itself is tested in test_train.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medtl.task import TASK
from shared.config.read import load_config
from shared.evaluation.abstention import JudgedInputs, count_abstention
from shared.pipeline.finish import data_names, warn_of_abstention
from shared.runs.record import ModelRecord, read_model_record


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("data.source=phantom",), ()),
        (("data.source=./phantom",), ("phantom",)),
        (("data.source=/home/somebody/scans.zip",), ("scans.zip",)),
        (("data.source=../scans/.",), ("scans",)),
        (("data.collections.north=/a/b.zip", "data.collections.south=c"), ("north (b.zip)", "south (c)")),
    ],
)
def test_data_are_named_without_the_folders_above_them(words: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert data_names(TASK, load_config(None, words)) == names


def test_a_run_whose_data_name_no_patients_certifies_nothing_and_speaks_of_none(screening_run: Path) -> None:
    record = read_model_record(screening_run)
    point = record.operating_point or {}
    assert (point["unit"], point["certified"], record.certified_sensitivity) == ("images, patients unknown", None, None)
    for name in ("report.html", "report.json", "model_card.md"):
        text = (screening_run / name).read_text(encoding="utf-8").lower()
        assert "patients unknown" in text
        assert "patient" not in text.replace("patients unknown", "")


def test_a_training_warns_where_tumours_are_not_assessed(
    model_record: ModelRecord, caplog: pytest.LogCaptureFixture
) -> None:
    record = replace(model_record, classes=("no", "yes"), positive=(False, True), ood={"threshold": 0.5, "rate": 0.01})
    labels = np.repeat([0, 1], 50)
    lost, kept = (
        {"abstention": count_abstention(JudgedInputs(unlike, labels, list(range(100))), record)}
        for unlike in ((labels == 1) & (np.arange(100) % 5 == 0), labels > 1)
    )
    warn_of_abstention({"validation": kept, "test": lost}, "tumour")
    (message,) = [one.getMessage() for one in caplog.records]
    assert message.startswith("test: WARNING: inputs with a tumour go without an assessment more often than others")


def test_the_threshold_of_a_run_says_what_it_was_chosen_on(tiny_run: Path, screening_run: Path) -> None:
    for run, is_positive in ((tiny_run, False), (screening_run, True)):
        record = read_model_record(run)
        rule = record.ood
        assert tuple(rule["classes"]) == record.classes
        assert sum(kind["units"] for kind in rule["classes"].values()) == rule["units"] > 0
        assert (rule["positive"] is not None) is is_positive
        kinds = [*rule["classes"].values(), *([rule["positive"]] if is_positive else [])]
        assert rule["threshold"] == max(rule["pooled"], *(kind["threshold"] or 0.0 for kind in kinds))
    positive = sum(kind["units"] for name, kind in rule["classes"].items() if name != "no_tumour")
    assert rule["positive"]["units"] == positive
