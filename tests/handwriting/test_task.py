from __future__ import annotations

import subprocess
import sys

from handwriting.settings import Settings
from handwriting.task import TASK
from shared.samples import Sample
from shared.task import Preprocessing


def test_importing_the_task_loads_nothing_heavy() -> None:
    code = (
        "import sys, handwriting.task, handwriting.labels;"
        "print([m for m in ('torch', 'albumentations', 'cv2', 'scipy', 'PIL', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_prediction_needs_neither_torch_nor_albumentations() -> None:
    code = (
        "import sys, numpy as np; from handwriting.task import TASK; from shared.task import Preprocessing;"
        "list(TASK.read_inputs([])); TASK.preprocess(np.eye(9, dtype=np.float32), Preprocessing(32));"
        "print([m for m in ('torch', 'albumentations', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_task_says_what_it_must() -> None:
    assert TASK.name == "handwriting"
    assert TASK.positive_name is None
    assert TASK.disclaimers
    assert not TASK.is_positive("ka")


def test_a_character_is_told_by_symbol_and_name() -> None:
    assert [TASK.display_name(label) for label in ("chhya", "digit_7", "vowel_1", "scribble")] == [
        "क्ष kssa",
        "७ 7",
        "अ a",
        "scribble",
    ]


def test_default_options_are_those_of_the_preprocessing() -> None:
    assert Settings.of(TASK.default_options) == Settings.of({})


def test_task_goes_from_folder_to_augmented_image(tmp_path) -> None:
    import numpy as np
    from PIL import Image

    for name in ("ka", "digit_0"):
        (tmp_path / name).mkdir()
        grey = np.full((40, 40), 255, dtype=np.uint8)
        grey[8:30, 10:14] = 0
        Image.fromarray(grey).save(tmp_path / name / "1.png")
    dataset = TASK.load(tmp_path, options=TASK.default_options)
    spec = Preprocessing(32, 1, TASK.default_options)
    image = TASK.images(dataset.samples, spec, dataset.content_hash)[0]
    np.testing.assert_allclose(image, TASK.preprocess(TASK.read(dataset.samples[0]), spec), atol=0.5 / 255 + 1e-6)
    assert TASK.read_mask(dataset.samples[0], spec) is None
    assert TASK.augment(image, 1).shape == (1, 32, 32)


def test_kind_writer_and_what_the_data_say_can_be_learnt_beside_the_class() -> None:
    sample = Sample("a", "a.png", "digit_3", group="w1", auxiliary={"pen": "ball"})
    assert TASK.auxiliary(sample) == {"kind": "digit", "writer": "w1", "pen": "ball"}
    assert TASK.auxiliary(Sample("a", "a.png", "ka")) == {"kind": "consonant"}
    assert TASK.auxiliary(Sample("a", "a.png", "martian")) == {}
