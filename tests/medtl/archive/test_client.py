"""Images from an archive and results back to it: one that this test plays, friendly and hostile."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pydicom
import pytest
from typer.testing import CliRunner

import medtl
from medtl.archive import client
from medtl.archive.address import CREDENTIALS_VARIABLE
from medtl.archive.fetched import Fetched
from medtl.cli import app
from medtl.node.dicomweb.server import DicomwebServer
from medtl.node.spool import Spool
from medtl.phantom.dataset import write_phantom
from shared.errors import DataError, UsageError
from shared.io import private_folders
from shared.web.guard import Access
from tests.certificates import made, needs_openssl
from tests.medtl.node.dicomweb.test_server import BOUNDARY, file_of, parts, result_of
from tests.medtl.node.test_listener import free_port, series_of

KIND = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
STUDY = str(series_of(1)[0].StudyInstanceUID)


class Played:
    """An archive: what it answers, and what it was asked and sent."""

    def __init__(self) -> None:
        self.status, self.kind, self.body = 200, KIND, parts(*map(file_of, series_of(1)))
        self.stored: tuple[int, Any] = 200, None
        self.asked: list[tuple[str, str | None]] = []
        self.sent: list[bytes] = []
        self.place = ""

    @contextmanager
    def running(self) -> Iterator[Played]:
        """Answers while the body runs."""
        played = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                played.asked.append((self.path, self.headers["Authorization"]))
                self._answer(played.status, played.kind, played.body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
                files = [one.partition(b"\r\n\r\n")[2][:-2] for one in body.split(b"--" + boundary)[1:-1]]
                played.sent += files
                status, tree = played.stored
                named = {"00081199": {"vr": "SQ", "Value": [{}] * len(files)}}
                told = tree if isinstance(tree, bytes) else json.dumps(named if tree is None else tree).encode()
                self._answer(status, "application/dicom+json", told)

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Location", "http://127.0.0.1:9/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.place = f"dicomweb://127.0.0.1:{server.server_address[1]}/dicom-web"
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


@pytest.fixture
def archive() -> Iterator[Played]:
    with Played().running() as played:
        yield played


@pytest.fixture(autouse=True)
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which images are held, of this test alone; nothing is left in it."""
    folder = tmp_path / "private"
    monkeypatch.setattr("medtl.archive.fetched.uploads_root", lambda: folder)
    yield folder
    assert private_folders.folders_in(folder) == []


def test_images_are_fetched_and_deleted(archive: Played, private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CREDENTIALS_VARIABLE, "me:secret")
    images = [file_of(one) for one in series_of(1)]
    archive.body = parts(images[0], file_of(result_of(1)), images[1], file_of(result_of(1, Manufacturer="elsewhere")))
    with Fetched(f"{archive.place}/studies/{STUDY}") as study:
        assert sorted(path.read_bytes() for path in study.images.iterdir()) == sorted(images[:2])
        assert study.images.stat().st_mode & 0o077 == 0
    assert private_folders.folders_in(private) == []
    assert archive.asked == [(f"/dicom-web/studies/{STUDY}", "Basic bWU6c2VjcmV0")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"status": 401}, "asks for credentials"),
        ({"status": 403}, "does not allow"),
        ({"status": 404}, "has no such study"),
        ({"status": 302}, "sends elsewhere"),
        ({"status": 500}, "status 500"),
        ({"status": 204, "body": b""}, "status 204"),
        ({"kind": "text/html"}, "does not answer as DICOMweb"),
        ({"kind": "multipart/related"}, "sends no DICOM|no DICOM"),
        ({"body": b"garbage"}, "breaks off or sends no DICOM"),
        ({"body": parts(b"x", end=False)}, "breaks off"),
        ({"body": parts(b"x" * 3000)}, "an object of more than"),
        ({"body": parts(*[b""] * 30)}, "more than 20 objects"),
        ({"body": parts(*[b"x" * 1500] * 8)}, "GiB"),
        ({"body": parts()}, "has no images there"),
        ({"body": parts(file_of(result_of(1)))}, "has no images there; 1 other"),
        ({"body": parts(file_of(series_of(2)[0]))}, "another study"),
    ],
)
def test_what_is_no_study_is_said_in_one_line_and_nothing_is_left(
    archive: Played, private: Path, monkeypatch: pytest.MonkeyPatch, words: dict[str, Any], said: str
) -> None:
    for name, value in words.items():
        setattr(archive, name, value)
    for name, value in (("MAX_OBJECTS", 20), ("MAX_OBJECT_BYTES", 2000), ("MAX_BYTES", 10_000)):
        monkeypatch.setattr(client, name, value)
    with pytest.raises(DataError, match=said) as refused:
        Fetched(f"{archive.place}/studies/{STUDY}")
    assert STUDY not in str(refused.value)
    assert private_folders.folders_in(private) == []
    assert len(archive.asked) == 1


def test_from_python_arguments_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"^address is no address of a study or series"):
        medtl.fetched("nonsense")
    with pytest.raises(UsageError, match=r"^authority is for an archive over TLS"):
        medtl.fetched("dicomweb://h/studies/1", authority="any.pem")
    monkeypatch.setenv(CREDENTIALS_VARIABLE, "a b")
    with pytest.raises(UsageError, match=rf"^{CREDENTIALS_VARIABLE}: these are no credentials"):
        medtl.fetched("dicomwebs://h/studies/1")


def test_who_is_not_there_or_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="cannot be reached"):
        Fetched(f"dicomweb://127.0.0.1:{free_port()}/studies/1.2")
    monkeypatch.setattr(client, "SILENT_S", 0.2)
    silent = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    with silent, pytest.raises(DataError, match="cannot be reached, or breaks off"):
        Fetched(f"dicomweb://127.0.0.1:{silent.server_address[1]}/studies/1.2")


def test_a_disk_without_room_is_named_without_the_private_folder(
    archive: Played, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(client._Images, "begin", lambda self, _: full(self._folder / "00001.dcm"))
    with pytest.raises(OSError, match="No space left") as refused:
        Fetched(f"{archive.place}/studies/{STUDY}")
    assert refused.value.filename == str(private.parent)


def test_results_are_stored_or_it_is_said_that_they_are_not(archive: Played, tmp_path: Path) -> None:
    files = [tmp_path / "one.dcm", tmp_path / "two.dcm"]
    for number, path in enumerate(files):
        path.write_bytes(bytes([number]) * 300_000)
    failed = {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [0xA700]}}]}}
    one = {"00081199": {"vr": "SQ", "Value": [{}]}}
    many = {"00081199": {"Value": [{}, {}]}, "00081198": {"Value": [{"00081197": {"Value": [n]}} for n in range(99)]}}
    with Fetched(f"{archive.place}/studies/{STUDY}") as study:
        assert study.store() == 0
        study.results.mkdir()
        (study.results / "one.dcm").write_bytes(files[0].read_bytes())
        assert study.store() == 1
        archive.sent.clear()
        assert study.store(files) == 2
        assert archive.sent == [path.read_bytes() for path in files]
        for answer, said in (
            ((202, failed | one), r"stored 1 of 2 results \(reason 0xA700\)"),
            ((409, failed), "stored 0 of 2"),
            ((200, one), "stored 1 of 2"),
            ((200, []), "stored 0 of 2"),
            ((200, {"00081199": {"Value": "ab"}}), "stored 0 of 2"),
            ((200, many), r"stored 2 of 2 results \(reason 0x0000, 0x0001, 0x0002, \.\.\.\); see"),
            ((200, b"[" * 100_000), "stored 0 of 2"),
            ((200, b'{"00081198": {"Value": [{"00081197": {"Value": [1e999]}}]}}'), "stored 0 of 2"),
            ((401, {}), "asks for credentials"),
            ((507, {}), "status 507"),
        ):
            archive.stored = answer
            with pytest.raises(DataError, match=said):
                study.store(files)


def test_the_command_judges_a_study_and_stores_the_answer(
    archive: Played, private: Path, tmp_path: Path, tiny_model: Path
) -> None:
    write_phantom(tmp_path / "phantom", patients=1, scanners=("atlas",), kinds=("glioma",), slices=2)
    images = sorted((tmp_path / "phantom").rglob("*.dcm"))
    archive.body = parts(*(path.read_bytes() for path in images))

    uid = pydicom.dcmread(images[0]).StudyInstanceUID
    words = ["predict", "--from", f"{archive.place}/studies/{uid}", "--model", str(tiny_model)]
    result = CliRunner().invoke(app, [*words, "--store"])
    assert result.exit_code in (0, 4), result.output
    assert f"stored in http://{archive.place[11:].partition('/')[0]}: 3 DICOM objects" in result.output
    assert len(archive.sent) == 3
    assert "report-" not in result.output
    assert uid not in result.output
    place = f"http://{archive.place[11:].partition('/')[0]}"
    assert f"\n{place}: " in result.output
    told = result.output
    kept, out = tmp_path / "kept", tmp_path / "out"
    result = CliRunner().invoke(app, [*words, "--store", "--dicom", str(kept), "--out", str(out), "--json"])
    answer = json.loads(result.stdout)
    assert (answer["input"], answer["series"]["first_file"]) == (place, f"{place}/00001.dcm")
    told += result.output + (out / "predictions.jsonl").read_text()
    assert str(private) not in told
    assert not [one for one in archive.sent if str(private).encode() in one]
    assert set(answer["dicom"]) == {path.name for path in (tmp_path / "kept").iterdir()}
    assert sorted(path.read_bytes() for path in (tmp_path / "kept").iterdir()) == sorted(archive.sent[3:])
    assert private_folders.folders_in(private) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "PATH... is missing"),
        (["scan.dcm", "--from", "dicomweb://h/studies/1"], "--from stands in place of PATH"),
        (["scan.dcm", "--store"], "--store is for an archive; give --from too"),
        (["--from", "nonsense"], "--from is no address"),
        (["--from", "dicomwebs://h/studies/1", "--tls-authority", "nowhere.pem"], "there is no such file"),
        (
            ["--from", "dicomweb://h/studies/1", "--tls-authority", "any.pem"],
            "--tls-authority is for an archive over TLS",
        ),
    ],
)
def test_words_that_do_not_go_together_are_said(words: list[str], said: str, tiny_model: Path) -> None:
    result = CliRunner().invoke(app, ["predict", *words, "--model", str(tiny_model)])
    assert result.exit_code == 2
    assert said in result.output


def test_a_model_that_is_not_there_is_said_before_anything_is_fetched(tmp_path: Path) -> None:
    nobody = f"dicomweb://127.0.0.1:{free_port()}/studies/1.2.3"
    result = CliRunner().invoke(app, ["predict", "--from", nobody, "--model", str(tmp_path / "nowhere")])
    assert (result.exit_code, "nowhere" in result.output, "127.0.0.1" in result.output) == (2, True, False), (
        result.output
    )


@needs_openssl
def test_over_tls_an_archive_is_known_by_its_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, others = made(tmp_path, "ours"), made(tmp_path, "others")
    spool, port = Spool(tmp_path / "spool"), free_port()
    monkeypatch.setenv(CREDENTIALS_VARIABLE, "0123456789abcdef")
    context = type(ours)(ours.certificate, ours.key).for_server()
    server = DicomwebServer(spool, "127.0.0.1", port, Access("0123456789abcdef", frozenset({"127.0.0.1"})), context)
    server.start()
    address = f"dicomwebs://127.0.0.1:{port}/dicom-web/studies/{STUDY}"
    try:
        with pytest.raises(DataError, match=r"certificate that is not trusted .*--tls-authority"):
            Fetched(address, authority=others.certificate)
        with pytest.raises(DataError, match="cannot be reached"):
            Fetched(address.replace("dicomwebs", "dicomweb"))
        with pytest.raises(DataError, match="has no such study"):
            Fetched(address, authority=ours.certificate)
    finally:
        server.stop()
        spool.close()
