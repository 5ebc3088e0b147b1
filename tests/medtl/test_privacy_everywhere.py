"""A planted person stands in tags, in wrong tags and in folder names, and appears in nothing that a command says."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
from typer.testing import CliRunner

from medtl.cli import app
from tests.medtl.mutation_seeds import MARKS, PLANTED, dicom_seeds, marks_in, zipped
from tests.medtl.mutations import Coding, walk
from tests.medtl.planted import FOLDER, TRAINING, Training, leaks

ALL = (*MARKS, FOLDER)
WRITTEN_OVER = (
    "ImageType SOPClassUID Modality Manufacturer ManufacturerModelName BodyPartExamined SeriesDescription ProtocolName "
    "SeriesInstanceUID InstanceNumber MagneticFieldStrength ImagePositionPatient ImageOrientationPatient "
    "SamplesPerPixel PhotometricInterpretation Rows Columns BitsAllocated BitsStored PixelRepresentation RescaleSlope "
    "RescaleIntercept NumberOfFrames TransferSyntaxUID ComplexImageComponent SpecificCharacterSet SeriesNumber "
    "StudyInstanceUID SOPInstanceUID"
)
"""What the reader looks at: in a damaged or badly filled header the person may stand in any of these."""


@pytest.fixture(autouse=True)
def _own_home(planted_training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the training, so that the same salt gives the same pseudonyms."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(planted_training.home / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(planted_training.home / "cache"))


@dataclass
class Heard:
    """Whatever a command says: on standard output and standard error, C libraries included, and in the log of `-v`."""

    streams: pytest.CaptureFixture[str]
    log: pytest.LogCaptureFixture

    def __call__(self, *words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == code, result.output
        beside = self.streams.readouterr()
        return result.output + result.stderr + beside.out + beside.err + self.log.text


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Heard:
    caplog.set_level(logging.INFO)
    return Heard(capfd, caplog)


def test_the_person_is_in_the_data(planted_training: Training) -> None:
    path = next(planted_training.data.rglob("*.dcm"))
    assert FOLDER in str(path)
    assert marks_in(path.read_bytes()) == list(MARKS)


def test_marks_are_found_in_every_coding() -> None:
    for coding in ("utf-8", "utf-16-le", "utf-16-be"):
        assert marks_in(b"x" + "planted^PERSON".encode(coding)) == ["Planted"]


def test_training_says_and_writes_nothing_of_the_person(planted_training: Training) -> None:
    assert b"sensitivity" in planted_training.output
    assert marks_in(planted_training.output, ALL) == []
    names = {path.name for path in planted_training.run.iterdir()}
    assert names >= {
        "report.html",
        "predictions.csv",
        "training_digests.txt",
        "model_card.md",
        "model.json",
        "model.onnx",
    }
    assert list(leaks(planted_training.run, ALL)) == []
    assert list(leaks(planted_training.home, ALL)) == []


def test_prediction_names_the_person_neither_in_words_nor_in_json(
    planted_training: Training, tmp_path: Path, said: Heard
) -> None:
    scan = next(planted_training.data.glob(f"{FOLDER}*"))
    run = ["--model", str(planted_training.run)]
    for words in (["--json"], ["--out", str(tmp_path)], []):
        output = said("predict", str(scan), *run, *words)
        assert "tumour" in output
        assert marks_in(output.encode()) == []
    assert list(leaks(tmp_path)) == []


def test_explanations_name_the_person_nowhere(planted_training: Training, tmp_path: Path, said: Heard) -> None:
    scan = next(planted_training.data.glob(f"{FOLDER}*"))
    words = ["--model", str(planted_training.run), "--method", "grad-cam", "--slices", "1", "--out", str(tmp_path)]
    output = said("explain", str(scan), *words)
    assert "no localisation" in output
    assert marks_in(output.encode()) == []
    assert list(tmp_path.glob("*.png"))
    assert list(leaks(tmp_path)) == []


def test_dicom_objects_alone_carry_the_person(planted_training: Training, tmp_path: Path, said: Heard) -> None:
    scan = next(planted_training.data.glob(f"{FOLDER}*"))
    words = ["--model", str(planted_training.run), "--dicom", str(tmp_path / "dicom"), "--out", str(tmp_path / "out")]
    output = said("predict", str(scan), *words)
    assert output.count("  DICOM: ") == len(list((tmp_path / "dicom").iterdir())) > 1
    assert marks_in(output.encode()) == []
    assert list(leaks(tmp_path / "out")) == []
    # by their content, for they join the study; never by their names
    assert all(marks_in(path.name.encode()) == [] for path in (tmp_path / "dicom").iterdir())
    assert all(marks_in(path.read_bytes()) for path in (tmp_path / "dicom").iterdir())


@pytest.mark.parametrize("words", [["evaluate", "RUN", "DATA"], ["report", "RUN"], ["evaluate", "RUN"]])
def test_evaluation_and_report_say_nothing_of_the_person(
    words: list[str], planted_training: Training, tmp_path: Path, said: Heard
) -> None:
    from medtl.phantom.dataset import write_phantom

    others = write_phantom(tmp_path / "data", patients=4, scanners=["cirrus"], slices=3, seed=7)
    for number, path in enumerate(sorted(others.rglob("*.dcm"))):
        planted(path, PatientID=f"{PLANTED['PatientID']}{number // 3 + 100}")
    run = shutil.copytree(planted_training.run, tmp_path / "run")
    places = {"RUN": str(run), "DATA": str(others)}
    out = ["--out", str(tmp_path / "out")] if words[0] == "evaluate" else []
    output = said(*(places.get(word, word) for word in words), *out)
    assert "AUC" in output
    assert marks_in(output.encode(), ALL) == []
    assert list(leaks(tmp_path / "out", ALL)) == []
    assert list(leaks(run, ALL)) == []  # which keeps the test on other data


def planted(path: Path, **tags: str) -> None:
    dataset = pydicom.dcmread(path)
    for keyword, value in (PLANTED | tags).items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)


def test_audit_says_nothing_and_names_files_in_its_tables_only(
    planted_training: Training, tmp_path: Path, said: Heard
) -> None:
    output = said("audit", str(planted_training.data), TRAINING[2], "--burned-in-text", "--out", str(tmp_path))
    assert marks_in(output.encode(), ALL) == []
    assert list(leaks(tmp_path)) == []
    assert list(leaks(tmp_path, [FOLDER])) in ([], [f"pairs.csv: {[FOLDER]}"])


@pytest.mark.usefixtures("quick_ending")
def test_cross_validation_says_nothing_of_the_person(
    planted_training: Training,
    tmp_path: Path,
    said: Heard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [f"data.source={planted_training.data}", TRAINING[0], TRAINING[2], "strategy={name: linear_probe}"]
    output = said("crossval", *words, "--folds", "2", "--out", "out")
    assert (tmp_path / "out" / "crossval.json").is_file()
    assert marks_in(output.encode(), ALL) == []
    assert list(leaks(tmp_path, ALL)) == []


def test_phantom_says_nothing_of_anybody(tmp_path: Path, said: Heard) -> None:
    output = said("phantom", str(tmp_path / "out"), "--patients", "1", "--slices", "1")
    assert marks_in(output.encode(), ALL) == []


@pytest.mark.parametrize("value", [*PLANTED.values(), "PERSON PLANTED"])
def test_name_in_a_wrong_tag_is_not_quoted(value: str, planted_training: Training, tmp_path: Path, said: Heard) -> None:
    disc = tmp_path / "disc"
    disc.mkdir()
    for keyword in WRITTEN_OVER.split():
        (disc / f"{keyword}.dcm").write_bytes(written_over(dicom_seeds()["plain"], keyword, value.encode()))
    paths = [*map(str, sorted(disc.iterdir()))]
    for words in (paths, ["--json", "--identifiers", *paths], [str(disc)]):
        output = said("predict", *words, "--model", str(planted_training.run), code=3)
        assert "refused" in output
        assert marks_in(output.encode()) == []


def written_over(data: bytes, keyword: str, value: bytes) -> bytes:
    """The object with another value in a tag, whatever its VR allows; before the pixels where it was not there."""
    tag = pydicom.datadict.tag_for_keyword(keyword)
    assert tag is not None
    value += b" " * (len(value) % 2)
    found = next((one for one in walk(data, Coding()) if one.tag == tag), None)
    if found is None:
        place = next(one.start for one in walk(data, Coding()) if one.tag > tag)
        vr = pydicom.datadict.dictionary_VR(tag).encode()
        return data[:place] + Coding().element(tag, vr, value) + data[place:]
    return data[: found.length_at] + len(value).to_bytes(2, "little") + value + data[found.end :]


def test_damaged_training_data_are_refused_without_the_person(
    tmp_path: Path, said: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for keyword in ("Modality", "NumberOfFrames", "Rows", "BodyPartExamined"):
        data = tmp_path / keyword
        (data / "glioma").mkdir(parents=True)
        spoilt = written_over(dicom_seeds()["plain"], keyword, PLANTED["PatientName"].encode())
        (data / "glioma" / "a.dcm").write_bytes(spoilt)
        output = said("train", f"data.source={data}", code=1)
        assert "error:" in output
        assert marks_in(output.encode()) == []


def test_name_of_a_member_is_shown_once_by_predict_and_written_nowhere_else(
    planted_training: Training, tmp_path: Path, said: Heard
) -> None:
    members = {f"{FOLDER}/1.dcm": dicom_seeds()["plain"], f"{FOLDER}/2.dcm": dicom_seeds()["plain"][:900]}
    (tmp_path / "a.zip").write_bytes(zipped(members))
    output = said("predict", str(tmp_path / "a.zip"), "--model", str(planted_training.run), code=3)
    # one series goes by the name of the archive as it was typed
    assert marks_in(output.encode(), ALL) == []
