"""Every command of both applications where no extra is installed, and the table of extras itself."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from typer.main import get_command

from benchmarks.clean_environments import CALLS, REQUIRED_BY_CORE, call_words, say
from handwriting.cli import app as characters
from medtl.cli import app as tumours
from shared.errors import UsageError
from shared.extras import MODULES, check_extra, missing

ROOT = Path(__file__).parents[3]
APPLICATIONS = {"medtl": tumours, "handwriting": characters}
IMPORTED_AS = {
    "fonttools": "fontTools",
    "mlflow-skinny": "mlflow",
    "python-multipart": "python_multipart",
    "scikit-learn": "sklearn",
}
HIDING = """
import sys
from shared.extras import MODULES
hidden = {name for names in MODULES.values() for name in names}
class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, *where):
        return None if name.partition(".")[0] in hidden else self.finder.find_spec(name, *where)
sys.meta_path[:] = map(Hiding, sys.meta_path)
"""
"""Hides the modules of all extras, as if they were not installed."""


def _commands(application: str) -> set[str]:
    found = set()
    for name, command in get_command(APPLICATIONS[application]).commands.items():
        inner = command.commands if isinstance(command, click.Group) else {"": command}
        found |= {f"{name} {one}".strip() for one in inner}
    return found


def test_every_command_has_a_call() -> None:
    assert set.union(*map(_commands, APPLICATIONS)) == set(CALLS)


@pytest.mark.parametrize("application", APPLICATIONS)
def test_no_command_ends_in_a_traceback_without_extras(
    application: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = {
        name: words
        for name, words in call_words(application, tmp_path / "data").items()
        if name.partition(" --")[0] in _commands(application)
    }
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    said = say(Path(sys.executable), application, calls, tmp_path, HIDING)
    assert set(said) == set(calls)
    assert {name: one.fault for name, one in said.items() if one.fault} == {}
    assert {
        name: one.errors for name, one in said.items() if name in REQUIRED_BY_CORE and one.code not in (0, 3, 4)
    } == {}
    remedy = r"error: .+ needs .+, of the extra .+; install it in the checkout with: pip install '\.\[[a-z-]+\]'\n"
    wanting = {name for name, one in said.items() if re.fullmatch(remedy, one.errors)}
    assert {said[name].code for name in wanting} == {2}
    assert {"train", "crossval", "compare", "adapt", "zero-shot", "serve", "explain", "predict --explain"} <= wanting


def test_every_module_that_an_extra_brings_is_known() -> None:
    given = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    brought = {
        extra: {Requirement(one).name for one in needs} - {"medtl"}
        for extra, needs in given.items()
        if extra != "weights"
    }
    assert set(brought) == set(MODULES)
    for extra, names in brought.items():
        assert {IMPORTED_AS.get(name, name) for name in names} <= set(MODULES[extra])


def test_the_remedy_is_the_checkout_and_no_name_of_an_index() -> None:
    assert missing("this command", "torch.nn").endswith(
        "needs torch, of the extra train; install it in the checkout with: pip install '.[train]'"
    )
    assert missing("it", "numpy") == "it needs numpy; install it in the checkout with: pip install '.'"
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.rglob("*.html"), *ROOT.glob("shared/**/*.py")):
        if page.name not in ("lab-log.md", "CHANGELOG.md") and ".venv" not in page.parts:
            assert not re.search(r"pip install [^\n]*\bmedtl(\[|\s|$)", page.read_text(encoding="utf-8")), page


def test_what_is_missing_is_told_before_anything_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.extras.find_spec", lambda name: None if name == "uvicorn" else name)
    with pytest.raises(UsageError, match=r"^`serve` needs uvicorn, of the extra serve; "):
        check_extra("`serve`", "serve")
    check_extra("`listen`", "listen")
