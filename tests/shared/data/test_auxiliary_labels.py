from __future__ import annotations

import numpy as np
import pytest

from shared.data.auxiliary_labels import auxiliary_classes, auxiliary_labels
from shared.errors import ConfigError
from shared.evaluation.auxiliary import evaluate_auxiliary
from shared.samples import Grouping, Sample

SAMPLES = [
    Sample(id=str(i), source="", auxiliary={} if plane is None else {"plane": plane})
    for i, plane in enumerate(["sagittal", None, "axial", "sagittal", "coronal"])
]


def _said(sample: Sample) -> dict[str, str]:
    return dict(sample.auxiliary)


def test_answers_are_numbered_as_they_come_and_missing_or_unknown_ones_masked() -> None:
    assert auxiliary_classes(SAMPLES, _said, "plane") == ("sagittal", "axial", "coronal")
    assert auxiliary_labels(SAMPLES, _said, "plane", ("sagittal", "axial")).tolist() == [0, -1, 1, 0, -1]


def test_a_task_without_two_answers_says_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"hand: no training image has that label; the data has plane"):
        auxiliary_classes(SAMPLES, _said, "hand")
    with pytest.raises(ConfigError, match=r"all 1 that are labelled are 'axial'"):
        auxiliary_classes(SAMPLES[1:3], _said, "plane")


def test_only_labelled_samples_count() -> None:
    rows = np.eye(3)[[0, 0, 1, 2, 0]]
    found = evaluate_auxiliary(rows, np.array([0, -1, 1, 0, -1]), Grouping.of(SAMPLES, range(5)))
    assert (found["accuracy"]["successes"], found["accuracy"]["n"], found["unlabelled"]) == (2, 3, 2)
