"""The synthetic dataset: layout, labels, determinism, and what its DICOM headers say."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from medtl.datasets import load
from medtl.inputs import read_inputs
from medtl.labels import NO_TUMOUR
from medtl.phantom.dataset import COLUMNS, MIN_TUMOUR_MM2, SYNTHETIC_SCANNERS, write_phantom
from medtl.phantom.physics import SCANNERS
from medtl.phantom.tumours import KINDS
from medtl.sample_pixels import read
from medtl.task import TASK
from shared.config.schema import DataSection, TargetSection
from shared.data.loading import load_dataset
from shared.errors import ConfigError, DataError, UsageError
from shared.task import Preprocessing


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantom") / "data"
    return write_phantom(out, patients=5, scanners=("atlas", "cirrus"), kinds=KINDS, healthy_share=0.2)


@pytest.fixture(scope="module")
def rows(phantom: Path) -> list[dict[str, str]]:
    with (phantom / "labels.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _write_small(out: Path, seed: int = 0) -> Path:
    return write_phantom(out, patients=1, scanners=("cirrus",), slices=3, seed=seed, healthy_share=0.0)


def test_table_names_every_file_and_no_other(phantom: Path, rows: list[dict[str, str]]) -> None:
    named = {row["path"] for row in rows} | {row["mask"] for row in rows if row["mask"]}
    assert named | {"labels.csv", "phantom.json"} == set(_digests(phantom))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 2 * 5 * 12


def test_label_is_the_kind_where_the_mask_is_large_enough(phantom: Path, rows: list[dict[str, str]]) -> None:
    for row in rows:
        spacing = float(dcmread(phantom / row["path"], stop_before_pixels=True).PixelSpacing[0])
        seen = int(row["tumour_pixels"]) * spacing**2 >= MIN_TUMOUR_MM2
        assert row["label"] == (row["kind"] if seen else NO_TUMOUR)
        assert bool(row["mask"]) == seen
        if seen:
            mask = np.asarray(Image.open(phantom / row["mask"]))
            assert set(np.unique(mask)) == {0, 255}
            assert int((mask > 0).sum()) == int(row["tumour_pixels"])


def test_every_kind_and_healthy_patients_occur_on_every_scanner(rows: list[dict[str, str]]) -> None:
    for scanner in ("PHANTOM Atlas", "PHANTOM Cirrus"):
        assert {row["kind"] for row in rows if row["scanner"] == scanner} == {*KINDS, NO_TUMOUR}
        assert {row["label"] for row in rows if row["scanner"] == scanner} == {*KINDS, NO_TUMOUR}


def test_each_tumour_is_seen_on_at_least_one_slice(rows: list[dict[str, str]]) -> None:
    with_tumour = {row["patient"] for row in rows if row["kind"] != NO_TUMOUR}
    assert with_tumour == {row["patient"] for row in rows if row["label"] != NO_TUMOUR}


def test_headers_say_scanner_geometry_and_synthetic(phantom: Path, rows: list[dict[str, str]]) -> None:
    files = [dcmread(phantom / row["path"]) for row in rows if row["patient"] == rows[0]["patient"]]
    scanner, first = SCANNERS["atlas"], files[0]
    assert first.SOPClassUID == MRImageStorage
    assert first.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert first.ImageType[0] == "DERIVED"
    assert "SYNTHETIC" in first.SeriesDescription
    assert {file.SyntheticData for file in files} == {"YES"}
    assert first.BodyPartExamined == "BRAIN"
    assert str(first.PatientName).startswith("PHANTOM^")
    assert (first.Manufacturer, first.ManufacturerModelName) == (scanner.manufacturer, scanner.model)
    stated = (first.MagneticFieldStrength, first.RepetitionTime, first.EchoTime, first.FlipAngle)
    assert stated == (scanner.field_strength_t, scanner.tr_ms, scanner.te_ms, scanner.flip_deg)
    assert [file.InstanceNumber for file in files] == list(range(1, 13))
    heights = [float(file.ImagePositionPatient[2]) for file in files]
    np.testing.assert_allclose(np.diff(heights), float(first.SpacingBetweenSlices), atol=1e-3)
    assert len({file.SOPInstanceUID for file in files}) == 12
    assert len({file.SeriesInstanceUID for file in files}) == 1
    assert first.pixel_array.shape == (scanner.matrix, scanner.matrix)
    assert first.pixel_array.dtype == np.uint16


def test_patients_do_not_share_uids(phantom: Path, rows: list[dict[str, str]]) -> None:
    series = {row["patient"]: dcmread(phantom / row["path"]).SeriesInstanceUID for row in rows}
    assert len(set(series.values())) == len(series) == 10


def test_a_part_of_it_is_known_as_synthetic_without_the_mark_of_the_whole(
    phantom: Path, rows: list[dict[str, str]], tmp_path: Path
) -> None:
    for row in (rows[0], next(row for row in rows if row["label"] != rows[0]["label"])):
        (tmp_path / row["label"]).mkdir()
        shutil.copyfile(phantom / row["path"], tmp_path / row["label"] / "a.dcm")
    assert load(tmp_path, {}).synthetic


def test_each_series_says_that_it_is_synthetic(phantom: Path, rows: list[dict[str, str]]) -> None:
    (item,) = read_inputs([(phantom / rows[0]["path"]).parent])
    assert item.synthetic


def test_loader_knows_it_as_synthetic_with_one_group_a_patient(phantom: Path) -> None:
    dataset = load(phantom, {})
    assert dataset.synthetic
    assert dataset.classes == (NO_TUMOUR, *KINDS)
    assert {sample.domain for sample in dataset.samples} == {"phantom atlas", "phantom cirrus"}
    assert len({sample.group for sample in dataset.samples}) == 10
    assert not [note for note in dataset.notes if "believed" in note]
    assert np.isfinite(read(dataset.samples[0])).all()


def test_scanners_of_the_embedded_data_are_known_before_they_are_made(tmp_path: Path) -> None:
    domains = TASK.synthetic_domains()
    made = write_phantom(tmp_path / "made", patients=1, slices=1, scanners=SYNTHETIC_SCANNERS)
    assert {sample.domain for sample in load(made, {}).samples} == set(domains)
    nowhere = "phantom nowhere"
    for wanted in (
        DataSection(source="phantom", domains=(domains[0], nowhere)),
        DataSection(source="phantom", target=TargetSection(domain=nowhere)),
    ):
        with pytest.raises(ConfigError, match="phantom atlas, phantom borealis"):
            load_dataset(TASK, wanted, Preprocessing(32, 1, TASK.default_options), tmp_path / "root", lambda *_: None)
    assert not (tmp_path / "root").exists()


def test_mark_tells_how_it_was_made(phantom: Path) -> None:
    mark = json.loads((phantom / "phantom.json").read_text())
    assert mark["synthetic"] is True
    assert (mark["seed"], mark["scanners"], mark["kinds"]) == (0, ["atlas", "cirrus"], [*KINDS])


def test_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, again, other = (_write_small(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert _digests(first) == _digests(again)
    pictures = [sorted(folder.rglob("*.dcm"))[0] for folder in (first, other)]
    assert pictures[0].read_bytes() != pictures[1].read_bytes()


def test_more_patients_leave_the_first_as_they_were(phantom: Path, tmp_path: Path) -> None:
    one = write_phantom(tmp_path / "one", patients=1, scanners=("cirrus",), kinds=KINDS, healthy_share=0.2)
    own = {path: digest for path, digest in _digests(one).items() if path.endswith((".dcm", ".png"))}
    assert len(own) >= 12
    assert own.items() <= _digests(phantom).items()


def test_a_share_of_patients_is_healthy(tmp_path: Path) -> None:
    out = write_phantom(tmp_path / "out", patients=6, scanners=("cirrus",), slices=2, healthy_share=0.5)
    with (out / "labels.csv").open(newline="") as stream:
        kinds = {row["patient"]: row["kind"] for row in csv.DictReader(stream)}
    assert sorted(kinds.values()) == ["glioma", "meningioma", *[NO_TUMOUR] * 3, "pituitary"]


def test_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(UsageError, match="not an empty folder"):
        _write_small(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path / "out", patients=2, scanners=("cirrus",), slices=1, progress=interrupt)
    assert not list(tmp_path.iterdir())


def test_progress_counts_patients_of_all_scanners(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_phantom(
        tmp_path / "out", patients=1, scanners=tuple(SCANNERS), slices=1, progress=lambda *now: seen.append(now)
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scanners": ("altas",)}, "did you mean atlas"),
        ({"scanners": ()}, "one or more"),
        ({"scanners": ("atlas", "atlas")}, "each once"),
        ({"kinds": ("gliom",)}, "did you mean glioma"),
        ({"kinds": ()}, "no tumour kind"),
        ({"patients": 0}, "patients is 0"),
        ({"slices": 0}, "slices is 0"),
        ({"healthy_share": 1.5}, "0 to 1"),
    ],
)
def test_wrong_request_is_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict[str, object], message: str
) -> None:
    request: dict[str, object] = {"patients": 1, "scanners": ("atlas",)} | wrong
    with pytest.raises(DataError, match=message):
        write_phantom(tmp_path / "out", **request)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
