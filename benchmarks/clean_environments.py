"""What every command says in a clean environment: the wheel with the core alone, with each extra, and with all.

    python -m benchmarks.clean_environments FOLDER [core] [train] [serve] [all] ...

Builds the wheel, makes one virtual environment for each name under FOLDER with uv, installs the wheel there from the
configured index, and calls every command of both applications with small drawn data. Prints exit code and line of each
as JSON. A command that would end in a traceback makes the exit code 1.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[1]
APPLICATIONS = {"medtl": "brain-mri", "handwriting": "devanagari"}
"""Each application with a model that comes with it."""
LABELS = {"medtl": ("no_tumour", "glioma"), "handwriting": ("digit_0", "digit_1", "ka")}
EACH = 12
"""Drawn images of a class."""
CALLS: Mapping[str, str] = {
    "adapt": "adapt --source {data} --target {other}",
    "add-class": "another {image} {image} {image} {image} {image} --model {model} --out added",
    "advise": "{data}",
    "audit": "{data}",
    "backbones": "",
    "compare": "data.source=nowhere",
    "crossval": "frozen data.source=nowhere",
    "data download": "dhcd --to {image}",
    "demo": "data.source=nowhere",
    "ensemble": "{model} {model}",
    "evaluate": "{model}",
    "explain": "{image}",
    "export": "{model} --as huggingface --out exported",
    "listen": "--forward nonsense",
    "models": "",
    "options": "configs",
    "pack": "{model} again --licences {text}",
    "phantom": "phantom --patients 1 --scanners atlas --slices 3",
    "predict": "{image}",
    "report": "{model}",
    "serve": "--model {model} --host 203.0.113.1",
    "train": "frozen data.source={data} backbone.weights=random data.leaks=allow",
    "use": "{model}",
    "zero-shot": "zero_shot data.source={data} backbone.weights=random data.leaks=allow --draw 1",
}
"""Words of a call of each command that ends by itself; a command of only one application is called in that one. The
host of `serve` is an address for examples, which no machine has."""
MORE_CALLS: Mapping[str, str] = {
    "predict --explain": "{image} --out maps",
    "options --schema": "",
}
"""Calls whose options need more than the command."""
REQUIRED_BY_CORE = ("audit", "models", "options", "predict", "report", "use")
"""Commands that must do their work without any extra."""


CALLER = """
import json, sys
from importlib import import_module
from typer.testing import CliRunner
app = import_module(f"{sys.argv[1]}.cli").app
for name, words in json.load(sys.stdin).items():
    result = CliRunner().invoke(app, words, prog_name=sys.argv[1])
    fault = None if isinstance(result.exception, SystemExit | None) else repr(result.exception)
    print(json.dumps([name, result.exit_code, result.stdout, result.stderr, fault]))
"""
"""Calls every command in one process, so that what they share is imported once."""


@dataclass(frozen=True)
class Said:
    """What a call gave.

    Attributes:
        code: Its exit code.
        out: What it printed.
        errors: What it wrote on standard error.
        fault: The exception that would have been a traceback; None where there was none.
    """

    code: int
    out: str
    errors: str
    fault: str | None

    @property
    def line(self) -> str:
        """The line that a person reads: the fault, else the last of standard error of a failure, else the first."""
        lines = (self.errors if self.code else self.out).strip().splitlines() or [""]
        return self.fault or lines[-1 if self.code else 0]


def say(
    python: Path, application: str, calls: Mapping[str, list[str]], folder: Path, before: str = ""
) -> dict[str, Said]:
    """Calls commands of an application in an environment.

    Args:
        python: The interpreter of the environment.
        application: Name of the application.
        calls: The words of each call, by a name.
        folder: Folder to call them in; made where there is none.
        before: Python code that runs first.

    Returns:
        What each call gave, by its name.

    Raises:
        RuntimeError: The process broke off; the message is the end of its standard error.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" or before}
    words = [str(python), "-c", before + CALLER, application]
    done = subprocess.run(
        words, input=json.dumps(calls), cwd=folder, env=clean, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return {name: Said(*rest) for name, *rest in map(json.loads, done.stdout.splitlines())}


def call_words(application: str, folder: Path) -> dict[str, list[str]]:
    """Lists a call of every command, with drawn data to be called on.

    Args:
        application: Name of the application.
        folder: Folder for the data; written unless they lie there already.

    Returns:
        The words after the application's name, by the command as it is shown.
    """
    data = draw_images(folder / application, LABELS[application])
    other = draw_images(folder / f"{application}-other", LABELS[application])
    text = folder / "licences.txt"
    text.write_text("The model: CC0\n", encoding="utf-8")
    image = min(data.rglob("*.png"))
    places = {"data": data, "other": other, "image": image, "text": text, "model": APPLICATIONS[application]}
    return {name: [*name.split(), *words.format(**places).split()] for name, words in {**CALLS, **MORE_CALLS}.items()}


def draw_images(folder: Path, labels: tuple[str, ...]) -> Path:
    """Draws a folder of a few images for each class.

    Args:
        folder: The folder; left as it is where it exists.
        labels: Names of the classes, a subfolder each.
    """
    if not folder.exists():
        for shape, label in enumerate(labels):
            (folder / label).mkdir(parents=True)
            for number in range(EACH):
                image = Image.effect_noise((96, 96), 24).point(lambda value: value // 4)
                edge = 30 + 2 * number
                pen = ImageDraw.Draw(image)
                pen.ellipse((10 + number % 4, 6, 84, 90 - number % 5), fill=110)  # a head, or a sheet of paper
                mark = (pen.ellipse, pen.rectangle, pen.line)[shape]
                mark((edge, 34, edge + 18, 54 + number), fill=200, width=3 + number % 3)
                image.save(folder / label / f"{number:02d}.png")
    return folder


def extras() -> list[str]:
    """Lists the names of the package's extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["optional-dependencies"])


def make_environment(folder: Path, wheel: Path, wanted: str) -> Path:
    """Makes a virtual environment with the wheel, and returns its folder.

    Args:
        folder: Folder for environments.
        wheel: The wheel.
        wanted: "core", "all", or the name of an extra.
    """
    place = folder / wanted
    names = {"core": "", "all": f"[{','.join(extras())}]"}.get(wanted, f"[{wanted}]")
    subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(place)], check=True)
    install = [
        "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        str(place / "bin" / "python"),
        f"medtl{names} @ {wheel.as_uri()}",
    ]
    subprocess.run(install, check=True)
    return place


def commands_of(python: Path, application: str) -> set[str]:
    """Lists the commands that an application has in an environment."""
    shown = say(python, application, {"help": ["--help"]}, python.parent)["help"].out
    return {line.split()[0] for line in shown.splitlines() if line.startswith("  ")}


def main(words: list[str]) -> int:
    """Makes the environments, calls everything, and prints the table."""
    from hatchling.builders.wheel import WheelBuilder

    folder = Path(words[0]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "work", ignore_errors=True)
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    failed = False
    for wanted in words[1:] or ["core", *extras(), "all"]:
        place = make_environment(folder, Path(wheel), wanted)
        for application in APPLICATIONS:
            calls = call_words(application, folder / "data")
            known = commands_of(place / "bin" / "python", application)
            calls = {name: words for name, words in calls.items() if name.split()[0] in known}
            for name, said in say(place / "bin" / "python", application, calls, folder / "work" / wanted).items():
                failed |= said.fault is not None
                print(json.dumps([wanted, f"{application} {name}", said.code, said.line[:160]]), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
