"""What a run decides by, with and without a class that must not be missed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.evaluation.decision.aggregation import Aggregation
from shared.evaluation.decision.decide import Decision, decide, undecided
from shared.evaluation.decision.operating_point import OperatingPoint
from shared.evaluation.decision.selective import Rejection
from shared.samples import Grouping, Position, Sample

COUNT = 1000


def _decide(positive: bool, **changes: Any) -> Decision:
    """Of 1000 images those surer than 0.7 are of the likeliest class, and of the others every second."""
    likeliest = np.linspace(0.5, 1.0, COUNT)
    labels = ((likeliest < 0.7) & (np.arange(COUNT) % 2 == 0)).astype(np.int64)
    return decide(
        np.stack([likeliest, 1.0 - likeliest], axis=1),
        labels,
        Grouping.of([Sample(str(i), "", group=f"g{i}") for i in range(COUNT)], range(COUNT)),
        np.array([False, positive]),
        **{"target": 0.9, "error_rate": 0.05, "threshold": None, "choices": 1, **changes},
    )


def test_a_positive_class_has_an_operating_point_and_the_rest_a_rejection() -> None:
    assert isinstance(_decide(positive=True).chosen, OperatingPoint)
    chosen = _decide(positive=False).chosen
    assert isinstance(chosen, Rejection)
    assert chosen.threshold == pytest.approx(0.68, abs=0.015)
    assert (chosen.images, chosen.target) == (COUNT, 0.05)
    assert chosen.wrong > 0


def test_error_rate_threshold_and_choices_move_a_rejection() -> None:
    usual = _decide(positive=False).chosen
    assert _decide(positive=False, error_rate=0.3).chosen.threshold == 0.0
    assert _decide(positive=False, threshold=0.9).chosen.threshold == 0.9
    assert _decide(positive=False, threshold=0.9, choices=10).chosen.certified > 0.01
    assert _decide(positive=False, choices=10_000).chosen.threshold > usual.threshold
    assert _decide(positive=False, target=0.5).chosen == usual
    assert _decide(positive=True, error_rate=0.3).chosen == _decide(positive=True).chosen


def _heads(count: int, slices: int, *, singles: int = 0) -> Decision:
    """Patients with a series each, every second with a finding on two slices, and single images that are all hard."""
    random = np.random.default_rng(0)
    samples, scores, truth = list[Sample](), list[float](), list[bool]()
    for patient in range(count):
        for number in range(slices):
            ill = patient % 2 == 0 and number in (4, 5)
            position = Position(5.0 * number)
            samples.append(
                Sample(f"{patient}-{number}", "", group=f"g{patient}", series=f"s{patient}", position=position)
            )
            scores.append(float(random.uniform(0.7, 0.9) if ill else random.uniform(0.05, 0.3)))
            truth.append(ill)
    for number in range(singles):
        samples.append(Sample(f"single{number}", "", group=f"p{number}"))
        scores.append(0.02)
        truth.append(True)
    units = [*np.repeat(np.arange(count), slices).tolist(), *range(count, count + singles)]
    rows = np.array(scores)
    return decide(
        np.stack([1.0 - rows, rows], axis=1),
        np.array(truth, dtype=np.int64),
        Grouping.of(samples, units),
        np.array([False, True]),
        target=0.95,
        error_rate=0.01,
        threshold=None,
        choices=1,
        group_name="patient",
    )


def test_the_threshold_is_chosen_by_series_where_there_are_series_of_both_kinds() -> None:
    found = _heads(40, 12, singles=30)
    assert isinstance(found.chosen, OperatingPoint)
    assert (found.chosen.positives, found.chosen.negatives, found.chosen.false_alarms) == (20, 20, 0)
    assert found.chosen.lengths == (12, 12)
    assert found.chosen.threshold > 0.1
    assert found.reason == (
        "chosen among 5 on 20 patients with a positive series of several slices and 20 with a negative one"
    )


def test_a_single_image_has_a_threshold_that_all_images_chose_where_series_alone_chose_theirs() -> None:
    """Series know nothing of the pictures beside them, whose findings look fainter here."""
    found = _heads(40, 12, singles=30)
    assert found.of_images < 0.03 < found.chosen.threshold


def test_with_few_series_all_images_choose_the_threshold() -> None:
    found = _heads(10, 12, singles=30)
    assert found.of_images is None
    assert isinstance(found.chosen, OperatingPoint)
    assert found.chosen.positives == 35
    assert found.chosen.threshold < 0.03
    assert found.aggregation == Aggregation()
    assert found.reason.startswith("the default, for validation holds 5 patients")


@pytest.mark.parametrize(("stated", "positive", "threshold"), [(None, 0.5, 0.0), (0.3, 0.3, 0.3)])
def test_without_validation_nothing_is_chosen_and_nothing_certified(
    stated: float | None, positive: float, threshold: float
) -> None:
    point = undecided(np.array([False, True]), target=0.98, error_rate=0.01, threshold=stated).chosen
    rejection = undecided(np.array([False, False]), target=0.98, error_rate=0.01, threshold=stated).chosen
    assert isinstance(point, OperatingPoint)
    assert isinstance(rejection, Rejection)
    assert (point.threshold, rejection.threshold) == (positive, threshold)
    assert (point.certified, rejection.certified) == (None, None)
