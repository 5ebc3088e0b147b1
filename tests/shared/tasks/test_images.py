from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shared import ImageTask
from shared.errors import ConfigError, DataError, MeaningError
from shared.samples import Meanings
from shared.task import Preprocessing

OPTIONS = ImageTask.default_options


def picture(path: Path, shape: tuple[int, ...] = (20, 16, 3)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(str(path))).integers(0, 255, shape, dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def test_folders_are_classes_in_the_order_of_numbers_or_as_declared(tmp_path: Path) -> None:
    for label in ("10", "9", "other"):
        picture(tmp_path / "Train" / label / "1.png")
    assert ImageTask("signs").load(tmp_path, options=OPTIONS).classes == ("9", "10", "other")
    declared = ImageTask("signs", classes=["other", "10", "9"])
    dataset = declared.load(tmp_path, options=OPTIONS)
    assert dataset.classes == ("other", "10", "9")
    assert {sample.split for sample in dataset.samples} == {"train"}


def test_a_folder_that_is_no_declared_class_is_a_question_with_its_name(tmp_path: Path) -> None:
    for label in ("rose", "tulip", "rubbish"):
        picture(tmp_path / label / "1.png")
    task = ImageTask("flowers", classes=["rose", "tulip"])
    with pytest.raises(MeaningError, match=r"'rubbish'.*allowed are rose, tulip, and leave_out"):
        task.load(tmp_path, options=OPTIONS)
    told = task.load(tmp_path, options=OPTIONS, meanings=Meanings({"rubbish": "leave_out"}))
    assert told.classes == ("rose", "tulip")


def test_folders_above_declared_classes_are_domains_and_without_them_they_are_refused(tmp_path: Path) -> None:
    for site in ("garden", "shop"):
        for label in ("rose", "tulip"):
            picture(tmp_path / site / label / "1.png")
    task = ImageTask("flowers", classes=["rose", "tulip"])
    dataset = task.load(tmp_path, options=OPTIONS, meanings=Meanings(folders_above="domains"))
    assert {sample.domain for sample in dataset.samples} == {"garden", "shop"}
    with pytest.raises(DataError, match="folders within the folders of classes; declare the classes"):
        ImageTask("flowers").load(tmp_path, options=OPTIONS)


def test_a_table_gives_groups_under_the_own_word_and_no_name_of_one_is_kept(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / f"{name}.png")
    (tmp_path / "labels.csv").write_text("path,label,garden,domain\na.png,rose,Kew,uk\nb.png,rose,Kew,uk\n")
    first, second = ImageTask("flowers", group_name="garden").load(tmp_path, options=OPTIONS).samples
    assert first.group == second.group
    assert first.series_key != second.series_key, "predict judges each picture by itself"
    assert "Kew" not in str(first)
    assert first.domain == "uk"


def test_what_is_positive_is_declared_and_a_slip_is_told() -> None:
    task = ImageTask("welds", classes=["sound", "crack", "pore"], positive=["crack", "pore"], positive_name="defect")
    assert [task.is_positive(name) for name in task.classes] == [False, True, True]
    assert ImageTask("welds", positive=["crack"]).positive_name == "crack"
    with pytest.raises(DataError, match="'craks' is no class of welds"):
        task.is_positive("craks")
    with pytest.raises(ConfigError, match="'cracks' is none of the classes"):
        ImageTask("welds", classes=["sound", "crack"], positive=["cracks"])
    with pytest.raises(ConfigError, match="say with positive_name"):
        ImageTask("welds", positive=["crack", "pore"])
    with pytest.raises(ConfigError, match="no name of a task"):
        ImageTask("My Welds")


def test_preprocessing_keeps_proportions_and_colour() -> None:
    wide = np.zeros((10, 40, 3), dtype=np.float32)
    wide[..., 0] = 255.0
    wide[:, 19:21] = (0.0, 255.0, 0.0)
    task = ImageTask("flowers")
    padded, cropped = (task.preprocess(wide, Preprocessing(20, 3, {"fit": fit})) for fit in ("pad", "crop"))
    assert padded.shape == cropped.shape == (3, 20, 20)
    assert (padded[1].max(axis=0) > 0.4).sum() == 2
    assert (padded[0, 0] == padded[0, 0, 0]).all(), "above a padded picture lies the colour of its border"
    assert (cropped[1].max(axis=0) > 0.5).sum() == 4, "a crop is twice as large here"
    grey = ImageTask("flowers", colour=False).preprocess(wide, Preprocessing(20, 1, {"fit": "crop"}))
    assert grey[0, 10, 0] == pytest.approx(0.299, abs=1e-3)


def test_deep_grey_is_scaled_and_other_values_are_refused() -> None:
    task, spec = ImageTask("flowers", colour=False), Preprocessing(8, 1, {"fit": "pad"})
    assert task.preprocess(np.full((8, 8), 65535.0, dtype=np.float32), spec).max() == 1.0
    with pytest.raises(DataError, match="has values from -1 to"):
        task.preprocess(np.full((8, 8), -1.0, dtype=np.float32), spec)


def test_augmentation_depends_on_the_seed_alone_and_mirrors_only_where_it_is_declared() -> None:
    images = torch.zeros(2, 3, 32, 32)
    images[..., :16] = 1.0
    plain, flipped = ImageTask("signs"), ImageTask("signs", flip_invariant=True)
    seeds = list(range(20))
    many = images[:1].repeat(20, 1, 1, 1)
    varied = plain.augment(many, seeds)
    torch.testing.assert_close(varied[7:9], plain.augment(images, [7, 8]))
    assert not torch.equal(varied[7], varied[8])
    left = varied[..., 2].mean(dim=(1, 2)) > varied[..., 29].mean(dim=(1, 2))
    mirrored = flipped.augment(many, seeds)
    assert left.all()
    assert 3 < (mirrored[..., 2].mean(dim=(1, 2)) < mirrored[..., 29].mean(dim=(1, 2))).sum() < 17
    with pytest.raises(ConfigError, match="unknown augmentation 'scenes'"):
        plain.augment(images, [0, 1], "scenes")


def test_images_are_kept_as_bytes_and_inputs_are_pictures(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / "rose" / f"{number}.png")
    task, spec = ImageTask("flowers"), Preprocessing(16, 3, OPTIONS)
    dataset = task.load(tmp_path, options=OPTIONS)
    images = task.images(dataset.samples, spec, dataset.content_hash)
    exact = task.preprocess(task.read(dataset.samples[1]), spec)
    np.testing.assert_allclose(images[1], exact, atol=0.51 / 255)
    assert images.stored([2, 0]).dtype == np.uint8
    (tmp_path / "notes.pdf").write_bytes(b"%PDF-1.4")
    items = list(task.read_inputs([tmp_path]))
    assert [item.refusal is None for item in items].count(True) == 3


def test_an_own_task_has_a_command_line() -> None:
    from typer.testing import CliRunner

    from shared.cli.app import build_app

    said = CliRunner().invoke(build_app(ImageTask("flowers", title="Garden flowers")), ["--help"])
    assert said.exit_code == 0
    assert "Garden flowers" in said.output
    assert "adapt" in said.output
