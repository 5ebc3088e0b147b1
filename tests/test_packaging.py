"""What holds for the distribution as a whole."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "monai", "captum", "matplotlib", "onnxruntime", "sklearn", "scipy", "pydicom")


def _modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {line.split(".")[0] for line in result.stdout.splitlines()}


def test_the_three_packages_come_from_one_place() -> None:
    places = set()
    for name in ("medtl", "handwriting", "shared"):
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


@pytest.mark.parametrize("name", ["medtl/attributes.csv", "handwriting/attributes.csv", "shared/templates"])
def test_files_that_code_reads_go_into_the_wheel(name: str) -> None:
    """The builder takes what lies in the packages and git does not ignore."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert settings == {"packages": ["medtl", "handwriting", "shared"]}
    paths = sorted(path for path in [ROOT / name, *(ROOT / name).glob("*")] if path.is_file())
    assert paths
    ignored = subprocess.run(["git", "check-ignore", *paths], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ignored.stdout == ""
