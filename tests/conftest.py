"""Fixtures that find the real data and weights, and say why a test is skipped where they are absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# networks in tests are tiny: a second thread costs more in waiting than it computes, most of all on a busy machine
os.environ.setdefault("OMP_NUM_THREADS", "1")


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        pytest.skip(f"{variable} does not name a folder with the real files")
    return Path(value).resolve()


@pytest.fixture
def data_dir() -> Path:
    return _folder("MEDTL_DATA")


@pytest.fixture
def weights_dir() -> Path:
    return _folder("MEDTL_WEIGHTS")


@pytest.fixture(autouse=True)
def _private_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the salt and the caches of the person who runs the tests out of them."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
