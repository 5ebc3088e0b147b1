"""What every command says in a clean environment: the wheel with the core alone, with each extra, and with all.

    python -m benchmarks.clean_environments FOLDER [core] [train] [serve] [all] ...

Builds the wheel, makes one virtual environment for each name under FOLDER with uv, installs the wheel there from the
configured index, and calls every command of both applications with small drawn data. Prints a table of exit codes and
first lines. A command that ends in a traceback makes the exit code 1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
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
    "listen": "--forward nonsense",
    "models": "",
    "options": "configs",
    "pack": "{model} again --licences {text}",
    "phantom": "phantom --patients 1 --scanners atlas --slices 3",
    "predict": "{image}",
    "report": "{model}",
    "serve": "--model nowhere",
    "train": "frozen data.source={data} backbone.weights=random data.leaks=allow",
    "use": "{model}",
    "zero-shot": "zero_shot data.source={data} backbone.weights=random data.leaks=allow --draw 1",
}
"""Words of a call of each command that ends by itself; a command of only one application is called in that one."""
MORE_CALLS: Mapping[str, str] = {
    "predict --explain": "{image} --out maps",
    "options --schema": "",
}
"""Calls whose options need more than the command."""
REQUIRED_BY_CORE = ("audit", "models", "options", "predict", "report", "use")
"""Commands that must do their work without any extra."""


@dataclass(frozen=True)
class Said:
    """What a call gave.

    Attributes:
        code: Its exit code.
        line: The last line of standard error where it failed, else the first of standard output.
        traceback: Whether a traceback was printed.
    """

    code: int
    line: str
    traceback: bool


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
                image = Image.new("L", (64, 64), 255)
                edge = 6 + number
                pen = ImageDraw.Draw(image)
                (pen.ellipse, pen.rectangle, pen.line)[shape]((edge, 8, 50, 52 - number), width=3 + number % 3, fill=0)
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


def say(program: Path, words: list[str], folder: Path) -> Said:
    """Calls a command in a folder of its own.

    Args:
        program: The command of the application in an environment.
        words: The words after its name.
        folder: Folder to call it in; made where there is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(program), *words], cwd=folder, env=clean, capture_output=True, text=True, check=False, timeout=600
    )
    lines = (done.stderr if done.returncode else done.stdout).strip().splitlines() or [""]
    return Said(done.returncode, lines[-1 if done.returncode else 0], "Traceback" in done.stderr)


def commands_of(program: Path) -> set[str]:
    """Lists the commands that the help of an application in an environment names."""
    shown = subprocess.run([str(program), "--help"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in shown.splitlines() if line.startswith("  ") and line.strip()}


def main(words: list[str]) -> int:
    """Makes the environments, calls everything, and prints the table."""
    from hatchling.builders.wheel import WheelBuilder

    folder = Path(words[0]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    failed = False
    for wanted in words[1:] or ["core", *extras(), "all"]:
        place = make_environment(folder, Path(wheel), wanted)
        for application, name, said in _said(place, folder / "work" / wanted):
            failed |= said.traceback
            print(
                json.dumps([wanted, f"{application} {name}", said.code, said.line[:160]], ensure_ascii=False),
                flush=True,
            )
    return int(failed)


def _said(place: Path, work: Path) -> Iterator[tuple[str, str, Said]]:
    for application in APPLICATIONS:
        program = place / "bin" / application
        known = commands_of(program)
        for name, words in call_words(application, work / "data").items():
            if name.split()[0] in known:
                yield application, name, say(program, words, work / application)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
