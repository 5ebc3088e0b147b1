"""The command `serve`, without the server that it starts."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from handwriting.cli import app
from shared.extras import MODULES
from tests.certificates import made, needs_openssl
from tests.shared.cli.calling import call, is_wrong_usage


def test_pages_are_served_from_the_run(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[str, int]] = []
    monkeypatch.setattr(
        "shared.web.serving.run_server", lambda pages, access, host, port, say, tls: served.append((host, port))
    )
    result = call(app, "serve", "--model", tiny_run, "--port", 0)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"model: {tiny_run}")
    assert served == [("127.0.0.1", 0)]


@needs_openssl
def test_pages_are_served_over_tls_with_a_certificate(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[ssl.SSLContext | None] = []
    monkeypatch.setattr("shared.web.serving.run_server", lambda pages, access, host, port, say, tls: served.append(tls))
    files = made(tmp_path, "ours")
    certificate = "--tls-certificate", files.certificate
    assert call(app, "serve", "--model", tiny_run, *certificate, "--tls-key", files.key).exit_code == 0
    assert [one.verify_mode for one in served if one is not None] == [ssl.CERT_NONE]
    assert is_wrong_usage(call(app, "serve", "--model", tiny_run, *certificate), "TLS needs --tls-certificate and")


def test_a_missing_run_or_package_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_wrong_usage(call(app, "serve", "--model", "nowhere"), "nowhere: no folder, and no run under runs/")
    monkeypatch.setitem(MODULES, "serve", ("fastapi", "not_installed"))
    assert is_wrong_usage(call(app, "serve"), "`serve` needs not_installed")
