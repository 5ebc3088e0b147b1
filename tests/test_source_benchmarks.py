"""Whole heads from hospitals.zip, skull stripping of marked tumours, and the study that leaves each source out."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from benchmarks import by_collection, hospitals, leave_source_out, source_table, strip_tumours
from benchmarks.source_table import SourceTest
from medtl.task import TASK
from shared.config.schema import HeldOutSplit
from shared.errors import DataError, RunError
from shared.evaluation.cases import Rule, image_cases
from shared.runs.predictions import Predictions, read_predictions
from shared.runs.record import ModelRecord, read_model_record
from shared.samples import Grouping

OPTIONS = {**TASK.default_options, "labels": "binary"}


def _volume(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    y, x, _ = np.mgrid[-1:1:24j, -1:1:24j, 0:3]
    head = np.where(np.hypot(x, y) < 0.8, 100.0, 0.0) + np.random.default_rng(seed).normal(0, 5, (24, 24, 3))
    nibabel.save(nibabel.Nifti1Image(head.astype(np.float32), np.diag([2.0, 2.0, 6.0, 1.0])), path)


def test_volumes_of_one_person_become_tumour_free_series_of_one_patient(tmp_path: Path) -> None:
    folder = tmp_path / "elderly"
    for number, name in enumerate(("old01_flair", "old01_t1", "old02_flair")):
        _volume(folder / f"{name}.nii.gz", number)
    table = hospitals.write_table(folder)
    with table.open(encoding="utf-8") as stream:
        assert [(row["patient"], row["contrast"]) for row in csv.DictReader(stream)] == [
            ("old01", "flair"),
            ("old01", "t1"),
            ("old02", "flair"),
        ]
    dataset = TASK.load(folder, options=OPTIONS)
    hospitals.check(folder, dataset)
    assert hospitals.contents(dataset).startswith("9 slices, 0 with a tumour, 0 masks, 2 people, 3 series")
    assert {sample.label for sample in dataset.samples} == {"no_tumour"}


@pytest.mark.parametrize(
    ("name", "contrast"),
    [("patient01_study1_T2W.nii.gz", "t2"), ("patient01_study1_FLAIR.nii.gz", "flair"), ("a_T1.nii", "t1")],
)
def test_contrast_and_person_stand_in_the_name(tmp_path: Path, name: str, contrast: str) -> None:
    _volume(tmp_path / name, 0)
    with hospitals.write_table(tmp_path).open(encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["contrast"], row["patient"]) == (contrast, name.rpartition("_")[0])


def test_a_name_without_contrast_and_an_empty_folder_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no NIfTI volume"):
        hospitals.write_table(tmp_path)
    _volume(tmp_path / "old01_dwi.nii.gz", 0)
    with pytest.raises(DataError, match=r"1 of 1 volumes .* not named PERSON_CONTRAST"):
        hospitals.write_table(tmp_path)
    assert not (tmp_path / "labels.csv").exists()


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    """Slices of two patients as in `lgg_du`: masks for those with a tumour alone; the second tumour lies at the rim."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    folder = tmp_path / "lgg_du"
    rows = []
    for patient, (centre, number) in {"a": (0.1, 1), "b": (0.8, 1), "c": (None, 2)}.items():
        head = np.where(np.hypot(x, y) < 0.9, 120, 0).astype(np.uint8)
        tumour = np.hypot(x - (centre or 9), y) < 0.1
        head[tumour] = 220
        path, mask = f"{patient}/flair_0{number}.png", f"{patient}/flair_0{number}_mask.png" if centre else ""
        (folder / patient).mkdir(parents=True)
        Image.fromarray(head).save(folder / path)
        if mask:
            Image.fromarray(tumour.astype(np.uint8) * 255).save(folder / mask)
        rows.append([path, "tumour" if centre else "no_tumour", patient, "lgg_du", number, "flair", mask])
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["path", "label", "group", "domain", "number", "contrast", "mask"], *rows])
    return folder


def test_a_table_with_masks_for_tumours_alone_is_read_whole(slices: Path) -> None:
    dataset = TASK.load(slices, options=OPTIONS)
    hospitals.check(slices, dataset)
    assert "3 slices, 2 with a tumour, 2 masks, 3 people" in hospitals.contents(dataset)
    lost = type(dataset)(dataset.samples[1:], dataset.classes, dataset.content_hash)
    with pytest.raises(DataError, match=r"people: 2 of 3; masks: 1 of 2; slices with a tumour: 1 of 2"):
        hospitals.check(slices, lost)


def test_stripping_cuts_a_tumour_at_the_rim_and_none_in_the_middle(slices: Path) -> None:
    samples = [one for one in TASK.load(slices, options=OPTIONS).samples if one.mask]
    losses = strip_tumours.shares_lost(samples, 64)
    assert losses.shape == (2, len(strip_tumours.RIMS))
    assert losses[0].max() == 0
    assert losses[1].min() > strip_tumours.MAX_LOSS
    assert strip_tumours.summary(losses).startswith("rim 0.06 cuts 0.500 (whole 0.00); rim 0.08 cuts 0.500")


def _test(scores: list[float], truth: list[int], threshold: float = 0.5) -> SourceTest:
    probabilities = np.stack([1 - np.array(scores), scores], axis=1)
    rule = Rule(("no_tumour", "tumour"), (False, True), threshold)
    cases = image_cases(probabilities, np.array(truth), rule, range(len(scores)))
    return SourceTest({("all", "slice"): cases}, threshold)


def _rows(lines: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_begins_with_the_worst_source_and_says_what_is_not_defined() -> None:
    good = [_test([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])] * 2
    healthy = [_test([0.1, 0.9, 0.9, 0.9], [0, 0, 0, 0]), _test([0.1, 0.1, 0.9, 0.9], [0, 0, 0, 0])]
    rows = _rows(source_table.table_lines({"good": good, "healthy": healthy}))
    assert [row[0] for row in rows] == ["healthy", "healthy", "good", "good"]
    assert rows[0][3:] == [
        "4",
        "0",
        "mean of seeds ± SD, 2 seeds",
        "not defined",
        "not defined",
        "0.375 ± 0.177",
    ]
    assert rows[2][-3:] == ["1.000 ± 0.000"] * 3


def test_averaged_probabilities_are_a_row_of_their_own() -> None:
    seeds = [_test([0.1, 0.6, 0.45, 0.9], [0, 0, 1, 1]), _test([0.1, 0.3, 0.65, 0.9], [0, 0, 1, 1])]
    mean, together = _rows(source_table.table_lines({"a": seeds}))
    assert mean[-3:] == ["0.875 ± 0.177", "0.750 ± 0.354", "0.750 ± 0.354"]
    assert together[5:] == ["probabilities averaged", "1.000", "1.000", "1.000"]


def test_runs_on_different_tests_are_not_averaged() -> None:
    with pytest.raises(RunError, match="have different tests"):
        source_table.averaged([_test([0.1, 0.9], [0, 1]), _test([0.1], [0])])


def test_a_run_is_read_by_slice_and_patient_and_by_contrast(screening_run: Path) -> None:
    test, record = read_predictions(screening_run), read_model_record(screening_run)
    contrasts = {sample: ("FLAIR", "T1")[number % 2] for number, sample in enumerate(test.samples)}
    found = source_table.read_source_test(screening_run, contrasts)
    whole = found.judged["all", "slice"]
    raw, truth = test.positive(record)
    order = np.argsort(np.array(test.samples), kind="stable")
    np.testing.assert_array_equal(whole.truth, truth[order])
    np.testing.assert_allclose(whole.scores, raw[order])
    assert found.threshold == record.threshold
    assert len(found.judged["FLAIR", "slice"].labels) + len(found.judged["T1", "slice"].labels) == len(whole.labels)
    with pytest.raises(RunError, match=r"1 of .* images of its test are not in the source now"):
        source_table.read_source_test(screening_run, dict(list(contrasts.items())[1:]))


def _study(tmp_path: Path) -> leave_source_out.Study:
    config = tmp_path / "own.yaml"
    config.write_text("seed: 5\n", encoding="utf-8")
    sources = {name: tmp_path / name for name in ("north", "south")}
    return leave_source_out.Study(tmp_path / "out", config, sources, ["backbone.size=64"], 2)


def test_each_run_holds_out_its_source_under_its_seed_with_the_overrides(tmp_path: Path) -> None:
    settings = _study(tmp_path).settings("south", 1)
    assert settings.seed == 6
    assert isinstance(settings.data.split, HeldOutSplit)
    assert settings.data.split.held_out_domain == "south"
    assert set(settings.data.collections) == {"north", "south"}
    assert settings.backbone.size == 64


def test_finished_runs_are_not_trained_again_and_a_failure_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = _study(tmp_path)
    script = tmp_path / "train.py"
    script.write_text(
        "import sys\nprint(sys.argv[-1])\nopen(sys.argv[-1].rsplit('/', 1)[0] + '/ran', 'a').write('x')\n"
        "sys.exit('no such weights' if 'north' in sys.argv[-1] else 0)\n",
        encoding="utf-8",
    )
    study.out.mkdir()
    monkeypatch.setattr(leave_source_out, "COMMAND", (sys.executable, str(script)))
    monkeypatch.setattr(leave_source_out, "is_finished", lambda folder: folder.name == "south-0")
    failed = leave_source_out.train_all(study, ["north", "south"], jobs=1)
    assert failed == {"north-0": "no such weights", "north-1": "no such weights"}
    assert (study.out / "ran").read_text() == "xxx"


def test_each_collection_is_judged_by_slice_and_series_and_single_ones_are_none(
    model_record: ModelRecord,
) -> None:
    record = replace(model_record, positive=(False, True), threshold=0.6, of_images=0.4)
    rows = (  # series, collection, truth, probability of the positive class; the highest is that of the series
        *(("a", "first", "yes", 0.7), ("a", "first", "no", 0.5)),
        *(("b", "first", "yes", 0.5), ("b", "first", "yes", 0.3)),
        *(("c", "second", "no", 0.1), ("c", "second", "no", 0.2), ("d", "second", "no", 0.9)),
    )
    series, domains, labels, positive = zip(*rows, strict=True)
    found = Predictions(
        samples=tuple(f"{n}" for n in range(len(rows))),
        inputs=series,
        domains=domains,
        labels=labels,
        predicted=labels,
        probabilities=np.array([(1 - one, one) for one in positive]),
        grouping=Grouping(series, series, tuple("abcd".index(one) for one in series)),
        ood=np.zeros(len(rows)),
    )
    lines = by_collection.table(record, found)
    assert lines[2:] == [
        "| first | 4 | 0.500 | 0.67, 1.00 | 1 of 2 | 0 of 0 |",
        "| second | 3 |  | none, 0.33 | 0 of 0 | 1 of 1 |",
        "| all | 7 | 0.625 | | 1 of 2 | 1 of 1 |",
        "",
        "patients found in one series at least: 1 of 2; in all of theirs: 1",
    ]
