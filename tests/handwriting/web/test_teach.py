"""A character is taught from five drawings by every route, and taken back; what cannot be taught is refused."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from starlette.testclient import TestClient

from handwriting.task import TASK
from handwriting.web import app as serve
from handwriting.web import teach as teaching
from handwriting.web.teach_work import TeachWork
from shared.errors import InputRefused, MedtlError
from shared.processes.worker import WorkFailed
from shared.runs.folder import is_finished
from shared.runs.record import read_model_record
from shared.web.guard import Access
from shared.web.uploads import UploadStore
from shared.web.workers import WorkerPool

BASE = "http://127.0.0.1:8000"
ACCESS = Access("0123456789abcdef", frozenset({"127.0.0.1"}))
CSRF = {"x-csrf-token": ACCESS.csrf}
ENTERED = {"handwriting_session": ACCESS.derived("session")}
HTML = {"accept": "text/html"}
BOX = (40, 40, 240, 240)


def drawing(seed: int) -> bytes:
    """A filled triangle, dark on white: unlike the cross, ring and stroke that the run knows."""
    x, y = (int(one) for one in np.random.default_rng(seed).integers(-15, 15, 2))
    image = Image.new("L", (280, 280), 255)
    ImageDraw.Draw(image).polygon([(140 + x, 40 + y), (40 + x, 230 + y), (240 + x, 230 + y)], fill=0)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


DRAWINGS = [drawing(seed) for seed in range(5)]


class Here(WorkerPool):
    """Does the work in this process: torch is loaded here already, and in a new one that takes seconds."""

    def __init__(self, work: Any, *_: object) -> None:
        self.work = work

    async def call(self, method: str, *given: Any, **_: Any) -> Any:
        try:
            return await asyncio.to_thread(getattr(self.work, method), *given, lambda *_: None)
        except MedtlError as error:
            raise WorkFailed(str(error)) from None

    def close(self) -> None:
        pass


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def asked(tmp_path: Path, runs: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(teaching, "WorkerPool", Here)
    guard = serve.build_app(tiny_run, runs, ACCESS, UploadStore(600, tmp_path / "uploads"))
    with TestClient(guard, base_url=BASE, cookies=ENTERED) as client:
        yield client


def teach(asked: TestClient, name: str, drawings: list[bytes], headers: dict[str, str] = CSRF) -> Any:
    files = [("files", (f"{number}.png", data)) for number, data in enumerate(drawings)]
    return asked.post("/api/characters", data={"name": name}, files=files, headers=headers)


def read(asked: TestClient, data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = asked.post("/api/drawings", content=data, headers=CSRF).json()
    return found


def test_a_taught_character_is_read_and_taken_back(asked: TestClient, runs: Path, tiny_run: Path) -> None:
    before = read(asked, drawing(9))
    told = teach(asked, " अ ", DRAWINGS)
    assert told.status_code == 201, told.text
    answering = told.json()
    assert answering["taught"] == ["अ a"]
    assert "Nothing is certified" in answering["notes"][0]
    (folder,) = (runs / "taught").iterdir()
    assert folder.name == answering["model"]
    assert folder.name.startswith(f"{tiny_run.name[:60]}-taught-1-vowel_1-")
    assert is_finished(folder)
    assert read_model_record(folder).classes == (*read_model_record(tiny_run).classes, "vowel_1")
    after = read(asked, drawing(9))
    assert (after["status"], after["top"][0]["said"]) == ("assessed", "अ a")
    home = asked.get("/", headers=HTML).text
    assert folder.name in home
    assert "Nothing is certified" in home

    back = asked.delete("/api/characters", headers=CSRF)
    assert (back.status_code, back.json()["model"], back.json()["taught"]) == (200, tiny_run.name, [])
    assert read(asked, drawing(9)) == before
    assert not folder.exists()
    assert asked.delete("/api/characters", headers=CSRF).status_code == 404


def test_a_second_character_stands_on_the_first_and_is_taken_back_alone(asked: TestClient, runs: Path) -> None:
    assert teach(asked, "अ", DRAWINGS).status_code == 201
    second = teach(asked, "hook", [drawing(seed) for seed in range(20, 25)])
    assert second.json()["taught"] == ["अ a", "hook"]
    page = asked.get("/teach", headers=HTML).text
    assert "Take back hook" in page
    assert "This model has no certified error rate" in page
    assert asked.delete("/api/characters", headers=CSRF).json()["taught"] == ["अ a"]
    assert len(list((runs / "taught").iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "count", "status", "reason"),
    [
        ("अ", 4, 400, "4 drawings were sent; send 5 to 20"),
        ("अ", 21, 400, "21 drawings were sent; send 5 to 20"),
        ("", 5, 400, "give 1 to 40 printable characters"),
        ("x" * 41, 5, 400, "give 1 to 40 printable characters"),
        ("../..", 5, 400, "a letter or digit among them"),
        ("a\nb", 5, 400, "the name is not allowed"),
        ("क", 5, 409, "the model already reads क ka"),
    ],
)
def test_what_cannot_be_taught_is_refused(
    asked: TestClient, runs: Path, tiny_run: Path, name: str, count: int, status: int, reason: str
) -> None:
    told = teach(asked, name, DRAWINGS[:1] * count)
    assert (told.status_code, reason in told.json()["detail"]) == (status, True)
    assert not (runs / "taught").exists()
    assert tiny_run.name in asked.get("/", headers=HTML).text


def test_drawings_that_cannot_be_read_are_named_and_nothing_is_left(asked: TestClient, runs: Path) -> None:
    told = teach(asked, "अ", [*DRAWINGS[:2], b"no picture", *DRAWINGS[:2]])
    assert told.status_code == 400
    assert told.json()["detail"].startswith("not taught: drawing 3 ")
    assert not list(runs.rglob("*vowel_1*"))
    assert teach(asked, "अ", DRAWINGS).status_code == 201


def test_who_does_not_come_from_the_page_or_sends_too_much_is_refused(asked: TestClient) -> None:
    assert teach(asked, "अ", DRAWINGS, headers={}).status_code == 403
    assert asked.delete("/api/characters").status_code == 403
    assert asked.post("/api/characters", content=b"x", headers=CSRF).status_code == 415
    assert teach(asked, "अ", [*DRAWINGS[:4], bytes(6 << 20)]).status_code == 413


def test_names_lead_nowhere(asked: TestClient, runs: Path) -> None:
    told = teach(asked, "../../x/y", DRAWINGS)
    assert told.status_code == 201
    assert [path.name for path in runs.iterdir()] == ["taught"]
    (folder,) = (runs / "taught").iterdir()
    assert folder.name == told.json()["model"]


def test_one_character_is_taught_at_a_time(asked: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(self: TeachWork, *_: object) -> None:
        time.sleep(1.5)
        raise InputRefused("was slow")

    async def both() -> list[int]:
        jobs = [asyncio.to_thread(teach, asked, "अ", DRAWINGS)]
        jobs.append(asyncio.to_thread(teach, asked, "आ", DRAWINGS))
        return sorted(told.status_code for told in await asyncio.gather(*jobs))

    monkeypatch.setattr(TeachWork, "teach", slow)
    assert asyncio.run(both()) == [400, 409]


def test_without_torch_the_page_says_how_to_install_it(asked: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching, "find_spec", lambda name: None)
    assert teach(asked, "अ", DRAWINGS).status_code == 501
    assert "pip install '.[train]'" in asked.get("/teach", headers=HTML).text


def test_half_a_run_is_not_left(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "drawings").mkdir()
    for number, data in enumerate(DRAWINGS):
        (tmp_path / "drawings" / f"{number}.png").write_bytes(data)

    def full(task: Any, run: Path, name: str, images: Any, out: Path) -> Path:
        out.mkdir()
        (out / "config.yaml").touch()
        raise OSError("no space left on device")

    monkeypatch.setattr("shared.pipeline.add_class.add_class", full)
    with pytest.raises(OSError, match="no space"):
        TeachWork(TASK).teach(tiny_run, "vowel_1", tmp_path / "drawings", tmp_path / "out", lambda *_: None)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_process_that_learns_does_so(tmp_path: Path, tiny_run: Path) -> None:
    guard = serve.build_app(tiny_run, tmp_path / "runs", ACCESS, UploadStore(600, tmp_path / "uploads"))
    with TestClient(guard, base_url=BASE, cookies=ENTERED) as asked:
        assert teach(asked, "अ", DRAWINGS).status_code == 201
        assert read(asked, drawing(9))["top"][0]["said"] == "अ a"
