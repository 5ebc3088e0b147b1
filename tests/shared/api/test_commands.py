"""The command line is a thin shell: each command calls one public function of its name."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from shared.api import Application
from shared.api.run import Run

CALLS = {
    "adapt": "adapt",
    "add-class": "add_class",
    "advise": "advise",
    "audit": "audit",
    "backbones": "backbones",
    "compare": "compare",
    "crossval": "crossval",
    "data download": "download",
    "demo": "run_demo",
    "ensemble": "ensemble",
    "evaluate": "evaluate",
    "explain": "explain",
    "export": "export",
    "listen": "listen",
    "models": "models",
    "pack": "pack",
    "phantom": "write_phantom",
    "predict": "predict",
    "report": "lines",
    "serve": "serve",
    "train": "train",
    "use": "use",
    "zero-shot": "zero_shot",
}
"""The public function that each command calls: of the application, of a run, or of the package."""
WORDS = {
    "add-class": ["ka", "here", "--model", "here", "--out", "new"],
    "advise": ["here"],
    "audit": ["here"],
    "data download": ["dhcd"],
    "ensemble": ["here", "here"],
    "evaluate": ["here"],
    "explain": ["here"],
    "export": ["here", "--as", "monai", "--out", "new"],
    "pack": ["here", "name", "--licences", "licences.txt"],
    "phantom": ["new"],
    "predict": ["here"],
    "report": ["here"],
    "use": ["here"],
    "zero-shot": ["--draw", "1"],
}
WITHOUT_WORK = {"options"}
"""Commands that list the command line's own words."""


class Called(Exception):
    pass


class Opened:
    """Stands for a run: everything but what introduces it, and where its network runs, is a call."""

    introduction = ()

    def on(self, _: str) -> Opened:
        return self

    def __getattr__(self, name: str) -> Any:
        if name == "lines":
            raise Called(name)

        def call(*_: object, **__: object) -> None:
            raise Called(name)

        return call


def _commands() -> Iterator[tuple[str, str]]:
    def each(task: str, name: str, command: click.Command) -> Iterator[tuple[str, str]]:
        if isinstance(command, click.Group):
            for inner, one in command.commands.items():
                yield from each(task, f"{name} {inner}".strip(), one)
        elif name not in WITHOUT_WORK:
            yield task, name

    for task in ("medtl", "handwriting"):
        yield from each(task, "", get_command(importlib.import_module(f"{task}.cli").app))


@pytest.mark.parametrize(("task", "command"), list(_commands()))
def test_a_command_calls_one_public_function(
    task: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    Path("licences.txt").write_text("all: CC0\n")
    package = importlib.import_module(f"{task}.api")

    def spy(name: str) -> Any:
        def call(*_: object, **__: object) -> None:
            raise Called(name)

        return call

    for name in [name for name in vars(Application) if not name.startswith("_")]:
        monkeypatch.setattr(Application, name, spy(name))
    monkeypatch.setattr(Application, "load_run", lambda *_, **__: Opened())
    for name in {"download", "run_demo", "listen", "write_phantom"} & set(vars(package)):
        monkeypatch.setattr(package, name, spy(name))
    app = importlib.import_module(f"{task}.cli").app
    result = CliRunner().invoke(app, [*command.split(), *WORDS.get(command, [])])
    assert isinstance(result.exception, Called), result.output
    assert str(result.exception) == CALLS[command]


def test_the_functions_that_commands_call_are_public() -> None:
    for task in ("medtl", "handwriting"):
        package = importlib.import_module(task)
        own = {CALLS[command] for one, command in _commands() if one == task}
        assert own <= {*package.__all__, *vars(Run)}
