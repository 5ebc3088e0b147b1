from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from medtl.task import TASK
from shared.errors import RunError
from shared.io.atomic import write_json
from shared.prediction.predictor import Predictor
from shared.runs.folder import finish
from shared.runs.record import read_model_record
from shared.runs.record_fields import CHECKS, fault_of

RELEASED = Path("medtl/models/brain-mri")


def changed(path: str, value: Any) -> dict[str, Any]:
    """The record of the released model with one value changed; dots lead into fields."""
    tree = json.loads((RELEASED / "model.json").read_text())
    *above, last = path.split(".")
    node = tree
    for key in above:
        node = node[key]
    node[last] = value
    return dict(tree)


def test_the_records_of_released_models_are_sound() -> None:
    for model in (RELEASED, Path("handwriting/models/devanagari")):
        assert fault_of(json.loads((model / "model.json").read_text())) is None


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("threshold", "abc", "states threshold 'abc'; allowed is a number from 0 to 1"),
        ("threshold", math.nan, "states threshold nan"),
        ("threshold", 1.5, "states threshold 1.5"),
        ("threshold", 10**400, "a number from 0 to 1"),
        ("aggregation.bias", 10**400, "states aggregation"),
        ("data_names", ["\x1b]0;title\x07"], "states data_names"),
        ("threshold", True, "states threshold True"),
        ("preprocessing.size", 100_000, "allowed is size 1 to 4096"),
        ("preprocessing.size", 0, "states preprocessing"),
        ("preprocessing.channels", 7, "states preprocessing"),
        ("preprocessing.code", "x", "states preprocessing"),
        ("temperature", 0, "a number above 0"),
        ("classes", ["a", "\x1b[2J"], "names that can be printed"),
        ("classes", ["a", "a"], "states a class twice"),
        ("classes", "ab", "states classes"),
        ("positive", [True], "1 values of positive for 2 classes"),
        ("aggregation.weights", [1.0], "1 weights for 3 pools"),
        ("aggregation.bias", math.inf, "states aggregation"),
        ("ood", {}, "fields with a finite threshold"),
        ("auxiliary", {"plane": ["axial", 3]}, "states auxiliary"),
        ("acquisition", {"plane": 3}, "fields of fields"),
        ("domains", None, "a list of names"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(path: str, value: Any, said: str) -> None:
    fault = fault_of(changed(path, value))
    assert fault is not None
    assert said in fault


def test_names_may_join_letters() -> None:
    assert fault_of(changed("classes", ["\u0915\u094d\u200d\u0937", "\u0915\u094d\u200c\u0937"])) is None


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_missing_field_is_named(name: str) -> None:
    tree = changed("format", 9)
    del tree[name]
    assert fault_of(tree) == f"has no {name}"


def test_a_record_of_another_network_is_refused_before_an_image_is_read(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(RELEASED, run)
    (run / "released.json").unlink()
    for path, value, said in (
        ("preprocessing.size", 256, r"images \[1, 128, 128\], and model.json states \[1, 256, 256\]"),
        ("classes", ["a", "b", "c"], "probabilities"),
    ):
        tree = changed(path, value)
        tree["positive"] = [True, *[False] * (len(tree["classes"]) - 1)]
        write_json(run / "model.json", tree)
        finish(run, "medtl")
        with pytest.raises(RunError, match=said):
            Predictor(run, "medtl", TASK.preprocess)


def test_the_error_is_one_line_of_the_run(tmp_path: Path) -> None:
    write_json(tmp_path / "model.json", changed("threshold", "abc"))
    with pytest.raises(RunError, match=r"model\.json states threshold") as raised:
        read_model_record(tmp_path)
    assert "\n" not in str(raised.value)
