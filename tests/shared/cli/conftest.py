from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared.cli.heads import PLACES, draw_heads


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands look for runs below the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of 14 drawn heads."""
    return draw_heads(tmp_path_factory.mktemp("heads") / "data", PLACES, each=14)
