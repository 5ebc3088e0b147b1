"""A real archive on both sides of the node and of `predict`: by DICOMweb, and by DICOM's own protocol over TLS."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest
from typer.testing import CliRunner

from medtl.cli import app
from medtl.phantom.dataset import write_phantom
from tests.certificates import made, needs_openssl
from tests.medtl.node.test_listener import COMMAND, ORTHANC, Node, Orthanc, free_port, until

PLUGIN = next(Path("/usr").glob("*/orthanc/plugins/libOrthancDicomWeb.so"), None)
TOKEN = "0123456789abcdef"
needs_orthanc = pytest.mark.skipif(not Path(ORTHANC).exists(), reason="needs Orthanc")
needs_plugin = pytest.mark.skipif(PLUGIN is None, reason="needs the DICOMweb plug-in of Orthanc")
pytestmark = pytest.mark.slow


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """The instances of one synthetic study."""
    write_phantom(tmp_path / "phantom", patients=1, scanners=("atlas",), kinds=("glioma",), slices=3)
    found = [(path, pydicom.dcmread(path, stop_before_pixels=True)) for path in (tmp_path / "phantom").rglob("*.dcm")]
    study = found[0][1].StudyInstanceUID
    return [path for path, stated in found if stated.StudyInstanceUID == study]


def study_of(images: Sequence[Path]) -> str:
    return str(pydicom.dcmread(images[0], stop_before_pixels=True).StudyInstanceUID)


def reports(archive: Orthanc) -> list[dict[str, Any]]:
    return [one for one in archive.objects() if one["Modality"] == "SR"]


def listening(folder: Path, *words: str) -> Node:
    (folder / "command.py").write_text(COMMAND)
    port = free_port()
    common = ["-v", "listen", "--port", str(port), "--series-timeout", "1", "--spool", str(folder / "spool")]
    return Node([sys.executable, str(folder / "command.py"), *common, *words], port, folder / "log")


@needs_orthanc
@needs_plugin
def test_predict_takes_a_study_from_the_archive_and_stores_the_answer_there(
    tmp_path: Path, images: list[Path], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = {"AuthenticationEnabled": True, "RegisteredUsers": {"me": "secret"}}
    archive = Orthanc(tmp_path / "orthanc", Plugins=[str(PLUGIN)], **users)
    with archive.running():
        for path in images:
            archive.get("/instances", path.read_bytes())
        address = f"dicomweb://127.0.0.1:{archive.http}/dicom-web/studies/{study_of(images)}"
        words = ["predict", "--from", address, "--store", "--model", str(tiny_model)]
        refused = CliRunner().invoke(app, words)
        assert (refused.exit_code, "asks for credentials" in refused.output) == (1, True)
        monkeypatch.setenv("MEDTL_DICOMWEB_CREDENTIALS", "me:secret")
        answered = CliRunner().invoke(app, words)
        assert answered.exit_code in (0, 4), answered.output
        assert [one["StudyInstanceUID"] for one in reports(archive)] == [study_of(images)]
        count = len(archive.objects())
        assert count == 2 * len(images) + 1
        again = CliRunner().invoke(app, words)  # of what it then holds, answers are not judged, and are the same ones
        assert again.exit_code == answered.exit_code, again.output
        assert len(archive.objects()) == count


@needs_orthanc
@needs_plugin
@needs_openssl
def test_an_archive_stores_into_the_node_and_finds_the_results_by_dicomweb_over_tls(
    tmp_path: Path, images: list[Path], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDTL_TOKEN", TOKEN)
    ours, web = made(tmp_path, "ours"), free_port()
    server = {"Url": f"https://127.0.0.1:{web}/dicom-web/", "HttpHeaders": {"Authorization": f"Bearer {TOKEN}"}}
    archive = Orthanc(
        tmp_path / "orthanc",
        Plugins=[str(PLUGIN)],
        DicomWeb={"Servers": {"node": server}},
        HttpsVerifyPeers=True,
        HttpsCACertificates=str(ours.certificate),
    )
    words = ["--dicomweb", str(web), "--tls-certificate", str(ours.certificate), "--tls-key", str(ours.key)]
    node = listening(tmp_path, *words, "--model", str(tiny_model))
    study = study_of(images)
    with archive.running(), node.running():
        for path in images:
            archive.get("/instances", path.read_bytes())
        sent = {"Resources": archive.get("/studies"), "Synchronous": True}
        archive.get("/dicom-web/servers/node/stow", json.dumps(sent).encode())
        question = json.dumps({"Uri": "/studies", "Arguments": {"StudyInstanceUID": study}}).encode()
        assert until(lambda: bool(archive.get("/dicom-web/servers/node/qido", question))), node.log.read_text()
        assert reports(archive) == []
        wanted = json.dumps({"Resources": [{"Study": study}], "Synchronous": True}).encode()
        archive.get("/dicom-web/servers/node/retrieve", wanted)
        (report,) = reports(archive)
        assert report["StudyInstanceUID"] == study
        assert len(archive.objects()) == 2 * len(images) + 1
    assert study not in node.log.read_text()


@needs_orthanc
@needs_openssl
def test_an_archive_and_the_node_send_to_each_other_over_tls(
    tmp_path: Path, images: list[Path], tiny_model: Path
) -> None:
    ours, theirs = made(tmp_path, "ours"), made(tmp_path, "theirs")
    words = ["--tls-certificate", str(ours.certificate), "--tls-key", str(ours.key)]
    node = listening(tmp_path, *words, "--tls-authority", str(theirs.certificate), "--model", str(tiny_model))
    archive = Orthanc(
        tmp_path / "orthanc",
        DicomTlsEnabled=True,
        DicomTlsCertificate=str(theirs.certificate),
        DicomTlsPrivateKey=str(theirs.key),
        DicomTlsTrustedCertificates=str(ours.certificate),
        DicomModalities={"node": {"AET": "MEDTL", "Host": "127.0.0.1", "Port": node.port, "UseDicomTls": True}},
    )
    node.command += ["--forward", f"ARCHIVE@127.0.0.1:{archive.port}"]
    with archive.running(), node.running():
        for path in images:
            archive.get("/instances", path.read_bytes())
        archive.get("/modalities/node/store", json.dumps(archive.get("/studies")).encode())
        assert until(lambda: len(archive.objects()) == 2 * len(images) + 1), node.log.read_text()
        (report,) = reports(archive)
    assert report["StudyInstanceUID"] == study_of(images)
