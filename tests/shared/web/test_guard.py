"""Who may ask, and what goes out with every answer."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from shared.errors import ConfigError
from shared.io.addresses import is_loopback
from shared.web.guard import HEADERS, Access, Guard

TOKEN = "0123456789abcdef"


def client(host: str, monkeypatch: pytest.MonkeyPatch, called: str | None = None) -> TestClient:
    async def greet(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.url.query)

    async def fail(request: Request) -> PlainTextResponse:
        raise ValueError("Doe^Jane")

    monkeypatch.setenv("MEDTL_TOKEN", TOKEN)
    app = Starlette(routes=[Route("/", greet, methods=["GET", "POST"]), Route("/fail", fail)])
    guard = Guard(app, Access.for_host(host), "session")
    return TestClient(guard, base_url=f"http://{called or host}:8000", follow_redirects=False)


def test_every_answer_carries_the_headers_refusals_and_failures_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = client("127.0.0.1", monkeypatch)
    for answer in (asked.get("/"), asked.post("/"), asked.get("/fail"), asked.get("/none")):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in HEADERS["content-security-policy"]


def test_a_failure_tells_neither_the_browser_nor_the_log_what_it_was_about(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client("127.0.0.1", monkeypatch).get("/fail?name=Doe", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 500
    assert "Doe" not in answer.text + caplog.text
    assert "ValueError at test_guard.py" in caplog.text


def test_a_page_may_change_something_and_so_may_who_has_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = client("127.0.0.1", monkeypatch)
    csrf = Access.for_host("127.0.0.1").csrf
    assert asked.post("/", headers={"x-csrf-token": csrf}).status_code == 401
    assert asked.get(f"/?token={TOKEN}").status_code == 303
    assert asked.post("/").status_code == 403
    assert asked.post("/", headers={"x-csrf-token": "0" * len(csrf)}).status_code == 403
    assert asked.post("/", headers={"x-csrf-token": csrf}).status_code == 200
    assert asked.post("/", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert asked.post("/", headers={"authorization": f"Bearer {TOKEN}0"}).status_code == 403


@pytest.mark.parametrize("called", ["evil.example", "127.0.0.1.evil.example", "192.168.0.7"])
def test_a_foreign_name_that_leads_to_loopback_is_refused(called: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client("127.0.0.1", monkeypatch, called).get("/").status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "192.168.0.7"])
def test_the_token_is_needed_once_and_leaves_the_address(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = client(host, monkeypatch, "127.0.0.1" if host == "127.0.0.1" else "192.168.0.7")
    assert asked.get("/").status_code == 401
    assert asked.get("/", headers={"accept": "text/html"}).text.startswith("<!doctype html>")
    assert asked.get("/?token=wrong").status_code == 401
    entered = asked.get(f"/?token={TOKEN}&a=1")
    assert (entered.status_code, entered.headers["location"]) == (303, "/?a=1")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert "Secure" not in cookie
    assert asked.get("/").status_code == 200
    assert asked.post("/").status_code == 403
    assert asked.post("/", headers={"x-csrf-token": Access.for_host(host).csrf}).status_code == 200
    assert "Secure" in asked.get(f"https://{asked.base_url.host}/?token={TOKEN}").headers["set-cookie"]


def test_a_wrong_cookie_does_not_enter(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = client("0.0.0.0", monkeypatch, "here")
    for value in ("session=wrong", "session", "\u00e9=;;", f"session={TOKEN}"):
        assert asked.get("/", headers={"cookie": value.encode("latin-1")}).status_code == 401


def test_the_address_after_entering_stays_on_this_server(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = client("127.0.0.1", monkeypatch)
    assert asked.get(f"http://127.0.0.1:8000//evil.example/?token={TOKEN}").headers["location"] == "/evil.example/"


def test_a_short_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDTL_TOKEN", "short")
    with pytest.raises(ConfigError, match="MEDTL_TOKEN has 5 characters; give at least 16"):
        Access.for_host("127.0.0.1")


def test_without_a_token_given_each_server_makes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDTL_TOKEN", raising=False)
    first, second = Access.for_host("0.0.0.0"), Access.for_host("0.0.0.0")
    assert first.token != second.token
    assert len(first.token) >= 32
    assert first.token not in repr(first)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.8.8.8", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback_is_told_from_the_rest(host: str, local: bool) -> None:
    assert is_loopback(host) is local
