"""What holds for the distribution as a whole."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

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


def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    tree = {name for name in listed if (ROOT / name).is_file()}
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == tree
    assert {"shared/data/partition.py", "shared/runs/record.py", "medtl/attributes.csv"} <= held
