"""The pages of handwriting by every route: drawings, characters, pages, and what is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from handwriting.task import TASK
from handwriting.web import app as serve
from shared.prediction.predictor import Predictor
from shared.web.guard import Access
from shared.web.uploads import UploadStore

BASE = "http://127.0.0.1:8000"
ACCESS = Access("0123456789abcdef", frozenset({"127.0.0.1"}))
CSRF = {"x-csrf-token": ACCESS.csrf}
ENTERED = {"handwriting_session": ACCESS.derived("session")}
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, tiny_run: Path) -> Iterator[TestClient]:
    root = tmp_path_factory.mktemp("serve")
    guard = serve.build_app(tiny_run, tiny_run.parent, ACCESS, UploadStore(600, root / "uploads"))
    with TestClient(guard, base_url=BASE, cookies=ENTERED) as client:
        yield client


@pytest.fixture(scope="module")
def character(characters: Path) -> Path:
    return sorted((characters / "digit_0").glob("*.png"))[0]


def send(asked: TestClient, kind: str, *files: tuple[str, bytes]) -> dict[str, Any]:
    """Uploads files and waits for their answers."""
    parts = [("files", file) for file in files]
    sent = asked.post("/api/uploads", data={"kind": kind}, files=parts, headers=CSRF)
    assert sent.status_code == 202, sent.text
    status: dict[str, Any] = asked.get(f"/api/uploads/{sent.json()['id']}", params={"wait": 30}).json()
    return status


def page(character: Path) -> bytes:
    """One line of two characters, dark on white."""
    sheet = np.full((140, 320), 255, np.uint8)
    with Image.open(character) as image:
        glyph = np.asarray(image.convert("L").resize((60, 60)))
    for column in (40, 160):
        sheet[40:100, column : column + 60] = 255 - glyph
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, "PNG")
    return stream.getvalue()


def test_a_drawing_is_answered_as_predict_answers_it(asked: TestClient, character: Path, tiny_run: Path) -> None:
    item = replace(next(iter(TASK.read_inputs([character]))), name="drawing", origins=())  # a drawing is no file
    expected = Predictor(tiny_run, TASK.name, TASK.preprocess).assess(item).to_json(TASK)
    told = asked.post("/api/drawings", content=character.read_bytes(), headers=CSRF)
    assert told.status_code == 200
    assert told.json() == json.loads(json.dumps(expected))


def test_a_drawing_that_is_none_is_refused(asked: TestClient) -> None:
    assert asked.post("/api/drawings", content=b"no picture", headers=CSRF).json()["status"] == "refused"
    assert asked.post("/api/drawings", content=b"", headers=CSRF).json()["status"] == "refused"
    assert asked.post("/api/drawings", content=bytes(300_000), headers=CSRF).status_code == 413
    assert asked.post("/api/drawings", content=b"no picture").status_code == 403


def test_a_page_is_read_and_shown_with_its_boxes(asked: TestClient, character: Path) -> None:
    status = send(asked, "page", ("page.png", page(character)))
    (answer,) = status["answers"]
    assert (answer["input"], answer["status"]) == ("page.png", "assessed")
    assert [one["number"] for one in answer["characters"]] == [1, 2]
    shown = asked.get(f"/uploads/{status['id']}", headers=HTML).text
    assert shown.count("<rect ") == 2
    for one in answer["characters"]:
        assert f'x="{one["box"][1]}" y="{one["box"][0]}"' in shown
    picture = asked.get(f"/api/uploads/{status['id']}/items/0/picture.png")
    with Image.open(io.BytesIO(picture.content)) as image:
        assert f'viewBox="0 0 {image.width} {image.height}"' in shown


def test_characters_are_told_one_by_one(asked: TestClient, character: Path) -> None:
    status = send(asked, "character", ("a/1.png", character.read_bytes()), ("a/2.png", b"x"))
    assert [answer["status"] for answer in status["answers"]] == ["assessed", "refused"]
    assert status["answers"][0]["slices"][0]["origin"] == {"file": "a/1.png"}
    assert status["answers"][0]["provenance"]["classes"] == ["ka", "digit_0", "digit_1"]
    shown = asked.get(f"/uploads/{status['id']}", headers=HTML).text
    assert "is text and no image" in shown
    assert status["answers"][0]["top"][0]["said"] in shown
    assert shown.count("Reason:") == 1
    assert asked.get(f"/api/uploads/{status['id']}/items/0/picture.png").status_code == 200
    assert asked.get(f"/api/uploads/{status['id']}/items/1/picture.png").status_code == 404


def test_a_character_that_is_not_assessed_shows_its_guesses_greyed(
    asked: TestClient, character: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = send(asked, "character", ("1.png", character.read_bytes()))
    strange = status["answers"][0] | {"status": "not assessed", "reason": "is unlike the images", "decision": None}
    monkeypatch.setattr("shared.web.app.read_answers", lambda upload: [strange])
    shown = asked.get(f"/uploads/{status['id']}", headers=HTML).text
    assert "Not assessed: a human must look." in shown
    assert '<ol class="top raw" aria-label="Raw guesses, not to be relied on">' in shown
    assert strange["top"][0]["said"] in shown
    assert '<p class="answer">' not in shown


def test_characters_of_a_page_that_are_not_assessed_show_their_guesses(
    asked: TestClient, character: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = send(asked, "page", ("page.png", page(character)))
    answer = status["answers"][0] | {"status": "partly assessed", "not_assessed": 1}
    answer["characters"][0]["decision"] = "not assessed"
    monkeypatch.setattr("shared.web.app.read_answers", lambda upload: [answer])
    shown = asked.get(f"/uploads/{status['id']}", headers=HTML).text
    guesses = " ".join(guess["symbol"] for guess in answer["characters"][0]["guesses"])
    assert f'<span lang="hi">?&nbsp;{guesses}</span>' in shown
    assert "A human must look at the characters that were not assessed." in shown
    assert shown.count("not assessed, raw guess: ") == 1


def test_what_is_no_page_is_refused_in_plain_words(asked: TestClient) -> None:
    status = send(asked, "page", ("page.png", b"x"))
    assert status["answers"][0]["status"] == "refused"
    assert "Refused." in asked.get(f"/uploads/{status['id']}", headers=HTML).text


def test_an_unknown_kind_is_refused(asked: TestClient) -> None:
    sent = asked.post("/api/uploads", data={"kind": "scan"}, files=[("files", ("a", b"x"))], headers=CSRF)
    assert (sent.status_code, sent.json()["detail"]) == (400, "`kind` must be one of page, character")


def test_runs_are_listed_with_their_reports_and_side_by_side(asked: TestClient, tiny_run: Path) -> None:
    listed = asked.get("/runs", headers=HTML).text
    assert tiny_run.name in listed
    report = asked.get(f"/runs/{tiny_run.name}/report")
    assert report.text == (tiny_run / "report.html").read_text(encoding="utf-8")
    assert "sandbox" in report.headers["content-security-policy"]
    both = asked.get("/runs/compare", params={"run": [tiny_run.name, tiny_run.name]}, headers=HTML).text
    assert "accuracy, likeliest class" in both
    assert "different data" not in both


def test_the_first_page_has_a_labelled_canvas_and_no_script_inside(asked: TestClient) -> None:
    shown = asked.get("/", headers=HTML).text
    assert 'aria-label="Canvas for one character' in shown
    assert "<script>" not in shown
    assert "style=" not in shown
