"""The pages of medtl by every route: each kind of input, each refusal, the worklist, and hostile requests."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Coroutine, Iterator
from copy import copy, deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from medtl.node.judge import SeriesJudge
from medtl.node.spool import Spool
from medtl.task import TASK
from medtl.web import app as serve
from medtl.web.explain import ExplainWork, facts_name
from medtl.web.work import item_folder
from shared.io.atomic import read_json, write_json
from shared.io.pictures import synthetic_png_info
from shared.prediction.predictor import Predictor
from shared.processes.worker import WorkFailed
from shared.runs.folder import finish
from shared.web.guard import Access
from shared.web.uploads import Upload, UploadStore
from tests.medtl.planted import Training

BASE = "http://127.0.0.1:8000"
ACCESS = Access("0123456789abcdef", frozenset({"127.0.0.1"}))
CSRF = {"x-csrf-token": ACCESS.csrf}
ENTERED = {"medtl_session": ACCESS.derived("session")}
HTML = {"accept": "text/html"}

JUDGED, FAILING, WAITING = "aa", "bb", "cc"
"""Names of series in the spool."""


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory, scanned: Path, tiny_model: Path) -> Path:
    """As `medtl listen` leaves it: one series judged, one that waits, one that failed."""
    root = tmp_path_factory.mktemp("listen") / "spool"
    spool = Spool(root)
    for number, path in enumerate(sorted(scanned.iterdir())):
        spool.store(JUDGED, f"{number}", path.read_bytes())
    batch = spool.take(0)
    assert batch is not None
    SeriesJudge(tiny_model).judge(batch.folder, batch.out, lambda *_: None)
    spool.commit(batch)
    spool.end(batch, None)
    spool.store(FAILING, "0", b"x")
    failing = spool.take(0)
    assert failing is not None
    spool.fail(failing, "took more than 900 s")
    spool.end(failing, None)
    spool.store(WAITING, "0", b"x")
    spool.close()
    return root


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, spool: Path) -> Iterator[TestClient]:
    root = tmp_path_factory.mktemp("serve")
    guard = serve.build_app(tiny_model, root / "runs", ACCESS, UploadStore(600, root / "uploads"), spool)
    with TestClient(guard, base_url=BASE, cookies=ENTERED) as client:
        yield client


def send(asked: TestClient, *files: tuple[str, bytes]) -> dict[str, Any]:
    """Uploads files and waits for their answers."""
    sent = asked.post("/api/uploads", files=[("files", file) for file in files], headers=CSRF)
    assert sent.status_code == 202, sent.text
    status: dict[str, Any] = asked.get(f"/api/uploads/{sent.json()['id']}", params={"wait": 30}).json()
    return status


@pytest.fixture(scope="module")
def uploaded(asked: TestClient, scanned: Path) -> dict[str, Any]:
    return send(asked, *((f"scan/{path.name}", path.read_bytes()) for path in sorted(scanned.iterdir())))


def picture(side: int = 64, *, synthetic: bool = True) -> bytes:
    """A picture that says that a program made it: the model is one of synthetic images."""
    stream, info = io.BytesIO(), synthetic_png_info() if synthetic else None
    pixels = np.add.outer(np.arange(side), np.arange(side)).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


def packed(*members: tuple[str, bytes], link: bool = False) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o120777 if link else 0o100644) << 16
            archive.writestr(info, data)
    return stream.getvalue()


def zeros_packed(count: int, size: int) -> bytes:
    """A zip of `count` members of `size` zeros each; only the first is deflated, for that takes seconds."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("00.dcm", bytes(size))
        (first,) = archive.filelist
        deflated = stream.getvalue()[len(first.FileHeader()) :]
        for number in range(1, count):
            info = copy(first)
            info.filename, info.header_offset = f"{number:02d}.dcm", stream.seek(0, io.SEEK_END)
            stream.write(info.FileHeader() + deflated)
            archive.filelist.append(info)
        archive.start_dir = stream.tell()
    return stream.getvalue()


def test_a_folder_is_answered_as_predict_answers_it(uploaded: dict[str, Any], scanned: Path, tiny_model: Path) -> None:
    (item,) = TASK.read_inputs([scanned])
    expected = Predictor(tiny_model, TASK.name, TASK.preprocess).assess(item).to_json(TASK)
    (answer,) = deepcopy(uploaded["answers"])
    names = [Path(origin.source).name for origin in item.origins]
    assert [one["origin"].pop("file") for one in answer["slices"]] == [f"scan/{name}" for name in names]
    assert answer["series"].pop("first_file") == f"scan/{names[0]}"
    del expected["series"]["first_file"]
    for one in expected["slices"]:
        del one["origin"]["file"]
    assert answer == json.loads(json.dumps(expected)) | {"input": "scan"}


def test_the_page_names_the_model_its_training_and_the_series(
    asked: TestClient, uploaded: dict[str, Any], tiny_model: Path
) -> None:
    page = asked.get(f"/uploads/{uploaded['id']}", headers=HTML).text
    assert f"Model <code>{tiny_model.name}</code>, trained 20" in page
    assert "on synthetic images; classes: no_tumour, tumour" in page
    first = uploaded["answers"][0]["slices"][0]["origin"]
    assert f"Read from 4 files, the first <code>{first['file']}</code>: 4 slices, plane axial, series number 1." in page
    assert f"<code>{first['file']}</code>, frame 1, instance number {first['instance_number']}" in page
    assert "/uploads/" not in first["file"]


def test_the_slices_are_those_of_the_scan(asked: TestClient, uploaded: dict[str, Any], scanned: Path) -> None:
    (item,) = TASK.read_inputs([scanned])
    base = f"/api/uploads/{uploaded['id']}/items/0/slices"
    low, high = min(one.min() for one in item.slices), max(one.max() for one in item.slices)
    for number, pixels in enumerate(item.slices, start=1):
        levels = np.frombuffer(asked.get(f"{base}/{number}").content, "<u2").reshape(pixels.shape)
        assert np.allclose(low + levels * (high - low) / 65535, pixels, atol=(high - low) / 65535)
    assert asked.get(f"{base}/0").status_code == 404
    assert asked.get(f"{base}/{len(item.slices) + 1}").status_code == 404


def test_the_page_shows_sides_words_windows_and_what_the_network_saw(
    asked: TestClient, uploaded: dict[str, Any], scanned: Path, tiny_model: Path
) -> None:
    page = asked.get(f"/uploads/{uploaded['id']}", headers=HTML).text
    for edge, side in {"left": "R", "right": "L", "top": "A", "bottom": "P"}.items():
        assert f'<span class="side {edge}" aria-hidden="true">{side}</span>' in page
    assert "<span>T1 with contrast agent, axial</span>" in page
    for words in ("As opened", "Full range", "1–99 %", "Brighter", "Darker"):
        assert f">{words}</button>" in page
    (item,) = TASK.read_inputs([scanned])
    spec = Predictor(tiny_model, TASK.name, TASK.preprocess).record.preprocessing
    base = f"/api/uploads/{uploaded['id']}/items/0/inputs"
    for number, pixels in enumerate(item.slices, start=1):
        shown = np.frombuffer(asked.get(f"{base}/{number}").content, np.uint8)
        assert np.abs(shown / 255 - TASK.preprocess(pixels, spec).reshape(-1)).max() <= 0.5 / 255 + 1e-6
    for number in (0, len(item.slices) + 1):
        assert asked.get(f"{base}/{number}").status_code == 404


def test_a_picture_has_no_marks(asked: TestClient) -> None:
    status = send(asked, ("a.png", picture()))
    page = asked.get(f"/uploads/{status['id']}", headers=HTML).text
    assert 'id="grey"' in page
    assert 'class="side' not in page
    assert 'id="sides"' not in page


def test_the_page_tells_the_decision_and_keeps_names_out_of_title_and_address(
    asked: TestClient, uploaded: dict[str, Any]
) -> None:
    page = asked.get(f"/uploads/{uploaded['id']}", headers=HTML)
    assert page.status_code == 200
    assert any(words in page.text for words in ("Tumour suspected", "No tumour suspected"))
    assert "No sensitivity is certified for this input" in page.text
    assert TASK.disclaimers[0] in page.text
    assert page.text.partition("<title>")[2].startswith("Answer")
    assert "<script>" not in page.text
    assert "style=" not in page.text


@pytest.mark.parametrize("kind", ["file", "files", "zip", "picture"])
def test_each_kind_of_input_is_judged(asked: TestClient, scanned: Path, kind: str) -> None:
    dicom = [(path.name, path.read_bytes()) for path in sorted(scanned.iterdir())]
    files = {
        "file": dicom[:1],
        "files": dicom,
        "zip": [("scan.zip", packed(*dicom))],
        "picture": [("a.png", picture())],
    }
    status = send(asked, *files[kind])
    assert [(answer["status"], answer["reason"]) for answer in status["answers"]] == [("assessed", None)]
    assert len(status["answers"][0]["slices"]) == {"file": 1, "files": 4, "zip": 4, "picture": 1}[kind]
    assert "/" not in status["answers"][0]["input"]


def test_a_series_that_is_not_decided_shows_its_score_and_its_slices(
    tiny_model: Path, scanned: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_model, run)
    record = read_json(run / "model.json")
    record["negative_series"]["judged"] = []
    write_json(run / "model.json", record)
    finish(run, TASK.name)
    guard = serve.build_app(run, tmp_path / "runs", ACCESS, UploadStore(600, tmp_path / "uploads"), None)
    with TestClient(guard, base_url=BASE, cookies=ENTERED) as client:
        status = send(client, *((path.name, path.read_bytes()) for path in sorted(scanned.iterdir())))
        (answer,) = status["answers"]
        assert (answer["status"], answer["decision"]) == ("not decided", None)
        assert {one["decision"] for one in answer["slices"]} <= {"positive", "negative"}
        page = client.get(f"/uploads/{status['id']}", headers=HTML).text
    assert "Not decided: a human must look" in page
    assert "No tumour-free series of several slices was in validation" in page
    assert "Tumour score of the series" in page
    assert "of 4 slices would be positive" in page
    assert "not to be relied on" not in page


def test_a_picture_that_does_not_say_that_it_is_synthetic_gets_no_decision_of_a_synthetic_model(
    asked: TestClient,
) -> None:
    status = send(asked, ("a.png", picture(synthetic=False)))
    (answer,) = status["answers"]
    assert (answer["status"], answer["decision"]) == ("not assessed", None)
    assert "not known to be synthetic" in answer["reason"]
    page = asked.get(f"/uploads/{status['id']}", headers=HTML).text
    assert f"What this model is fit for: {answer['verdict']}" in page
    assert "Not assessed" in page


def test_a_refusal_is_told_in_plain_words(asked: TestClient) -> None:
    status = send(asked, ("scan.dcm", b"no image"), ("small.png", picture(8)))
    assert [answer["status"] for answer in status["answers"]] == ["refused", "refused"]
    for item, answer in enumerate(status["answers"]):
        page = asked.get(f"/uploads/{status['id']}", params={"item": item}, headers=HTML).text
        assert "Refused" in page
        assert answer["reason"].split(";")[0][:20] in page


def test_not_assessed_is_told_too(asked: TestClient, uploaded: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    answers = json.loads(json.dumps(uploaded["answers"]))
    answers[0] |= {"status": "not assessed", "reason": "is unlike the images", "decision": None}
    answers[0] |= {"tumour_probability": 0.75, "threshold": 0.5}
    for one in answers[0]["slices"]:
        one["decision"] = None
    monkeypatch.setattr("shared.web.app.read_answers", lambda upload: answers)
    page = asked.get(f"/uploads/{uploaded['id']}", headers=HTML).text
    assert "Not assessed: a human must look" in page
    assert "This input is unlike the images." in page
    assert (
        "Raw tumour probability 0.750 (suspicious: an assessed input is positive from 0.500), not to be relied on."
    ) in page
    assert "Slices with the highest raw scores" in page
    assert "Classes: raw, not to be relied on" in page
    for said in ("Tumour suspected", "No tumour suspected", "positive slice", "certifies"):
        assert said not in page


@pytest.mark.skipif(find_spec("highdicom") is None, reason="highdicom is not installed")
def test_report_and_pictures_can_be_taken_away(asked: TestClient, uploaded: dict[str, Any]) -> None:
    answer = asked.get(f"/api/uploads/{uploaded['id']}/items/0/dicom.zip")
    assert answer.status_code == 200
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert {name.partition("-")[0] for name in names} == {"report", "slice"}
    refused = send(asked, ("a.png", picture()))
    told = asked.get(f"/api/uploads/{refused['id']}/items/0/dicom.zip")
    assert told.status_code == 409
    assert told.json()["detail"].startswith("no DICOM objects: was not read from DICOM images")


def test_a_bomb_is_refused_before_it_is_unpacked(asked: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zeros_packed(14, 300 << 20)
    assert len(bomb) < 6 << 20
    status = send(asked, ("bomb.zip", bomb))
    assert status["state"] == "failed"
    assert "unpacks to more than 4 GiB" in status["reason"]
    page = asked.get(f"/uploads/{status['id']}", headers=HTML).text
    assert "unpacks to more than 4 GiB" in page


def test_paths_and_links_in_archives_lead_nowhere(asked: TestClient, tmp_path: Path) -> None:
    linked = send(asked, ("a.zip", packed(("passwd.png", b"/etc/passwd"), link=True)))
    assert linked["answers"][0]["reason"] == "contains nothing that can be judged"
    outside = send(asked, ("a.zip", packed(("../../../../tmp/out.png", picture()), ("/etc/out.png", picture()))))
    assert {answer["status"] for answer in outside["answers"]} <= {"assessed", "refused"}
    assert not Path("/tmp/out.png").exists()
    assert not Path("/etc/out.png").exists()


def test_an_upload_is_deleted_when_asked(asked: TestClient) -> None:
    status = send(asked, ("a.png", picture()))
    address = f"/api/uploads/{status['id']}"
    assert asked.delete(address).status_code == 403
    assert asked.delete(address, headers=CSRF).status_code == 204
    assert asked.get(address).status_code == 404
    assert asked.get(f"/uploads/{status['id']}", headers=HTML).status_code == 404
    assert asked.delete(address, headers=CSRF).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/uploads/x",
        "/uploads/..%2F..%2Fetc",
        "/api/uploads/x/items/0/slices/1",
        "/runs/nobody/report",
        "/runs/..%2F..%2Fetc/report",
        "/static/..%2F..%2Fcli.py",
        "/static/app/..%2Fcli.py",
        "/nothing",
    ],
)
def test_what_is_not_there_is_not_found(asked: TestClient, path: str) -> None:
    assert asked.get(path, headers=HTML).status_code == 404
    assert asked.get(path).status_code == 404


def test_items_and_maps_that_are_not_there_are_not_found(asked: TestClient, uploaded: dict[str, Any]) -> None:
    base = f"/api/uploads/{uploaded['id']}/items"
    assert asked.get(f"{base}/7/slices/1").status_code == 404
    assert asked.get(f"{base}/0/maps/1").status_code == 404
    assert asked.get(f"{base}/0/slices/1/explanation").status_code == 404
    assert asked.get(f"{base}/-1/slices/1").status_code == 422
    assert asked.post(f"{base}/7/slices/1/explanation", headers=CSRF).status_code == 404


def test_an_explanation_streams_lines_and_ends_with_its_result_or_fault() -> None:
    """Uses a stand-in for the explaining process, which would take seconds to import torch."""

    class AtOnce:
        def start(self, work: Coroutine[Any, Any, None]) -> None:
            self.task = asyncio.ensure_future(work)
            self.task.add_done_callback(lambda task: task.exception())

        async def call(
            self, pool: object, method: str, upload: Upload, *given: object, progress: Callable[[str], None]
        ) -> dict[str, Any]:
            progress("reading")
            if given[-1] == 2:
                raise WorkFailed("is damaged")
            if given[-1] == 3:
                raise ValueError("unforeseen")
            return {"label": "tumour"}

    async def lines(number: int) -> list[dict[str, Any]]:
        upload = Upload("name", Path(), "", 0.0)
        found: Any = serve._lines(cast(Any, AtOnce()), cast(Any, None), upload, 0, number)
        return [json.loads(line) async for line in found]

    def kinds(number: int) -> list[str]:
        return [key for line in asyncio.run(lines(number)) for key in line]

    assert sorted(kinds(1)) == ["progress", "progress", "result"]
    assert kinds(2)[-1] == "fault"
    assert kinds(3)[-1] == "fault"


def test_a_slice_is_explained_once(tmp_path: Path, tiny_model: Path) -> None:
    folder = item_folder(tmp_path / "results", 0)
    folder.mkdir(parents=True)
    (folder / facts_name(1)).write_text('{"label": "tumour"}', encoding="utf-8")
    work = ExplainWork(TASK, tiny_model, threads=1)
    nothing = tmp_path / "files"  # is not there: nothing may be read
    assert work.explain(nothing, tmp_path / "results", 0, 1, lambda *_: None) == {"label": "tumour"}
    with pytest.raises(FileNotFoundError):
        work.explain(nothing, tmp_path / "results", 0, 2, lambda *_: None)


@pytest.mark.slow
def test_the_process_that_explains_does_so(tmp_path: Path, planted_training: Training) -> None:
    store = UploadStore(600, tmp_path / "uploads")
    guard = serve.build_app(planted_training.run, tmp_path / "runs", ACCESS, store, None)
    path = next(planted_training.data.rglob("*.dcm"))
    with TestClient(guard, base_url=BASE, cookies=ENTERED) as asked:
        base = f"/api/uploads/{send(asked, ('a.dcm', path.read_bytes()))['id']}/items/0"
        told = asked.post(f"{base}/slices/1/explanation", headers=CSRF)
        lines = [json.loads(line) for line in told.text.splitlines()]
        assert [next(iter(line)) for line in lines] == ["progress"] * (len(lines) - 1) + ["result"]
        facts = lines[-1]["result"]
        assert facts == asked.get(f"{base}/slices/1/explanation").json()
        assert facts["label"] in ("tumour", "no_tumour")
        assert facts["believable"] is (facts["faults"] == [])
        values = np.frombuffer(asked.get(f"{base}/maps/1").content, np.int8)
        assert 2 * values.size == len(asked.get(f"{base}/slices/1").content)
        assert np.abs(values.astype(int)).max() == 127
        assert asked.get(f"{base}/maps/2").status_code == 404


def test_without_torch_the_page_says_how_to_install_it(
    tmp_path: Path, tiny_model: Path, scanned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    guard = serve.build_app(tiny_model, tmp_path / "runs", ACCESS, UploadStore(600, tmp_path / "uploads"), None)
    with TestClient(guard, base_url=BASE, cookies=ENTERED) as asked:
        status = send(asked, *((path.name, path.read_bytes()) for path in sorted(scanned.iterdir())))
        page = asked.get(f"/uploads/{status['id']}", headers=HTML).text
        assert "pip install '.[train]'" in page
        assert "pip install '.[dicom-out]'" in page
        base = f"/api/uploads/{status['id']}/items/0"
        assert asked.post(f"{base}/slices/1/explanation", headers=CSRF).status_code == 501
        assert asked.get(f"{base}/dicom.zip").status_code == 501
        assert "/worklist" not in page


def test_the_worklist_shows_what_was_received_and_opens_it(asked: TestClient) -> None:
    page = asked.get("/worklist", headers=HTML).text
    assert "umour suspected: tumour probability" in page
    assert "took more than 900 s" in page
    assert "Waiting to be judged" in page
    opened = asked.post(f"/api/worklist/{JUDGED}", headers=CSRF)
    assert opened.status_code == 202
    status = asked.get(f"/api/uploads/{opened.json()['id']}", params={"wait": 30}).json()
    assert [answer["status"] for answer in status["answers"]] == ["assessed"]
    for strange in ("nobody", "..", "%2e%2e", "..%2Fresults"):
        assert asked.post(f"/api/worklist/{strange}", headers=CSRF).status_code in (404, 409)


def test_the_list_of_runs_has_what_can_be_read(asked: TestClient) -> None:
    assert asked.get("/runs", headers=HTML).status_code == 200
    assert asked.get("/runs/compare", params={"run": ["one"]}, headers=HTML).status_code == 400
    assert asked.get("/runs/compare", params={"run": ["one", "two"]}, headers=HTML).status_code == 404


def test_the_description_names_every_route_and_loads_nothing_from_elsewhere(asked: TestClient) -> None:
    described = asked.get("/openapi.json").json()["paths"]
    page = asked.get("/docs", headers=HTML).text
    assert "/api/uploads" in described
    assert all(path in page for path in described)
    assert "https://" not in page
