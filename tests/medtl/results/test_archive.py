"""What other programs make of the objects: dcmtk's readers, and an archive that receives them after the images."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydicom
import pytest

from medtl.inputs import read_inputs
from medtl.node.results import plain_report
from medtl.results.objects import result_objects
from medtl.results.writer import write_objects
from tests.programs import outside

ORTHANC = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
START_SECONDS = 20


NEWER_THAN_CHECKER = "(0008,001c)"
"""Synthetic Data, which phantoms state: DICOM has it since 2022, the checker of Debian 12 does not know it."""


@pytest.fixture
def written(judged: Any, tmp_path: Path) -> list[Path]:
    return write_objects(result_objects(judged.item, judged.answer, judged.record, judged.maps), tmp_path / "results")


def told(tool: str, *arguments: str | Path) -> str:
    """Runs a tool of dcmtk or dicom3tools that must succeed; what it says on both streams."""
    path = outside(tool)
    if path is None:
        pytest.skip(f"dcmtk or dicom3tools is not installed: there is no {tool}")
    done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_dcmtk_reads_every_object_without_complaint(written: list[Path]) -> None:
    for path in written:
        said = told("dcmdump", "+E", path)
        assert not [line for line in said.splitlines() if line.startswith(("W:", "E:"))]


def test_dcmtk_reads_the_report_as_a_document(written: list[Path]) -> None:
    said = told("dsrdump", "+Pl", written[0])
    assert said.startswith("Comprehensive SR Document")
    assert '"Finding")=(T-SUSPECTED,99MEDTL,"Tumour suspected")' in said
    assert '"Finding category")=(108369006,SCT,"Neoplasm")' in said
    assert '"Probability")="0.9"' in said
    # of the group, and one for the probability of each slice
    assert said.count('"Source of Measurement")=(MR image') == 4 + 4
    # its checker of values knows no UTF-8; anything else it says would be a fault
    complaints = [line for line in said.splitlines() if line.startswith(("W:", "E:"))]
    assert all("does not support this Specific Character Set" in line for line in complaints)


def test_a_validator_finds_no_error_in_any_object(
    written: list[Path], unlike: Any, undecided: Any, refused: Any, tmp_path: Path
) -> None:
    paths = list(written)
    for one in (unlike, undecided, refused):
        paths += write_objects(result_objects(one.item, one.answer, one.record), tmp_path / "results")
    predictor: Any = SimpleNamespace(name="run-1", record=refused.record)
    plain = plain_report(refused.folder, [refused.answer], predictor)
    plain.save_as(tmp_path / "plain.dcm", enforce_file_format=True)
    for path in (*paths, tmp_path / "plain.dcm"):
        said = told("dciodvfy", "-new", path)
        errors = [line for line in said.splitlines() if line.startswith("Error") and NEWER_THAN_CHECKER not in line]
        assert errors == [], path.name


def test_faults_of_the_source_are_not_handed_on(judged: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in judged.folder.iterdir():
        source = pydicom.dcmread(path)
        source.ProcedureCodeSequence = []
        source.add_new("PatientAge", "AS", "042Y")
        source["PatientAge"]._value = "42"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source.save_as(tmp_path / path.name)
    (item,) = read_inputs([tmp_path])
    for made in result_objects(item, judged.answer, judged.record, judged.maps):
        assert "ProcedureCodeSequence" not in made
        assert "PatientAge" not in made
    assert "invalid PatientAge" in caplog.text


def test_without_a_body_part_pictures_and_maps_state_that_their_side_is_not_known(judged: Any, tmp_path: Path) -> None:
    for path in judged.folder.iterdir():
        source = pydicom.dcmread(path)
        del source.BodyPartExamined
        source.save_as(tmp_path / path.name)
    (item,) = read_inputs([tmp_path])
    _, *made = result_objects(item, judged.answer, judged.record, judged.maps)
    assert [one.Laterality for one in made] == [""] * 4
    assert not any("BodyPartExamined" in one for one in made)


@dataclass(frozen=True)
class Archive:
    """An Orthanc that listens on this machine only."""

    http_port: int
    dicom_port: int

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as answer:
            return json.load(answer)

    def store(self, *paths: Path) -> None:
        told("storescu", "-R", "-aec", "ORTHANC", "127.0.0.1", str(self.dicom_port), *paths)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    if ORTHANC is None:
        pytest.skip("Orthanc is not installed")
    made = Archive(free_port(), free_port())
    settings = {
        "Name": "TEST",
        "StorageDirectory": str(tmp_path / "storage"),
        "IndexDirectory": str(tmp_path / "storage"),
        "Plugins": [],
        "RemoteAccessAllowed": False,
        "HttpPort": made.http_port,
        "DicomPort": made.dicom_port,
        "DicomAet": "ORTHANC",
        "DicomAlwaysAllowStore": True,
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    with (tmp_path / "orthanc.log").open("w") as log:
        server = subprocess.Popen([ORTHANC, str(tmp_path / "orthanc.json")], stdout=log, stderr=log)
        try:
            _await(made, server, tmp_path / "orthanc.log")
            yield made
        finally:
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _await(archive: Archive, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()
        try:
            archive.get("/system")
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"Orthanc did not answer within {START_SECONDS} s: {log.read_text()}")


def test_archive_lists_results_beside_the_images_and_keeps_one_of_each(
    archive: Archive, judged: Any, written: list[Path], tmp_path: Path
) -> None:
    images = [Path(one.source) for one in judged.item.origins]
    archive.store(*images, *written)
    (study,) = archive.get("/studies?expand")
    source = pydicom.dcmread(images[0])
    assert study["MainDicomTags"]["StudyInstanceUID"] == source.StudyInstanceUID
    assert study["PatientMainDicomTags"]["PatientID"] == source.PatientID
    stored = {one["MainDicomTags"]["SOPInstanceUID"] for one in archive.get("/instances?expand")}
    assert stored == {pydicom.dcmread(path).SOPInstanceUID for path in (*images, *written)}
    series = {
        (one["MainDicomTags"]["Modality"], one["MainDicomTags"].get("SeriesDescription", "")): len(one["Instances"])
        for one in archive.get("/series?expand")
    }
    assert series == {
        ("MR", "SYNTHETIC T1 post contrast"): 4,
        ("SR", "medtl report (RESEARCH USE ONLY)"): 1,
        ("OT", "medtl slices (RESEARCH USE ONLY)"): 3,
        ("OT", "medtl attribution (RESEARCH USE ONLY)"): 1,
    }

    again = result_objects(judged.item, judged.answer, judged.record, judged.maps)
    archive.store(*write_objects(again, tmp_path / "again"))
    assert {one["MainDicomTags"]["SOPInstanceUID"] for one in archive.get("/instances?expand")} == stored
