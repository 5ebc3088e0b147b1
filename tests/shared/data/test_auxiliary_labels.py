from __future__ import annotations

import numpy as np
import pytest

from shared.data.auxiliary_labels import further_classes, further_labels
from shared.errors import ConfigError
from shared.evaluation.auxiliary import evaluate_further
from shared.samples import Belonging, Sample

SAMPLES = [
    Sample(id=str(i), source="", further={} if plane is None else {"plane": plane})
    for i, plane in enumerate(["sagittal", None, "axial", "sagittal", "coronal"])
]


def _said(sample: Sample) -> dict[str, str]:
    return dict(sample.further)


def test_answers_are_numbered_as_they_come_and_missing_or_unknown_ones_masked() -> None:
    assert further_classes(SAMPLES, _said, "plane") == ("sagittal", "axial", "coronal")
    assert further_labels(SAMPLES, _said, "plane", ("sagittal", "axial")).tolist() == [0, -1, 1, 0, -1]


def test_a_task_without_two_answers_says_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"hand: no training image has that label; the data has plane"):
        further_classes(SAMPLES, _said, "hand")
    with pytest.raises(ConfigError, match=r"all 1 that are labelled are 'axial'"):
        further_classes(SAMPLES[1:3], _said, "plane")


def test_only_labelled_samples_count() -> None:
    rows = np.eye(3)[[0, 0, 1, 2, 0]]
    found = evaluate_further(rows, np.array([0, -1, 1, 0, -1]), Belonging.of(SAMPLES, range(5)))
    assert (found["accuracy"]["successes"], found["accuracy"]["n"], found["unlabelled"]) == (2, 3, 2)
