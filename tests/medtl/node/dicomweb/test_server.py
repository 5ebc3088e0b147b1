"""The DICOMweb service of a spool: what comes in by STOW-RS, and results by QIDO-RS and WADO-RS."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage
from pynetdicom.dsutils import create_file_meta, encode, encode_file_meta
from starlette.testclient import TestClient

from medtl.node import place
from medtl.node.dicomweb import server, stow
from medtl.node.intake import Intake
from medtl.node.spool import Spool
from shared.web import receiving
from shared.web.guard import Access
from tests.medtl.node.test_listener import identifiers, series_of

TOKEN = "0123456789abcdef"
BOUNDARY = "b0undary"
STOW = {"content-type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'}
WADO = {"Accept": 'multipart/related; type="Application/DICOM"; transfer-syntax=*'}


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool")
    yield made
    made.close()


@pytest.fixture
def client(spool: Spool) -> TestClient:
    app = server.build_app(spool, Access(TOKEN, frozenset({"testserver"})))
    return TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"}, base_url=f"http://testserver{server.ROOT}/")


def file_of(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def parts(*files: bytes, end: bool = True) -> bytes:
    made = b"".join(
        f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + one + b"\r\n" for one in files
    )
    return made + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


def stored(client: TestClient, *files: bytes, to: str = "studies", **headers: str) -> Any:
    return client.post(to, content=parts(*files), headers={**STOW, **headers})


def reasons(answer: Any, sequence: str, tag: str) -> list[int]:
    return [one[tag]["Value"][0] for one in answer.json().get(sequence, {"Value": []})["Value"]]


def result_of(number: int, series: int = 1, **tags: Any) -> Dataset:
    """A report on `series_of(number)`."""
    one = series_of(number, slices=1)[0]
    one.SOPClassUID, one.Modality, one.Manufacturer = BasicTextSRStorage, "SR", "medtl"
    one.SeriesInstanceUID, one.SOPInstanceUID = f"2.25.7{number}{series}", f"2.25.9{number}{series}"
    for keyword, value in tags.items():
        setattr(one, keyword, value)
    return one


def judge(spool: Spool, *results: Dataset) -> Path:
    """Makes these the results of a series of their own; gives the folder of the revision."""
    name = spool.name(*(str(one.SOPInstanceUID) for one in results))
    spool.store(name, "1", b"content")
    batch = spool.take(0)
    assert batch is not None
    for number, one in enumerate(results, start=1):
        (batch.out / f"{number:03d}.dcm").write_bytes(file_of(one))
    spool.commit(batch)
    spool.end(batch, None)
    return spool.root / "results" / name / "1"


def held(spool: Spool, folder: str = "series") -> list[Path]:
    return sorted(spool.root.glob(f"{folder}/*/*"))


def test_without_the_token_nobody_is_let_in(spool: Spool, client: TestClient) -> None:
    judge(spool, result_of(1))
    for words in ({"authorization": "Bearer wrong"}, {"authorization": ""}):
        refused = client.get("studies", headers=words)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert stored(client, file_of(series_of(1)[0]), **words).status_code == 401
    assert len(held(spool)) == 1


def test_instances_come_in_and_are_to_be_judged(spool: Spool, client: TestClient, tmp_path: Path) -> None:
    images = series_of(1)
    media_type = STOW["content-type"].replace("application/dicom", "Application/DICOM")  # RFC 9110: alike
    answer = stored(client, *map(file_of, images), **{"content-type": media_type})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    named = [one["00081155"]["Value"][0] for one in answer.json()["00081199"]["Value"]]
    assert named == [one.SOPInstanceUID for one in images]
    # required, and empty: received images are not given out
    assert [one["00081190"] for one in (answer.json(), *answer.json()["00081199"]["Value"])] == [{"vr": "UR"}] * 4
    batch = spool.take(0)
    assert batch is not None
    read = [pydicom.dcmread(path) for path in batch.folder.iterdir()]
    assert {one.SOPInstanceUID for one in read} == set(named)
    spool.end(batch, None)


def test_the_same_bytes_are_success_by_either_way_and_other_bytes_a_warning(spool: Spool, client: TestClient) -> None:
    (image, *_) = series_of(1)
    meta = create_file_meta(
        sop_class_uid=image.SOPClassUID,
        sop_instance_uid=image.SOPInstanceUID,
        transfer_syntax=image.file_meta.TransferSyntaxUID,
    )
    body = encode(image, is_implicit_vr=False, is_little_endian=True)
    assert body is not None
    by_dimse = bytes(128) + b"DICM" + encode_file_meta(meta) + body  # as pynetdicom hands it on
    assert Intake(spool).take(lambda: by_dimse, instance=image.SOPInstanceUID).status == 0
    image.preamble = b"MZ" + bytes(126)
    image.file_meta.SourceApplicationEntityTitle = "ELSEWHERE"
    answers = [stored(client, file_of(image)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [path.read_bytes() for path in held(spool)] == [by_dimse]
    image.InstitutionName = "elsewhere"
    answer = stored(client, file_of(image))
    assert answer.status_code == 202
    assert reasons(answer, "00081199", "00081196") == [0xB000]


def test_each_instance_is_taken_or_refused_by_itself(
    spool: Spool, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good, without = series_of(1)[0], series_of(2, slices=1, SeriesInstanceUID="")[0]
    answer = stored(client, file_of(without), b"", b"no DICOM", file_of(good), file_of(good)[:200])
    assert answer.status_code == 202
    assert len(reasons(answer, "00081199", "00081155")) == 1
    assert reasons(answer, "00081198", "00081197") == [0xA900]
    assert reasons(answer, "0008119A", "00081197") == [0xC000] * 3
    assert len(held(spool)) == 1
    assert stored(client, b"").status_code == 409
    elsewhere = stored(client, file_of(good), to=f"studies/{without.StudyInstanceUID}")
    assert (elsewhere.status_code, reasons(elsewhere, "00081198", "00081197")) == (409, [0xA900])
    told = "".join(one.getMessage() for one in caplog.records if one.name.startswith(("medtl", "shared")))
    assert told.count("an object was refused") == 6
    assert not [word for number in (1, 2) for word in identifiers(number) if word in told]


def test_reports_and_answers_are_stored_and_not_judged(spool: Spool, client: TestClient) -> None:
    foreign = result_of(1, Manufacturer="elsewhere")
    assert stored(client, file_of(foreign), file_of(result_of(2))).status_code == 200
    assert len(held(spool, "others")) == 2
    assert held(spool) == []


def test_without_room_nothing_is_acknowledged(
    spool: Spool, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=0, total=1 << 40)
    monkeypatch.setattr(place.shutil, "disk_usage", lambda _: usage)
    large = series_of(1, slices=1, EncapsulatedDocument=b"\0" * (2 * stow.MEMORY_BYTES))[0]
    for one in (series_of(1)[0], large):
        answer = stored(client, file_of(one))
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        (sequence,) = set(answer.json()) - {"00081190"}
        assert reasons(answer, sequence, "00081197") == [0xA700]
    assert held(spool) == []
    usage.free = 1 << 39
    assert stored(client, file_of(series_of(1)[0])).status_code == 200
    assert stored(client, file_of(large)).status_code == 202  # the same UID
    assert list((spool.root / "partial").iterdir()) == []


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"x", {"content-type": "application/dicom"}, 415, "multipart/related"),
        (b"x", {"content-type": "multipart/related; type=application/dicom"}, 415, "boundary"),
        (b"x", {**STOW, "content-type": STOW["content-type"].replace("/dicom", "/json")}, 415, "multipart/related"),
        (b"x", {**STOW, "content-encoding": "gzip"}, 415, "content encoding"),
        (b"garbage", STOW, 400, "damaged"),
        (parts(b"x").replace(BOUNDARY.encode(), b"another"), STOW, 400, "damaged"),
        (parts(b"x"), {**STOW, "content-type": STOW["content-type"] + "x" * 300}, 400, "boundary"),
        (parts(b"x").replace(b"application/dicom", b"text/plain"), STOW, 415, "a part is not application/dicom"),
        (parts(), STOW, 400, "no instance"),
        (parts(*[b""] * 21), STOW, 413, "more than 20 instances"),
        (parts(b"x" * 5000), STOW, 413, "an object has more than 0 MiB"),
        (parts(*[b"x" * 900] * 8), STOW, 413, "larger than"),
    ],
)
def test_what_is_no_request_of_instances_is_refused_in_one_line(
    spool: Spool,
    client: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    body: bytes,
    headers: dict[str, str],
    status: int,
    said: str,
) -> None:
    monkeypatch.setattr(server, "MAX_PARTS", 20)
    monkeypatch.setattr(server, "MAX_BYTES", 6000)
    monkeypatch.setattr(stow, "MAX_OBJECT_BYTES", 2000)
    answer = client.post("studies", content=body, headers=headers)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text
    assert held(spool) == []


def test_of_a_request_that_breaks_off_what_came_whole_is_kept(
    spool: Spool, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = map(file_of, series_of(1))
    answer = client.post("studies", content=parts(first, second, end=False)[:-20], headers=STOW)
    assert (answer.status_code, "ends too soon" in answer.json()["detail"]) == (400, True)
    assert len(held(spool)) == 1

    async def nothing_comes(body: Any) -> Any:
        raise receiving.RequestRefused("no byte arrived for 30 s", 408)
        yield b""

    monkeypatch.setattr(receiving, "_unstalled", nothing_comes)
    assert stored(client, first).status_code == 408


@pytest.mark.parametrize("bound", ["MAX_ASSOCIATIONS", "MAX_OF_PEER"])
def test_above_so_many_requests_senders_are_told_to_wait(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(server, bound, 1)
    assert [stored(client, file_of(one)).status_code for one in series_of(1)[:2]] == [200, 200]  # one after the other
    monkeypatch.setattr(server, bound, 0)
    answer = stored(client, file_of(series_of(1)[0]))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


def search(client: TestClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def uids(found: Sequence[dict[str, Any]], tag: str) -> list[str]:
    return [one[tag]["Value"][0] for one in found]


def test_results_are_found_at_every_level(spool: Spool, client: TestClient) -> None:
    first = [result_of(1), result_of(1, series=2, Modality="OT", StudyDate="20260304")]
    judge(spool, *first)
    judge(spool, result_of(2, StudyDate="20260102"))
    study, study2 = first[0].StudyInstanceUID, result_of(2).StudyInstanceUID
    found = search(client, "studies")
    assert uids(found, "0020000D") == [study, study2]
    assert found[0]["00201206"]["Value"] == [2]
    assert found[0]["00080061"]["Value"] == ["OT", "SR"]
    assert found[0]["00100010"]["Value"] == [{"Alphabetic": "SURNAME0001^Given"}]
    assert found[0]["00081190"]["Value"] == [f"http://testserver/dicom-web/studies/{study}"]
    assert uids(search(client, f"studies/{study}/series?Modality=OT"), "0020000E") == ["2.25.712"]
    assert uids(search(client, f"studies/{study}/series/2.25.711/instances"), "00080018") == ["2.25.911"]
    for query, expected in {
        f"StudyInstanceUID={study}": ["2.25.911", "2.25.912"],
        f"0020000D={study2},{study}": ["2.25.911", "2.25.912", "2.25.921"],
        "SeriesInstanceUID=2.25.712": ["2.25.912"],
        "PatientID=PID-0002": ["2.25.921"],
        "PatientID=PID-000?&includefield=all": ["2.25.911", "2.25.912", "2.25.921"],
        "PatientName=surname0001*": ["2.25.911", "2.25.912"],
        "PatientID=" + 20 * "*0": [],
        "StudyDate=20260101-20260201": ["2.25.921"],
        "StudyDate=-20260101": [],
        "ModalitiesInStudy=OT": ["2.25.911", "2.25.912"],
        "ModalitiesInStudy=OT&Modality=SR": ["2.25.911"],
        "ModalitiesInStudy=MR": [],
        "ReferringPhysicianName=nobody&SeriesNumber=1&InstanceNumber=1": [],
        "limit=1&offset=1": ["2.25.912"],
        "limit=0": [],
    }.items():
        assert uids(search(client, f"instances?{query}"), "00080018") == expected, query
    assert "There are 2 additional" in client.get("instances?limit=1").headers["warning"]
    assert "fuzzymatching" in client.get("instances?fuzzymatching=true").headers["warning"]


def test_results_are_retrieved_whole(spool: Spool, client: TestClient) -> None:
    results = [result_of(1), result_of(1, series=2)]
    folder = judge(spool, *results)
    study = results[0].StudyInstanceUID
    for path, files in (
        (f"studies/{study}", ["001.dcm", "002.dcm"]),
        (f"studies/{study}/series/2.25.712", ["002.dcm"]),
        (f"studies/{study}/series/2.25.712/instances/2.25.912", ["002.dcm"]),
    ):
        answer = client.get(path, headers=WADO)
        assert answer.status_code == 200
        boundary = answer.headers["content-type"].partition("boundary=")[2].encode()
        heads = [one.partition(b"\r\n\r\n") for one in answer.content.split(b"--" + boundary)[1:-1]]
        assert [body.removesuffix(b"\r\n") for _, _, body in heads] == [(folder / name).read_bytes() for name in files]
    tree = client.get(f"studies/{study}/metadata").json()
    assert uids(tree, "00080018") == ["2.25.911", "2.25.912"]
    assert client.get(f"studies/{study}", headers={"Accept": "application/json"}).status_code == 406
    other = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50'}
    assert client.get(f"studies/{study}", headers=other).status_code == 406
    assert client.get("studies/1.2.3", headers=WADO).status_code == 404
    (folder / "002.dcm").unlink()
    assert client.get(f"studies/{study}/series/2.25.712/metadata").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "studies/..%2f..%2fkey",
        "studies/../../../key",
        "studies/1.2.3/series/..%2f..%2f..",
        "studies/1.2.3/series/1.2/instances/%00",
        "studies/" + "1" * 65,
        "studies/1.2,1.3",
        "studies?StudyInstanceUID=../key",
        "studies?StudyInstanceUID=1.2%0A",
        "studies?limit=-1",
        "studies?offset=x",
        "studies?StudyDate=yesterday",
        "studies?PatientComments=x",
        "studies?99999999=x",
        "studies?PatientID=" + "x" * 65,
        "nowhere",
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_file_is_opened(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (400, 404)
    assert answer.json()["detail"]


def test_a_damaged_entry_hides_itself_alone(spool: Spool, client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(1, 6):
        judge(spool, result_of(number))
    one, two, three, four = sorted(spool.root.glob("results/*/1"))[:4]
    (one / "001.dcm").write_bytes(b"")
    (two / "001.dcm").write_bytes((two / "001.dcm").read_bytes()[:300])
    (three / "record.json").write_bytes(b"")
    (four / "001.dcm").unlink()
    (four / "001.dcm").mkdir()
    (spool.root / "results" / ".snapshot" / "1").mkdir(parents=True)
    (spool.root / "results" / ".DS_Store").touch()
    (one / "SURNAME0001.dcm").touch()  # a foreign file, by hand
    found = search(client, "instances")
    assert len(found) == 2
    assert caplog.text.count("cannot be read, and is not listed") == 3
    assert "SURNAME" not in caplog.text
    assert search(client, "instances") == found
    (one / "001.dcm").write_bytes(file_of(result_of(6)))  # judged again
    assert len(search(client, "instances")) == 3
