"""UIDs stand in an answer where they are asked for, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pydicom
import pytest
from typer.testing import CliRunner

from medtl.cli import app
from medtl.identifiers import read_identifiers
from medtl.inputs import read_inputs
from shared.task import Item, Origin


def _told(*words: str | Path, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["predict", *map(str, words), "--json"])
    assert result.exit_code == code, result.output
    tree: dict[str, Any] = json.loads(result.stdout)
    return tree


def test_each_slice_is_told_with_its_file_and_on_request_with_its_uid(scanned: Path, tiny_model: Path) -> None:
    plain = _told(scanned, "--model", tiny_model)
    asked = _told(scanned, "--model", tiny_model, "--identifiers")
    files = [one["origin"]["file"] for one in plain["slices"]]
    made = [pydicom.dcmread(path) for path in files]
    assert sorted(files) == sorted(map(str, scanned.iterdir()))
    assert [one["origin"]["instance_number"] for one in plain["slices"]] == [one.InstanceNumber for one in made]
    assert plain["series"] == {
        "format": "DICOM",
        "series_number": 1,
        "plane": "axial",
        "slices": 4,
        "files": 4,
        "first_file": files[0],
    }
    assert not any(one.SOPInstanceUID in json.dumps(plain) for one in made)
    identifiers = asked.pop("identifiers")
    assert asked == plain
    assert identifiers == {
        "study_instance_uid": made[0].StudyInstanceUID,
        "series_instance_uid": made[0].SeriesInstanceUID,
        "instances": [
            {"number": number, "sop_instance_uid": one.SOPInstanceUID, "frame": 1}
            for number, one in enumerate(made, start=1)
        ],
    }
    assert made[0].PatientID not in json.dumps(identifiers)


def test_identifiers_are_refused_where_nothing_could_hold_them(scanned: Path, tiny_model: Path) -> None:
    words = ["predict", str(scanned), "--model", str(tiny_model), "--identifiers"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "give --json or --out too" in result.stderr


@pytest.mark.parametrize("value", ["Planted^Person", "19511224", "1..2", "1.2.", "9.1", "1." + "2" * 64])
def test_what_is_no_uid_is_never_shown(scanned: Path, tmp_path: Path, value: str) -> None:
    made = pydicom.dcmread(next(scanned.iterdir()))
    made.add_new("SOPInstanceUID", "ST", value)
    made.save_as(tmp_path / "a.dcm", enforce_file_format=False)
    (item,) = read_inputs([tmp_path / "a.dcm"])
    found = read_identifiers(item)
    assert found["instances"] == [{"number": 1, "sop_instance_uid": None, "frame": 1}]
    assert found["study_instance_uid"] == made.StudyInstanceUID


def test_a_refused_series_has_an_identifier_for_each_file(scanned: Path, tmp_path: Path) -> None:
    for path in scanned.iterdir():
        made = pydicom.dcmread(path)
        made.BodyPartExamined = "KNEE"
        made.save_as(tmp_path / path.name)
    (item,) = read_inputs([tmp_path])
    assert item.refusal is not None
    uids = {pydicom.dcmread(path).SOPInstanceUID for path in tmp_path.iterdir()}
    assert {one["sop_instance_uid"] for one in read_identifiers(item)["instances"]} == uids


def test_what_was_not_read_from_dicom_or_is_gone_has_none(tmp_path: Path) -> None:
    assert read_identifiers(Item("a.png", origins=(Origin("a.png"),), series={"format": "picture"})) == {}
    gone = Item("a.dcm", origins=(Origin(str(tmp_path / "a.dcm")),), series={"format": "DICOM"})
    assert read_identifiers(gone)["instances"] == [{"sop_instance_uid": None}]
