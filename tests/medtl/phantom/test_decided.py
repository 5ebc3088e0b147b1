"""A model that was trained on the phantom decides on series of the phantom."""

from __future__ import annotations

from medtl.task import TASK
from shared.prediction.predictor import Predictor
from shared.runs.record import read_model_record
from tests.medtl.planted import Training


def test_series_of_the_phantom_are_of_a_kind_that_its_validation_judged(planted_training: Training) -> None:
    (kind,) = read_model_record(planted_training.run).negative_series["judged"]
    assert kind["kind"] == {"contrast": "T1 with contrast agent", "plane": "axial"}
    assert kind["series"] >= 1
    predictor = Predictor(planted_training.run, TASK.name, TASK.preprocess)
    folder = next(path for path in sorted(planted_training.data.iterdir()) if path.is_dir() and path.name != "masks")
    (item,) = TASK.read_inputs([folder])
    assert len(item.positions) == 3
    assert predictor._undecided(item) is None
