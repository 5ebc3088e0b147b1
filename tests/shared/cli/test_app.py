"""The command lines of both applications: how commands are found, what help says, what wrong calls give."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from typer.main import get_command

from handwriting.cli import app
from handwriting.task import TASK
from medtl.cli import app as tumours
from shared.cli import commands
from shared.cli.app import build_app
from tests.shared.cli.calling import call, is_one_line

APPLICATIONS = {"handwriting": app, "medtl": tumours}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("train", "seed=x"), 2, "seed: "),
        (("train", "data.split={folds: 3, held_out_domain: x}"), 2, "data.split.held_out_domain: does nothing with"),
        (("train", "sede=1"), 2, "sede: unknown key 'sede'; did you mean seed?"),
        (("train", "nowhere.yaml"), 2, "nowhere.yaml: cannot be read"),
        (("train", "data.source=nowhere"), 2, "nowhere does not exist"),
        (("train", "data.source=.", "strategy.name=finetuna"), 2, "did you mean finetune"),
        (("train", "data.source=.", "data.options.margin=9"), 2, "margin is 9"),
        (("train", "data.source=."), 1, "no layout that is known"),
        (("predict", "a.png"), 2, "no finished handwriting run"),
        (("predict", "a.png", "--model", "nowhere"), 2, "nowhere: no folder, and no run under runs/"),
        (("predict", "a.png", "--model", "."), 2, ". is not a run folder"),
    ],
)
def test_a_fault_is_one_line_and_a_code(words: tuple[str, ...], code: int, said: str) -> None:
    result = call(app, *words)
    assert result.exit_code == code, result.output
    assert is_one_line(result, said), result.output


def test_without_words_help_is_shown_and_the_call_is_wrong() -> None:
    result = call(app)
    assert result.exit_code == 2
    assert "Classify inputs with a trained model." in result.stderr


MODELS = "import sys; from medtl.cli import main; sys.argv[1:] = ['models']; main()"


def test_answers_that_nobody_can_read_are_no_success() -> None:
    def ended(redirection: str) -> tuple[int, str]:
        words = ["bash", "-c", f'"$0" -c "$1" {redirection}', sys.executable, MODELS]
        done = subprocess.run(words, capture_output=True, text=True, env=os.environ, check=False)
        return done.returncode, done.stderr

    assert ended(">&-") == (
        2,
        "error: standard output is closed, so no answer could be read; send it to a file, a pipe or /dev/null\n",
    )
    assert ended("> /dev/full") == (
        1,
        "error: the output: No space left on device; free space there, or choose another place\n",
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", MODELS], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("command", ["train", "predict"])
def test_a_place_that_cannot_be_written_is_said_in_one_line(
    command: str, tiny_words: tuple[str, ...], tiny_run: Path, characters: Path
) -> None:
    Path("file").write_text("in the way")
    words = tiny_words if command == "train" else (characters / "digit_0" / "000.png", "--model", tiny_run)
    result = call(app, command, *words, "--out", "file")
    assert result.exit_code == 2
    assert is_one_line(result, "file")


@pytest.mark.parametrize(("command", "said"), [("train", "Configuration: a name"), ("predict", "A character image")])
def test_help_says_what_the_arguments_are(command: str, said: str) -> None:
    assert said in call(app, command, "--help").stdout


@pytest.mark.parametrize("task", ["handwriting", "medtl"])
def test_help_loads_nothing_heavy(task: str) -> None:
    code = (
        f"import sys\nfrom typer.testing import CliRunner\nfrom {task}.cli import app\n"
        "for words in ([], ['train'], ['explain'], ['zero-shot']):\n"
        "    assert CliRunner().invoke(app, [*words, '--help']).exit_code == 0\n"
        "print(sorted({'torch', 'monai', 'numpy', 'onnxruntime', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def _commands(task: str) -> list[tuple[str, click.Command]]:
    """Every command of an application by its name, those of groups too."""

    def each(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield name, command
        if isinstance(command, click.Group):
            for inner, one in command.commands.items():
                yield from each(f"{name} {inner}".strip(), one)

    return [*each("", get_command(APPLICATIONS[task]))]


TOPICS = ("Use:", "Measure:", "Train:", "Data:", "Serve:")


@pytest.mark.parametrize("task", APPLICATIONS)
def test_help_lists_every_command_under_its_topic(task: str) -> None:
    shown = call(APPLICATIONS[task], "--help").stdout.partition("--help")[2].splitlines()
    assert [line for line in shown if line.endswith(":")] == list(TOPICS)
    listed = {line.split()[0] for line in shown if line.startswith("  ") and line.strip()}
    assert listed >= set(get_command(APPLICATIONS[task]).commands)


@pytest.mark.parametrize("task", APPLICATIONS)
def test_each_command_shows_examples_that_it_takes(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.runs.named.find_named", lambda _root, named, _task: named)
    for name, command in _commands(task):
        if not name or isinstance(command, click.Group):
            continue
        shown = call(APPLICATIONS[task], *name.split(), "--help").stdout.partition("Examples:")[2]
        lines = [line.strip() for line in shown.splitlines() if line.startswith(f"    {task} ")]
        assert len(lines) >= 2, f"{name} has {len(lines)} examples"
        for line in lines:
            words = shlex.split(line.partition(" > ")[0])
            assert " ".join(words[1:]).startswith(name)
            command.make_context(name, words[1 + len(name.split()) :])  # parses, and runs nothing


@pytest.mark.parametrize("task", APPLICATIONS)
def test_a_summary_is_short_and_not_cut(task: str) -> None:
    summaries = {name: (command.help or "").partition("\n")[0] for name, command in _commands(task) if name}
    assert {name: said for name, said in summaries.items() if not 10 <= len(said) <= 45} == {}
    shown = call(APPLICATIONS[task], "--help").stdout
    assert "..." not in shown.partition("Use:")[2]
    assert all(said in shown for name, said in summaries.items() if " " not in name)


@pytest.mark.parametrize("task", APPLICATIONS)
def test_every_command_says_more_than_its_name(task: str) -> None:
    for name, command in _commands(task):
        if name and not isinstance(command, click.Group):
            result = call(APPLICATIONS[task], *name.split(), "--help")
            assert result.exit_code == 0
            assert "Usage" in result.stdout
            assert "\n\n" in (command.help or ""), f"{name} has a summary only"


@pytest.mark.parametrize("task", APPLICATIONS)
def test_every_argument_and_option_has_help(task: str) -> None:
    without = [
        f"{name} {parameter.name}"
        for name, command in _commands(task)
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]
    assert without == []


@pytest.mark.parametrize("word", ["--drop-leaks", "--allow-leaks", "--quiet", "--phi", "--by", "--weight"])
def test_old_names_of_options_are_gone(word: str) -> None:
    declared = {
        flag for task in APPLICATIONS for _, command in _commands(task) for one in command.params for flag in one.opts
    }
    assert word not in declared


COMMAND = '''
import typer

def add(app, task):
    @app.command()
    def {name}():
        """Say the name of the task."""
        typer.echo(f"{said} {{task.name}}")
'''


@pytest.fixture
def own_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with a command `greet`, a `report` in place of the shared one, and a file that is no command."""
    package = tmp_path / "greeting_commands"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "greet.py").write_text(COMMAND.format(name="greet", said="hello"))
    (package / "report.py").write_text(COMMAND.format(name="report", said="our own report of"))
    (package / "_part.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(tmp_path)
    yield package.name
    for name in [one for one in sys.modules if one.startswith(package.name)]:
        del sys.modules[name]


def test_a_new_command_is_one_file(own_commands: str) -> None:
    extended = build_app(TASK, own_commands)
    assert call(extended, "greet").stdout == "hello handwriting\n"
    assert call(extended, "report").stdout == "our own report of handwriting\n"
    plain = {one.name for one in get_command(build_app(TASK)).commands.values()}
    assert {one.name for one in get_command(extended).commands.values()} == {*plain, "greet"}
    assert "predict" in plain


def test_every_file_of_the_commands_is_a_command() -> None:
    files = {path.stem for path in Path(commands.__file__).parent.glob("[!_]*.py")}
    assert {name.replace("_", "-") for name in files} == set(get_command(build_app(TASK)).commands)


def test_a_missing_package_is_said_in_one_line() -> None:
    code = "import sys\nsys.modules['torch'] = None\nfrom medtl.cli import main\nmain()"
    words = [sys.executable, "-c", code, "train"]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 2
    advice = "of the extra train; install it in the checkout with: pip install '.[train]'"
    assert done.stderr == f"error: `train` needs torch, {advice}\n"


def test_the_version_names_what_it_runs_on() -> None:
    result = call(app, "--version")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.fullmatch(
        r"handwriting \d+\.\d+\.\d+ \(Python 3\.\d+\.\d+, onnxruntime \S+, torch \S+\)\n", result.stdout
    )


@pytest.mark.parametrize("task", APPLICATIONS)
def test_an_application_runs_as_a_module(task: str) -> None:
    words = [sys.executable, "-m", task, "--version"]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{task} ")


def test_the_shell_completes_names_of_configurations() -> None:
    asked = {"_MEDTL_COMPLETE": "complete_bash", "COMP_WORDS": "medtl train fro", "COMP_CWORD": "2"}
    words = [sys.executable, "-c", "import sys; sys.argv[0] = 'medtl'; from medtl.cli import main; main()"]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **asked}, check=False)
    assert done.stdout.split() == ["frozen"], done.stderr
