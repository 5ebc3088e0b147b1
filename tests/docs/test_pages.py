"""What the documents show works: calls parse, blocks run, and nothing of the system is left out."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib import import_module
from inspect import signature
from pathlib import Path

import click
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from shared.api import Application
from shared.api.run import Run
from shared.strategies import strategy_names
from tests.docs.pages import CALL, PAGES, ROOT, Block, Step, blocks, documented_calls

APPLICATIONS = ("medtl", "handwriting")
RUN = [path for path in PAGES if path.name != "CONTRIBUTING.md" and any(block.runs for block in blocks(path))]
"""Pages with a block that is run; CONTRIBUTING shows fragments."""
QUICK = ("start",)
"""Pages of which that takes seconds."""


def _app(task: str) -> click.Command:
    return get_command(import_module(f"{task}.cli").app)


def _commands(command: click.Command, called: str) -> list[str]:
    """How every command under a group is called, without the name of the application."""
    if not isinstance(command, click.Group):
        return [called]
    return [one for name, inner in command.commands.items() for one in _commands(inner, f"{called} {name}".strip())]


@pytest.mark.parametrize("line", documented_calls())
def test_a_documented_call_has_a_command_and_options_that_there_are(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.runs.named.find_named", lambda _root, named, _task: named)
    task, *words = shlex.split(line, comments=True)
    command = _app(task)
    while isinstance(command, click.Group):
        name, *words = words
        command = command.commands[name]
    command.make_context(name, words)  # parses, and runs nothing


def _calls(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Calls of methods in Python text: what is called, its method, and the keywords that are given."""
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            yield node.func.value.id, node.func.attr, [one.arg for one in node.keywords if one.arg is not None]


def test_documented_python_gives_arguments_that_there_are() -> None:
    called = {
        "medtl": import_module("medtl"),
        "handwriting": import_module("handwriting"),
        "app": Application,
        "run": Run,
    }
    found = [
        (path.name, f"{name}.{method}", word, signature(getattr(called[name], method)).parameters)
        for path in PAGES
        if path.name != "CONTRIBUTING.md"  # fragments, in which `app` is another
        for block in blocks(path)
        if block.language == "python"
        for name, method, words in _calls(block.text)
        if name in called
        for word in words
    ]
    assert {name for _, name, *_ in found} >= {"medtl.train", "medtl.adapt", "app.adapt"}
    assert [
        (page, name, word)
        for page, name, word, known in found
        if word not in known and not any(one.kind is one.VAR_KEYWORD for one in known.values())
    ] == []


def test_every_command_has_an_example_in_a_page() -> None:
    # what both applications have is shown by one of them
    shown = {" ".join(shlex.split(call, comments=True)[1:]) + " " for call in documented_calls()}
    called = {name for task in APPLICATIONS for name in _commands(_app(task), "")}
    assert sorted(name for name in called if not any(call.startswith(f"{name} ") for call in shown)) == []


def test_every_strategy_is_told_in_a_guide() -> None:
    guides = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "guides").glob("*.md"))
    assert [name for name in strategy_names() if f"`{name}`" not in guides] == []


def test_what_is_not_run_says_why() -> None:
    reasons = [block.not_run for path in PAGES for block in blocks(path) if block.not_run is not None]
    assert reasons
    assert [reason for reason in reasons if len(reason.split()) < 4] == []


def test_every_call_with_a_prompt_stands_in_a_block_that_is_run_or_says_why_not() -> None:
    loose = [
        f"{path.name}: {line}"
        for path in PAGES
        for block in blocks(path)
        if block.language != "console"
        for line in block.text.splitlines()
        if line.startswith("$ ")
    ]
    assert loose == []


def test_the_readme_is_read_at_once() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 90
    assert "Research use only" in "".join(lines[:20])


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_and_pictures_outside_of_the_site_lead_somewhere(name: str) -> None:
    # within the site Sphinx looks after them
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_a_page_finds_its_blocks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ medtl models \\\n    --help\nno default\n$ ls\n```\n"
        "<!-- not run: it never\nends -->\n```console\n$ medtl serve\n```\n"
        "```yaml\n# file: a.yaml\nname: x\n```\n"
    )
    models, serve, yaml = blocks(page)
    assert models.steps == [Step("medtl models --help", ("no default",)), Step("ls", ())]
    assert models.not_run is None
    assert serve.not_run == "it never\nends"
    assert (yaml.file, yaml.steps) == ("a.yaml", [])


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=() if path.stem in QUICK else pytest.mark.slow) for path in RUN],
)
def test_the_blocks_of_a_page_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(path):
        if block.runs or block.file is not None:
            _run(block, names)


def _run(block: Block, names: dict[str, object]) -> None:
    """Does with a block what a reader does with it, in the present folder."""
    if block.file is not None:
        Path(block.file).write_text(block.text, encoding="utf-8")
    elif block.language == "python":
        exec(compile(block.text, "page", "exec"), names)
    elif block.language == "console":
        for step in block.steps:
            said = _say(step.call)
            assert [line for line in step.said if _opening(line) not in said] == [], said


def _say(call: str) -> str:
    """Runs a call, in this process where it is one of ours, and returns what it printed."""
    found = CALL.fullmatch(call)
    if found is None:
        done = subprocess.run(["bash", "-c", call], capture_output=True, text=True, check=False, env=os.environ)
        assert done.returncode == 0, f"{call}: {done.stderr}"
        return done.stdout
    task, *words = shlex.split(found[1], comments=True)
    result = CliRunner().invoke(import_module(f"{task}.cli").app, words)
    # 4: a human must look, which is an answer too
    assert result.exit_code in ((0, 4) if words[0] in ("predict", "explain") else (0,)), f"{call}: {result.output}"
    return " ".join(result.stdout.split())


def _opening(line: str) -> str:
    """What a shown line says before its first number, colon or dots; numbers differ from machine to machine."""
    return " ".join(re.split(r"[\d:]|\.\.\.", line, maxsplit=1)[0].split())
