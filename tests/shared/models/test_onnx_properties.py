"""Properties of the exported network, which agree with the record and change nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from shared.models.onnx_properties import write_properties
from shared.runs.record import read_model_record


def _properties(path: Path) -> dict[str, str]:
    return {one.key: one.value for one in onnx.load(path, load_external_data=False).metadata_props}


@pytest.mark.parametrize("fixture", ["tiny_run", "released_model", "ensemble_run"])
def test_what_the_network_says_of_itself_is_what_the_record_says(fixture: str, request: pytest.FixtureRequest) -> None:
    run: Path = request.getfixturevalue(fixture)
    found, record = _properties(run / "model.onnx"), read_model_record(run)
    assert found["task"] == record.task == "handwriting"
    assert found["run"] == run.name
    assert json.loads(found["classes"]) == list(record.classes)
    assert json.loads(found["positive"]) == list(record.positive)
    assert json.loads(found["preprocessing"]) == asdict(record.preprocessing)
    assert float(found["threshold"]) == record.image_threshold
    assert found["licence"].splitlines()[-1 if fixture == "released_model" else 0] == (
        "Drawn characters: CC0"
        if fixture == "released_model"
        else "The images of training: their licence is not recorded"
    )


def test_the_network_names_no_folder_of_the_machine_that_made_it(tiny_run: Path, released_model: Path) -> None:
    for run in (tiny_run, released_model):
        assert b".py" not in (run / "model.onnx").read_bytes()


def test_properties_leave_the_graph_and_its_outside_weights_alone(released_model: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(released_model, tmp_path / "model"))
    write_properties(copy / "model.onnx", read_model_record(copy), "another", ["one", "two"])
    assert _properties(copy / "model.onnx")["licence"] == "one\ntwo"
    before, after = (onnx.load(one / "model.onnx", load_external_data=False) for one in (released_model, copy))
    assert before.graph.SerializeToString(deterministic=True) == after.graph.SerializeToString(deterministic=True)
    image = np.zeros((1, 1, 32, 32), dtype=np.float32)
    answers = [
        onnxruntime.InferenceSession(one / "model.onnx", providers=["CPUExecutionProvider"]).run(
            None, {"images": image}
        )
        for one in (released_model, copy)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(*answers, strict=True))
