"""The wheel, installed in a clean environment with the core dependencies alone: models that come with it answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from benchmarks.clean_environments import REQUIRED_BY_CORE, call_words, say
from shared.pipeline.pack import pack

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def _needed(name: str, extras: frozenset[str] = frozenset()) -> dict[str, Distribution]:
    """A distribution's requirements, and those of these, by name."""
    found: dict[str, Distribution] = {}
    waiting = [(name, extras)]
    while waiting:
        present, wanted = waiting.pop()
        for text in distribution(present).requires or ():
            one = Requirement(text)
            applies = one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in {"", *wanted})
            if applies and one.name.lower() not in found:
                found[one.name.lower()] = distribution(one.name)
                waiting.append((one.name, frozenset(one.extras)))
    return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, released_model: Path, screening_run: Path) -> Path:
    """A virtual environment with the wheel, which holds a model of each application, and what the wheel requires."""
    from hatchling.builders.wheel import WheelBuilder

    from medtl.task import TASK

    base = tmp_path_factory.mktemp("installed")
    tree = base / "tree"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if name.split("/")[0] in {
            "medtl",
            "handwriting",
            "shared",
            "configs",
            "pyproject.toml",
            "README.md",
            "LICENSE",
        }:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
    shutil.rmtree(tree / "medtl" / "models", ignore_errors=True)
    shutil.rmtree(tree / "handwriting" / "models", ignore_errors=True)
    shutil.copytree(released_model, tree / "handwriting" / "models" / "devanagari")
    out, words = tree / "medtl" / "models" / "brain-mri", {"licences": ["all: CC0"], "images": None, "root": base}
    pack(TASK, screening_run, out, progress=lambda *_: None, **words)
    (wheel,) = WheelBuilder(str(tree)).build(directory=str(base), versions=["standard"])
    shutil.rmtree(tree)
    venv.create(base / "env", with_pip=False)
    (packages,) = (base / "env" / "lib").glob("python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    for needed in _needed("medtl").values():
        for top in {file.parts[0] for file in needed.files or () if file.parts[0] not in ("..", "__pycache__")}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(needed.locate_file(top))))
    return base / "env"


def _call(environment: Path, application: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    code = (
        f"import sys; sys.argv[0] = '{application}'\nfrom {application}.cli import main\ntry: main()\nfinally:\n"
        "    loaded = {'torch', 'monai', 'onnx', 'safetensors'} & set(sys.modules)\n    assert not loaded, loaded"
    )
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(environment / "bin" / "python"), "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=clean, check=False)


def test_there_is_no_torch(environment: Path) -> None:
    code = "import importlib.util as u; print([u.find_spec(name) for name in ('torch', 'onnx', 'monai', 'sklearn')])"
    found = subprocess.run(
        [environment / "bin" / "python", "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[None, None, None, None]"
    assert sys.prefix != str(environment)


@pytest.fixture
def inputs(characters: Path, tmp_path: Path) -> dict[str, Path]:
    """An input for each application: a drawn character, and a DICOM slice of the phantom."""
    from medtl.phantom.dataset import write_phantom

    write_phantom(tmp_path / "phantom", patients=1, scanners=("atlas",), slices=5, kinds=("glioma",), seed=0)
    scans = sorted((tmp_path / "phantom").rglob("*.dcm"))
    return {"handwriting": characters / "digit_0" / "000.png", "medtl": scans[len(scans) // 2]}


@pytest.mark.parametrize(("application", "name"), [("handwriting", "devanagari"), ("medtl", "brain-mri")])
def test_the_model_of_the_wheel_answers_alone(
    environment: Path,
    application: str,
    name: str,
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    listed = _call(environment, application, "models")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.startswith(f"  {name}\n")
    answered = _call(environment, application, "predict", inputs[application], "--json")
    assert answered.returncode in (0, 4), answered.stdout + answered.stderr
    tree = json.loads(answered.stdout)
    assert (tree["model"], tree["provenance"]["released"]) == (name, True)
    assert tree["probabilities"]
    said = _call(environment, application, "predict", inputs[application])
    assert said.stdout.startswith(f"model: {name} (no run is under runs/; another by --model RUN)\n")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("application", ["handwriting", "medtl"])
def test_every_command_answers_or_says_which_extra_it_needs(
    environment: Path, application: str, tmp_path: Path
) -> None:
    commands = _call(environment, application, "--help").stdout
    calls = call_words(application, tmp_path / "data")
    calls = {name: words for name, words in calls.items() if f"  {name.split()[0]} " in commands}
    said = say(environment / "bin" / "python", application, calls, tmp_path)
    assert {name: one.fault for name, one in said.items() if one.fault} == {}
    assert {name: said[name].errors for name in REQUIRED_BY_CORE if said[name].code not in (0, 3, 4)} == {}
    needs = "needs accelerate, of the extra train; install it in the checkout with: pip install '.[train]'"
    assert needs in said["train"].errors  # so the configuration was found by its name
    assert "\nfrozen\n" in said["options"].out
