from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from handwriting import dhcd
from handwriting.cli import app
from handwriting.datasets import load
from shared.errors import DataError

RUNNER = CliRunner()


def _archive(root: Path, to: Path, *, above: str = "", change: bool = False) -> Path:
    """A zip of two classes, 2 images for training and 1 for the test each, optionally below a folder."""
    random = np.random.default_rng(0)
    with zipfile.ZipFile(to, "w") as archive:
        for folder in ("Train/digit_0/1", "Train/digit_0/2", "Test/digit_0/3", "Train/digit_1/4", "Train/digit_1/5"):
            _add(archive, root, f"{above}{folder}.png", random.integers(0, 256, (32, 32), dtype=np.uint8))
        last = random.integers(0, 256, (32, 32), dtype=np.uint8)
        _add(archive, root, f"{above}Test/digit_1/6.png", last ^ np.uint8(change))
    return to


def _add(archive: zipfile.ZipFile, root: Path, name: str, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(root / "one.png")
    archive.write(root / "one.png", name)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small dataset in the place of DHCD."""
    path = _archive(tmp_path, tmp_path / "published.zip")
    for name, value in (("CLASSES", 2), ("TRAIN", 2), ("TEST", 1), ("URL", path.as_uri())):
        monkeypatch.setattr(dhcd, name, value)
    monkeypatch.setattr(dhcd, "PIXELS", dhcd.pixel_digest(load(path, {}).samples))
    return path


def test_it_is_known_by_its_pixels_however_it_is_packed(published: Path, tmp_path: Path) -> None:
    dhcd.check(_archive(tmp_path, tmp_path / "wrapped.zip", above="DevanagariHandwrittenCharacterDataset/"))
    with pytest.raises(DataError, match="other pixels"):
        dhcd.check(_archive(tmp_path, tmp_path / "changed.zip", change=True))


def test_missing_images_are_said(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dhcd, "TRAIN", 3)
    with pytest.raises(DataError, match="6 images of 2 classes"):
        dhcd.check(published)


def test_the_command_fetches_and_checks(published: Path, tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["data", "download", "dhcd", "--to", str(tmp_path / "data")])
    assert result.exit_code == 0, result.output
    path = tmp_path / "data" / "dhcd.zip"
    assert path.read_bytes() == published.read_bytes()
    assert result.stdout == f"{path}: whole; train with data.source={path}\n"


def test_without_a_network_it_says_so_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dhcd, "URL", "http://127.0.0.1:9/dhcd.zip")
    result = RUNNER.invoke(app, ["data", "download", "dhcd", "--to", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: http://127.0.0.1:9/dhcd.zip could not be fetched")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.data
@pytest.mark.slow
def test_the_real_dataset_is_known(data_dir: Path) -> None:
    dhcd.check(data_dir / "dhcd.zip")
