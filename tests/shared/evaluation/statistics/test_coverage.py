"""The intervals hold what they promise, and so does what is certified."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.coverage import SCENES, coverage
from shared.evaluation.decision.decide import decide
from shared.evaluation.decision.series import score_series
from shared.samples import Grouping

POSITIVE = np.array([False, True])


@pytest.mark.slow
def test_intervals_of_95_percent_contain_the_truth_in_93_to_97_percent_of_2000_draws() -> None:
    found = {name: share for name, share, _ in coverage()}
    assert set(found) == set(SCENES)
    assert all(0.93 <= share <= 0.97 for share in found.values()), found


def _patients(random: np.random.Generator, ill: int, healthy: int) -> tuple[np.ndarray, np.ndarray, Grouping]:
    """Probabilities of slices, truth, and whose they are: a finding shows on a tenth of an ill patient's slices."""
    scores, truth, owners = [], [], []
    for patient in range(ill + healthy):
        count = int(random.integers(5, 61))
        marks = np.zeros(count, dtype=bool)
        if patient < ill:
            marks[: max(1, count // 10)] = True
        logits = np.where(marks, 1.0, -2.0) + random.normal() * 0.7 + random.normal(size=count)
        scores.append(1 / (1 + np.exp(-logits)))
        truth.append(marks)
        owners += [patient] * count
    names = tuple(map(str, owners))
    return np.concatenate(scores), np.concatenate(truth), Grouping(names, names, tuple(owners), named=True)


@pytest.mark.slow
def test_what_is_certified_of_series_holds_for_new_patients() -> None:
    """Aggregation, threshold and certificate from the same 10 ill and 40 healthy patients, 200 times."""
    random = np.random.default_rng(5)
    fresh = _patients(np.random.default_rng(6), 1000, 0)
    held = []
    for _ in range(200):
        scores, truth, grouping = _patients(random, 10, 40)
        rows = np.stack([1 - scores, scores], axis=1)
        decision = decide(
            rows, truth.astype(np.int64), grouping, POSITIVE, target=0.9, error_rate=0.1, threshold=None, choices=1
        )
        whole = score_series(*fresh, decision.aggregation).scores
        held.append(np.mean(whole >= decision.chosen.threshold) >= decision.chosen.certified)
    assert np.mean(held) >= 0.95
