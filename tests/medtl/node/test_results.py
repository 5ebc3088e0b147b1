from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage, ComprehensiveSRStorage, CTImageStorage, SecondaryCaptureImageStorage

from medtl.node.results import results_of
from medtl.phantom.dataset import write_phantom
from medtl.task import TASK
from shared.errors import DataError
from shared.prediction.answer import Answer
from shared.task import Item


class Oracle:
    """Stands for a predictor: knows the decision, and refuses what the reader refuses."""

    name = "run-7"

    def __init__(self, model: str = "weights") -> None:
        self.record = SimpleNamespace(weights_hash=model, operating_point={"statement": "0 misses in 9 patients"})

    def assess(self, item: Item) -> Answer:
        if item.refusal is not None:
            return Answer(item.name, self.name, "refused", item.refusal)
        return Answer(
            item.name,
            self.name,
            "assessed",
            label="tumour",
            decision="positive",
            probabilities={"tumour": 0.75, "no_tumour": 0.25},
            positive_probability=0.75,
            threshold=0.5,
            certified_sensitivity=0.9,
            notes=(f"{len(item.slices)} slices",),
        )


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("phantom") / "data"
    write_phantom(root, patients=2, scanners=("atlas",), kinds=("glioma",), slices=2)
    return next(path.parent for path in sorted(root.rglob("*.dcm")))


@pytest.fixture
def no_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the source images do not allow any other object."""

    def refuse(*_: object) -> None:
        raise DataError("no structured report can be made from these images")

    monkeypatch.setattr("medtl.node.results.result_objects", refuse)


def only(folder: Path, oracle: Any = None) -> Dataset:
    (document,) = results_of(folder, oracle or Oracle(), TASK)
    stream = io.BytesIO()
    document.save_as(stream, enforce_file_format=True)
    return pydicom.dcmread(io.BytesIO(stream.getvalue()))


def texts(document: Dataset) -> list[str]:
    return [item.TextValue for item in document.ContentSequence]


def copied(series: Path, folder: Path, **tags: Any) -> Path:
    folder.mkdir()
    for path in series.glob("*.dcm"):
        source = pydicom.dcmread(path)
        for keyword, value in tags.items():
            setattr(source, keyword, value)
        source.save_as(folder / path.name)
    return folder


@pytest.mark.usefixtures("no_objects")
def test_the_report_says_the_decision_and_joins_the_study(series: Path) -> None:
    document, source = only(series), pydicom.dcmread(next(series.glob("*.dcm")))
    assert texts(document)[0] == "Tumour suspected: tumour probability 0.750, suspected from 0.500"
    told = {"Note: 2 slices", *TASK.disclaimers, "Model run-7", "Operating point: 0 misses in 9 patients"}
    assert told | {"RESEARCH USE ONLY - NOT FOR DIAGNOSIS"} <= set(texts(document))
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate"):
        assert document[keyword].value == source[keyword].value
    assert document.SeriesInstanceUID != source.SeriesInstanceUID


@pytest.mark.usefixtures("no_objects")
def test_the_report_refers_to_what_was_judged(series: Path) -> None:
    (study,) = only(series).CurrentRequestedProcedureEvidenceSequence
    (judged,) = study.ReferencedSeriesSequence
    uids = {str(pydicom.dcmread(path).SOPInstanceUID) for path in series.glob("*.dcm")}
    assert {str(one.ReferencedSOPInstanceUID) for one in judged.ReferencedSOPSequence} == uids


@pytest.mark.usefixtures("no_objects")
def test_uids_depend_on_instances_and_model_alone(series: Path, tmp_path: Path) -> None:
    first, moved = only(series), only(copied(series, tmp_path / "elsewhere"))
    assert (first.SOPInstanceUID, first.SeriesInstanceUID) == (moved.SOPInstanceUID, moved.SeriesInstanceUID)
    assert only(series, Oracle("other")).SOPInstanceUID != first.SOPInstanceUID
    fewer = copied(series, tmp_path / "fewer")
    next(fewer.glob("*.dcm")).unlink()
    assert only(fewer).SOPInstanceUID != first.SOPInstanceUID


@pytest.mark.usefixtures("no_objects")
def test_a_refusal_is_a_result_too(series: Path, tmp_path: Path) -> None:
    document = only(copied(series, tmp_path / "knee", BodyPartExamined="KNEE"))
    assert texts(document)[0] == "Not assessed: shows KNEE; only the head is judged"


@pytest.mark.usefixtures("no_objects")
def test_no_path_enters_the_report(series: Path) -> None:
    assert str(series) not in str(only(series))


def test_an_mr_series_gets_the_objects_that_predict_writes(judged: Any) -> None:
    predictor = SimpleNamespace(name="run-1", record=judged.record, assess=lambda item: judged.answer)
    found = results_of(judged.folder, predictor, TASK)  # type: ignore[arg-type]
    assert [str(one.SOPClassUID) for one in found] == [ComprehensiveSRStorage, *[SecondaryCaptureImageStorage] * 3]


def test_what_is_no_mr_image_gets_a_plain_report(series: Path, tmp_path: Path) -> None:
    document = only(copied(series, tmp_path / "ct", SOPClassUID=CTImageStorage, Modality="CT"))
    assert document.SOPClassUID == BasicTextSRStorage
    assert texts(document)[0] == "Not assessed: has the modality CT; only MR images are judged"
