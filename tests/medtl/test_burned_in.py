from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont
from typer.testing import CliRunner

from medtl.burned_in import text_rows
from medtl.cli import app
from medtl.dicom.reader import read_dicom
from medtl.phantom.dataset import write_phantom
from shared.io.pictures import read_picture

WORDS = ("DOE JANE", "1951-12-24", "ID 4711", "St. Mary Hospital", "W 953 : L 437")


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    out = write_phantom(
        tmp_path_factory.mktemp("heads") / "data", patients=2, scanners=["atlas", "borealis", "cirrus"], slices=5
    )
    return [read_dicom(path.read_bytes(), allow_blank=True).frames[0] for path in sorted(out.rglob("*.dcm"))]


def with_text(head: np.ndarray, words: str, size: int, corner: int, brightness: float = 1.0) -> np.ndarray:
    """The head with words in a corner, from 0 at the top left, row by row."""
    picture, font = Image.fromarray(head.astype(np.float32)), ImageFont.load_default(size)
    pen = ImageDraw.Draw(picture)
    left = 2 if corner % 2 == 0 else picture.width - 2 - pen.textlength(words, font=font)
    pen.text((left, 2 if corner < 2 else picture.height - size - 6), words, fill=brightness * head.max(), font=font)
    return np.asarray(picture)


@pytest.mark.parametrize("size", [8, 12, 20])
@pytest.mark.parametrize("brightness", [0.7, 1.0, 2.0])
def test_words_in_a_corner_are_found_in_every_size(heads: list[np.ndarray], size: int, brightness: float) -> None:
    found = 0
    for index, head in enumerate(heads):
        rows = text_rows(with_text(head, WORDS[index % 5], size, index % 4, brightness))
        # in the half of the image that was written on
        found += any((top > head.shape[0] / 2) == (index % 4 > 1) for _, top, _, _ in rows)
    assert found >= 0.95 * len(heads)


def test_two_lines_are_two_rows(heads: list[np.ndarray]) -> None:
    rows = text_rows(with_text(with_text(heads[2], "DOE JANE", 12, 0), "19511224", 12, 2))
    assert len({top > 100 for _, top, _, _ in rows}) == 2


def test_heads_alone_raise_no_alarm(heads: list[np.ndarray]) -> None:
    assert [text_rows(head) for head in heads] == [[]] * len(heads)


@pytest.mark.parametrize("words", ["R", "L", "A"])
def test_the_mark_of_a_side_is_no_text(heads: list[np.ndarray], words: str) -> None:
    assert text_rows(with_text(heads[0], words, 14, 0)) == []


def test_frames_blank_images_and_noise_are_no_text(heads: list[np.ndarray]) -> None:
    framed = heads[0].copy()
    framed[[0, -1]] = framed[:, [0, -1]] = framed.max()
    assert text_rows(framed) == []
    assert text_rows(np.zeros((64, 64), np.float32)) == []
    random = np.random.default_rng(0)
    assert [text_rows(random.rayleigh(1, (200, 200)).astype(np.float32)) for _ in range(5)] == [[]] * 5


def test_colour_is_seen(heads: list[np.ndarray]) -> None:
    red = np.stack([with_text(heads[0], "DOE JANE", 12, 0), heads[0], heads[0]], axis=2)
    assert text_rows(red)


@pytest.fixture
def dataset(tmp_path: Path, heads: list[np.ndarray]) -> Path:
    """Pictures and DICOM, one of each sound, written on, or with the tag; and one that cannot be read."""
    root = tmp_path / "data"
    write_phantom(tmp_path / "phantom", patients=1, scanners=["atlas"], slices=3)
    whole, tagged, written = sorted((tmp_path / "phantom").rglob("*.dcm"))
    for name in ("glioma", "no_tumour"):
        (root / name).mkdir(parents=True)
    dataset = pydicom.dcmread(tagged)
    dataset.BurnedInAnnotation = "YES"
    dataset.save_as(root / "glioma" / "tagged.dcm")
    dataset = pydicom.dcmread(written)
    dataset.PixelData = with_text(dataset.pixel_array.astype(np.float32), "DOE JANE", 12, 0).astype("<u2").tobytes()
    dataset.save_as(root / "glioma" / "written.dcm")
    (root / "glioma" / "whole.dcm").write_bytes(whole.read_bytes())
    for name, pixels in (("whole", heads[1]), ("written", with_text(heads[3], "DOE JANE", 12, 3))):
        scaled = (pixels * (255 / pixels.max())).astype(np.uint8)
        Image.fromarray(scaled).save(root / "no_tumour" / f"{name}.png")
    (root / "no_tumour" / "cut.png").write_bytes((root / "no_tumour" / "whole.png").read_bytes()[:900])
    return root


def test_audit_lists_suspects_by_file_and_counts_them(dataset: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["audit", str(dataset), "--burned-in-text", "--out", str(tmp_path / "out")])
    assert result.exit_code == 3, result.output  # for the picture that cannot be read
    told = [line for line in result.stdout.splitlines() if line.startswith("text suspected in ")]
    assert told == [
        f"text suspected in {dataset / 'glioma' / 'tagged.dcm'}: Burned In Annotation is YES",
        f"text suspected in {dataset / 'glioma' / 'written.dcm'}: a row of what looks like letters",
        f"text suspected in {dataset / 'no_tumour' / 'written.png'}: a row of what looks like letters",
    ]
    assert "suspected in 3 of 6 images" in result.stdout
    rows = list(csv.DictReader((tmp_path / "out" / "burned_in.csv").read_text().splitlines()))
    assert [(Path(row["path"]).name, row["frame"]) for row in rows] == [
        ("tagged.dcm", "0"),
        ("written.dcm", "0"),
        ("written.png", "0"),
    ]


def test_audit_without_the_flag_does_not_look(dataset: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["audit", str(dataset), "--out", str(tmp_path / "out")])
    assert "suspected" not in result.output
    assert not (tmp_path / "out" / "burned_in.csv").exists()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "fewest", "most"), [("sartaj.zip", 0, 3), ("gbm_dicom.zip", 0, 0), ("navoneel.zip", 15, 25)]
)
def test_real_images(data_dir: Path, name: str, fewest: int, most: int) -> None:
    """Every fourth of Sartaj and gbm_dicom, which hold no legible text; all of Navoneel, of which 30 or so do."""
    found = 0
    with zipfile.ZipFile(data_dir / name) as archive:
        images = [member for member in archive.namelist() if member.lower().endswith((".dcm", ".png", ".jpg", ".jpeg"))]
        for member in images[:: 1 if name == "navoneel.zip" else 4]:
            if "mask" in member:
                continue
            data = archive.read(member)
            pixels = read_dicom(data).frames[0] if member.endswith(".dcm") else read_picture(data, ground="black")
            found += bool(text_rows(pixels))
    assert fewest <= found <= most
