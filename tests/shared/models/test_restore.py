"""The torch network of a finished run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from handwriting.task import TASK
from shared.errors import RunError
from shared.models.restore import load_trained
from shared.prediction.predictor import Predictor
from shared.runs.folder import finish


def test_it_gives_what_the_exported_network_gives(tiny_run: Path) -> None:
    network, record = load_trained(tiny_run)
    images = np.random.default_rng(0).uniform(size=(4, 1, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        found = torch.softmax(network(torch.from_numpy(images)) / network.temperature, dim=1).numpy()
    assert not network.training
    assert record.classes == ("ka", "digit_0", "digit_1")
    assert np.abs(found - Predictor(tiny_run, TASK.name, TASK.preprocess).judge(list(images))[0]).max() < 1e-4


def test_tensors_of_another_network_are_refused(tiny_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    text = (run / "model.json").read_text(encoding="utf-8").replace('"block2"', '"block3"')
    (run / "model.json").write_text(text, encoding="utf-8")
    finish(run, "handwriting")
    with pytest.raises(RunError, match="does not hold the network of its record"):
        load_trained(run)
