"""The hash of the code that reads data follows every file of it, and the releases under it."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from shared.data import code_hash as module
from shared.data.code_hash import code_hash


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `some_task` with the module `reading`, and another file that this one calls."""
    for name in ("reading.py", "below/decoder.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("A = 1\n")
    loaded = ModuleType("some_task.reading")
    loaded.__file__ = str(tmp_path / "reading.py")
    monkeypatch.setitem(sys.modules, "some_task.reading", loaded)
    return tmp_path


def _now() -> str | None:
    code_hash.cache_clear()
    return code_hash("some_task.reading")


def test_other_code_anywhere_in_the_package_is_other_code(reader: Path) -> None:
    before = _now()
    assert before == _now()
    (reader / "below/decoder.py").write_text("A = 2\n")
    assert _now() != before


def test_another_release_of_a_decoder_is_other_code(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _now()
    real = module.version
    monkeypatch.setattr(module, "version", lambda name: "99" if name == "pillow" else real(name))
    assert _now() != before


def test_a_module_without_file_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cells", ModuleType("cells"))
    assert code_hash("cells") is None
