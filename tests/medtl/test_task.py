from __future__ import annotations

import subprocess
import sys

from medtl.settings import Settings
from medtl.task import TASK
from shared.samples import Sample
from shared.task import Preprocessing


def test_importing_the_task_loads_nothing_heavy() -> None:
    code = (
        "import sys, medtl.task, medtl.labels;"
        "print([m for m in ('torch', 'monai', 'pydicom', 'scipy', 'PIL', 'nibabel') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_task_says_what_it_must() -> None:
    assert TASK.name == "medtl"
    assert TASK.positive_name == "tumour"
    assert TASK.display_name("glioma") == "glioma"
    assert any("Research use only" in disclaimer for disclaimer in TASK.disclaimers)
    assert TASK.is_positive("glioma")
    assert not TASK.is_positive("no_tumour")


def test_default_options_are_those_of_the_preprocessing() -> None:
    assert Settings.of(TASK.default_options) == Settings.of({})


def test_task_goes_from_folder_to_augmented_image(tmp_path) -> None:
    import numpy as np
    from PIL import Image

    for name in ("yes", "no"):
        (tmp_path / name).mkdir()
        grey = np.zeros((40, 40), dtype=np.uint8)
        grey[8:30, 10:32] = 200
        Image.fromarray(grey).save(tmp_path / name / "1.png")
    dataset = TASK.load(tmp_path, options=TASK.default_options)
    spec = Preprocessing(32, 1, TASK.default_options)
    image = TASK.images(dataset.samples, spec, dataset.content_hash)[0]
    np.testing.assert_array_equal(image, TASK.preprocess(TASK.read(dataset.samples[0]), spec))
    assert TASK.read_mask(dataset.samples[0], spec) is None
    assert TASK.augment(image, 1).shape == (1, 32, 32)


def test_the_scanner_and_what_the_data_say_can_be_learnt_beside_the_class() -> None:
    sample = Sample("a", "a.png", "glioma", domain="siemens aera", auxiliary={"plane": "axial"})
    assert TASK.auxiliary(sample) == {"scanner": "siemens aera", "plane": "axial"}
    assert TASK.auxiliary(Sample("a", "a.png", "glioma")) == {}
