"""What holds for the TASK of every application."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from handwriting.task import TASK as HANDWRITING
from medtl.task import TASK as MEDTL
from shared.errors import ConfigError
from shared.samples import Sample
from shared.task import Preprocessing, PreprocessingOptions, Task, positive_classes


@dataclass(frozen=True)
class Application:
    """One application with what a test needs to know of it.

    Attributes:
        task: Its TASK.
        heavy: Modules that importing the TASK must not load.
        folders: Two folders of classes, by the label each stands for.
        tolerance: How far a stored image may lie from a preprocessed one: MR is stored as float16, characters as bytes.
    """

    task: Task
    heavy: tuple[str, ...]
    folders: dict[str, str]
    tolerance: float


APPLICATIONS = {
    "medtl": Application(
        MEDTL,
        ("torch", "monai", "pydicom", "scipy", "PIL", "nibabel", "numpy"),
        {"no": "no_tumour", "yes": "tumour"},
        2.0**-12,
    ),
    "handwriting": Application(
        HANDWRITING,
        ("torch", "albumentations", "cv2", "scipy", "PIL", "numpy"),
        {"ka": "ka", "digit_0": "digit_0"},
        0.5 / 255 + 1e-6,
    ),
}


@pytest.fixture(params=APPLICATIONS)
def application(request: pytest.FixtureRequest) -> Application:
    return APPLICATIONS[request.param]


def _draw(path: Path, *, left: int = 10) -> None:
    grey = np.zeros((40, 40), dtype=np.uint8)
    grey[8:30, left : left + 18] = 200
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey).save(path)


def test_importing_the_task_loads_nothing_heavy(application: Application) -> None:
    name = application.task.name
    code = f"import sys, {name}.task, {name}.labels; print([m for m in {application.heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_task_says_what_it_must(application: Application) -> None:
    task = application.task
    assert task.title
    assert task.inputs_help
    assert task.disclaimers
    assert task.augmentations
    assert task.synthetic_domains()
    assert [task.canonical(folder) for folder in application.folders] == list(application.folders.values())


def test_positive_classes_exist_where_the_positive_event_has_a_name(application: Application) -> None:
    task, classes = application.task, tuple(application.folders.values())
    assert any(positive_classes(task, classes)) == (task.positive_name is not None)


def test_default_options_are_those_of_the_preprocessing(application: Application) -> None:
    settings = importlib.import_module(f"{application.task.name}.settings").Settings
    assert issubclass(settings, PreprocessingOptions)
    assert application.task.default_options == settings.defaults()
    assert settings.of(application.task.default_options) == settings.of({}) == settings()


def test_unknown_options_are_refused_before_anything_is_read(application: Application, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown option 'colour'; allowed are \w+, .*margin"):
        application.task.load(tmp_path, options={"colour": 1})


@pytest.mark.parametrize("value", ["wide", True, None, -1, 2, float("nan")])
def test_a_margin_that_is_no_share_is_refused(application: Application, value: object) -> None:
    settings = importlib.import_module(f"{application.task.name}.settings").Settings
    with pytest.raises(ConfigError, match=r"margin is .*; allowed"):
        settings.of({"margin": value})


def test_task_goes_from_folder_to_augmented_image(application: Application, tmp_path: Path) -> None:
    task = application.task
    for number, folder in enumerate(application.folders):
        _draw(tmp_path / folder / "1.png", left=8 + number)
    dataset = task.load(tmp_path, options=task.default_options)
    assert {sample.label for sample in dataset.samples} == set(dataset.classes) == set(application.folders.values())
    spec = Preprocessing(32, 1, task.default_options)
    image = task.images(dataset.samples, spec, dataset.content_hash)[0]
    expected = task.preprocess(task.read(dataset.samples[0]), spec)
    np.testing.assert_allclose(image, expected, rtol=0.0, atol=application.tolerance)
    assert task.read_mask(dataset.samples[0], spec) is None
    for kind in task.augmentations:
        images = torch.from_numpy(image[np.newaxis].copy())
        varied = task.augment(images, [1], kind)
        assert varied.shape == (1, 1, 32, 32)
        assert torch.equal(varied, task.augment(images, [1], kind))


def test_auxiliary_labels_of_the_data_can_be_learnt_beside_the_class(application: Application) -> None:
    sample = Sample("a", "a.png", "thing", auxiliary={"plane": "axial"})
    assert application.task.auxiliary(sample) == {"plane": "axial"}
