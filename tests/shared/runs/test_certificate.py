"""Certificates that are restated for more choices than a run counted itself."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from shared.evaluation.decision.length import Length
from shared.evaluation.decision.operating_point import OperatingPoint, certify
from shared.evaluation.decision.selective import choose_rejection
from shared.evaluation.decision.series import SeriesScores
from shared.evaluation.statistics.intervals import clopper_pearson_lower
from shared.io.atomic import read_json, write_json, write_text
from shared.runs.certificate import certificate_text, certify_anew, models_among, restated
from shared.runs.folder import MODEL_FILES, check_finished, finish, finished_at
from shared.runs.record import ModelRecord, read_model_record
from shared.runs.verdict import read_verdict, verdict_of

ENDED = datetime(2026, 11, 1, tzinfo=UTC)


def _point(choices: int, *, named: bool = True) -> OperatingPoint:
    count = 50
    names = tuple(map(str, range(count)))
    judged = SeriesScores(
        np.linspace(0.2, 0.9, count), np.arange(count) >= 10, (Length(1),) * count, names, range(count), named
    )
    return certify(judged, 0.5, 0.9, chosen_here=False, choices=choices, group_name="patient")


def record_of(model_record: ModelRecord, choices: int, *, named: bool = True) -> ModelRecord:
    """A record of 40 positive patients of whom some are missed, which allows for `choices` models."""
    point = _point(choices, named=named)
    tree = {**asdict(point), "statement": point.statement, "domains": ["mars"], "acquisition": {}}
    return replace(model_record, positive=(False, True), operating_point=tree, certified_sensitivity=point.certified)


def write_run(folder: Path, record: ModelRecord) -> Path:
    """Writes the files of a finished run that hold its certificate, the others empty."""
    folder.mkdir(exist_ok=True)
    for name in ("config.yaml", *MODEL_FILES):
        write_text(folder / name, "")
    write_json(folder / "model.json", record.to_json())
    said = str((record.operating_point or {})["statement"])
    verdict = verdict_of(record, {}).lines
    tree = {"verdict": [*verdict], "summary": ["AUC 0.9", said], "operating_point": record.operating_point}
    write_json(folder / "report.json", tree)
    for name in ("report.html", "model_card.md"):
        write_text(folder / name, _page(record, said))
    finish(folder, record.task, ENDED)
    return folder


def _page(record: ModelRecord, said: str) -> str:
    """What pages say of a certificate: verdict, statement, and the row of a table."""
    verdict = verdict_of(record, {}).certificate.capitalize()
    return f"{verdict}. {said}. certified sensitivity: {certificate_text(record)[1]}; AUC 0.900"


def test_a_record_is_restated_at_the_level_of_all_choices(model_record: ModelRecord) -> None:
    record = restated(record_of(model_record, 5), 40)
    point = record.operating_point or {}
    assert models_among(record) == 40
    hits = point["positives"] - point["counted"]
    expected = clopper_pearson_lower(hits, point["positives"], 1 - 0.05 / 40)
    assert record.certified_sensitivity == point["certified"] == pytest.approx(expected)
    assert "a choice among 40 models" in point["statement"]
    assert (point["domains"], record.threshold) == (["mars"], model_record.threshold)


def test_fewer_choices_than_the_run_counted_change_nothing(model_record: ModelRecord) -> None:
    record = record_of(model_record, 5)
    assert restated(record, 5) is record
    assert restated(record, 1) is record


def test_what_certifies_nothing_certifies_nothing_among_more_models(model_record: ModelRecord) -> None:
    record = record_of(model_record, 5, named=False)
    assert restated(record, 40) == record
    assert certificate_text(record) == ("certified sensitivity", "none: nothing is certified")
    assert restated(model_record, 40) == model_record


def test_a_certified_error_is_restated_after_it_was_read_back(model_record: ModelRecord, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    confidence = random.random(400)
    found = choose_rejection(confidence, random.random(400) > confidence, range(400), 0.3, named=True)
    tree = {**asdict(found), "statement": found.statement}
    write_json(
        tmp_path / "model.json", replace(model_record, rejection=tree, certified_error=found.certified).to_json()
    )
    record = restated(read_model_record(tmp_path), 30)
    assert record.certified_error == found.among(30).certified
    assert record.certified_error > found.certified
    assert certificate_text(record)[1].startswith(f"at most {record.certified_error:.4f} with 95% confidence")


def test_all_files_of_a_run_are_certified_anew_and_its_hashes_fit(model_record: ModelRecord, tmp_path: Path) -> None:
    write_run(tmp_path, record_of(model_record, 5))
    certify_anew(tmp_path, 40)
    check_finished(tmp_path)
    new = read_model_record(tmp_path)
    restated_words = str((new.operating_point or {})["statement"])
    assert "a choice among 40 models" in restated_words
    report = read_json(tmp_path / "report.json")
    assert report["summary"] == ["AUC 0.9", restated_words]
    assert report["verdict"] == list(read_verdict(tmp_path, new).lines)
    assert report["operating_point"]["choices"] == 40
    for name in ("report.html", "model_card.md"):
        assert (tmp_path / name).read_text() == _page(new, restated_words)
    assert finished_at(tmp_path) == ENDED
