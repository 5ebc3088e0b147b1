"""What is handwriting's own in its TASK; tests/applications/test_task.py has what all applications share."""

from __future__ import annotations

import subprocess
import sys

from handwriting.task import TASK
from shared.samples import Sample


def test_prediction_needs_neither_torch_nor_albumentations() -> None:
    code = (
        "import sys, numpy as np; from handwriting.task import TASK; from shared.task import Preprocessing;"
        "list(TASK.read_inputs([])); TASK.preprocess(np.eye(9, dtype=np.float32), Preprocessing(32));"
        "print([m for m in ('torch', 'albumentations', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_character_is_a_positive_event() -> None:
    assert TASK.positive_name is None
    assert not TASK.is_positive("ka")


def test_a_character_is_displayed_by_symbol_and_name() -> None:
    assert [TASK.display_name(label) for label in ("chhya", "digit_7", "vowel_1", "scribble")] == [
        "क्ष kssa",
        "७ 7",
        "अ a",
        "scribble",
    ]


def test_kind_and_writer_can_be_learnt_beside_the_class() -> None:
    sample = Sample("a", "a.png", "digit_3", group="w1", auxiliary={"pen": "ball"})
    assert TASK.auxiliary(sample) == {"kind": "digit", "writer": "w1", "pen": "ball"}
    assert TASK.auxiliary(Sample("a", "a.png", "ka")) == {"kind": "consonant"}
    assert TASK.auxiliary(Sample("a", "a.png", "martian")) == {}
