"""What holds for the distribution as a whole."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from medtl.cli import app
from shared.runs.folder import check_finished, is_released
from shared.runs.released import Release, released_bytes

ROOT = Path(__file__).parents[1]
PACKAGES = ("medtl", "handwriting", "shared")
HEAVY = ("torch", "monai", "captum", "matplotlib", "onnxruntime", "sklearn", "scipy", "pydicom")


def _modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {line.split(".")[0] for line in result.stdout.splitlines()}


def test_the_three_packages_come_from_one_place() -> None:
    places = set()
    for name in PACKAGES:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        places.add(Path(spec.origin).parents[1])
    assert len(places) == 1


@pytest.mark.parametrize("command", ["medtl", "handwriting"])
def test_help_imports_nothing_heavy(command: str) -> None:
    code = (
        f"import sys; sys.argv = ['{command}', 'train', '--help']\n"
        f"from {command}.cli import main\n"
        "try: main()\nexcept SystemExit as stop: assert stop.code == 0"
    )
    assert not _modules_after(code) & set(HEAVY)


@pytest.mark.parametrize(
    "module", ["shared.prediction.predictor", "medtl.inputs", "medtl.transforms", "handwriting.inputs"]
)
def test_prediction_needs_neither_torch_nor_monai(module: str) -> None:
    assert not _modules_after(f"import {module}") & {"torch", "monai", "albumentations", "captum", "matplotlib"}


def test_the_lock_pins_with_hashes_and_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^([a-z0-9.-]+)==\S+", lock, flags=re.MULTILINE)
    assert {"torch", "torchvision", "monai", "pydicom"} <= set(pins)
    assert lock.count("--hash=sha256:") >= len(pins)
    assert "://" not in lock


def test_every_version_floor_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    floors = [line for line in text.splitlines() if re.match(r'^    "[A-Za-z0-9-]+[>=]=', line)]
    runtime = [line for line in floors if not line.startswith(('    "hypothesis', '    "import-linter', '    "mypy'))]
    without = [line for line in runtime if "#" not in line and not re.match(r'^    "(pytest|ruff)', line)]
    assert floors
    assert not without


@pytest.mark.parametrize("application", ["medtl", "handwriting"])
def test_models_that_come_with_the_package_are_whole_and_small_and_state_their_licences(application: str) -> None:
    folders = sorted((ROOT / application / "models").glob("*/"))
    if not folders:
        pytest.skip(f"no model comes with {application}")
    for folder in folders:
        check_finished(folder)
        assert is_released(folder)
        assert released_bytes(folder) <= 10_000_000
        assert b".py" not in (folder / "model.onnx").read_bytes(), "it names folders of the machine that exported it"
        assert Release.read(folder).licences
        assert (folder / "model_card.md").read_text(encoding="utf-8").startswith(f"# {folder.name}\n")


def _in_wheel(name: str) -> str:
    """Where a file of the checkout lies in the wheel: configurations in the package of their application."""
    return re.sub(r"^configs/(\w+)/", r"\1/configs/", name)


def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES, "configs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    tree = {_in_wheel(name) for name in listed if (ROOT / name).is_file()}
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == tree
    assert {"shared/data/partition.py", "shared/runs/record.py", "medtl/attributes.csv"} <= held
    assert {"medtl/configs/frozen.yaml", "handwriting/configs/compare.yaml", "medtl/web/templates/upload.html"} <= held


def _yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_containers_call_what_there_is_and_name_no_host() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE) == ["python:3.11-slim"] * 2
    (extras,) = re.findall(r"^ARG EXTRAS=(\S+)", dockerfile, re.MULTILINE)
    assert set(extras.split(",")) <= set(_project()["project"]["optional-dependencies"])
    services = _yaml("compose.yaml")["services"]
    name, *words = services["listen"]["command"]
    given = get_command(app).commands[name].make_context(name, list(words), resilient_parsing=True).params
    title, _, place = given["forward"].partition("@")
    assert place == "orthanc:4242"
    assert services["orthanc"]["environment"]["ORTHANC__DICOM_AET"] == title
    modality = json.loads(services["orthanc"]["environment"]["ORTHANC__DICOM_MODALITIES"])["medtl"]
    assert modality == [given["ae_title"], "listen", given["port"]]
    assert (ROOT / "medtl" / "models" / words[words.index("--model") + 1]).is_dir()


def test_what_the_wheel_is_built_of_reaches_the_container() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {*PACKAGES, "configs", "pyproject.toml", "requirements.lock", "README.md", "LICENSE"} == kept


def test_hooks_before_a_commit_run_what_this_environment_has() -> None:
    programs = {"ruff": "ruff", "mypy": "mypy", "lint-imports": "import-linter"}
    needed = {re.split(r"[<>=]", one)[0] for one in _project()["dependency-groups"]["dev"]}
    for repo in _yaml(".pre-commit-config.yaml")["repos"]:
        assert repo["repo"] == "local"
        for hook in repo["hooks"]:
            program = hook["entry"].split()[0].removeprefix(".venv/bin/")
            assert programs[program] in needed


def test_the_citation_is_of_this_version() -> None:
    citation, project = _yaml("CITATION.cff"), _project()["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
