"""What a run is said to be fit for, by the intervals of its test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from shared.evaluation.cases import Rule
from shared.evaluation.evaluate import evaluate
from shared.evaluation.verdict import (
    FEW_LABELS,
    NO_OUTSIDE,
    Labels,
    chance,
    finding,
    verdict,
    worst_of,
    youden_low,
)
from shared.samples import Grouping


@dataclass(frozen=True)
class Record:
    positive: tuple[bool, ...] = (False, True)
    synthetic: bool = False
    certified_sensitivity: float | None = 0.96
    certified_error: float | None = None
    operating_point: dict[str, Any] | None = field(
        default_factory=lambda: {
            "domains": ["atlas", "borealis", "cirrus"],
            "acquisition": {
                "pixel spacing in mm": {"texts": [], "range": [0.9, 0.9], "unstated": False},
                "plane": {"texts": ["axial"], "range": None, "unstated": False},
            },
            "target": 0.9,
            "statement": "0 misses in 99 positive images",
        }
    )
    rejection: dict[str, Any] | None = None


def screened(called: str, *, scores: np.ndarray | None = None) -> dict[str, Any]:
    """Results of images that are negative (n, N) or positive (p, P); capitals are called positive."""
    truth = np.array([sign in "pP" for sign in called])
    given = np.where([sign.isupper() for sign in called], 0.9, 0.1) if scores is None else scores
    rows = np.stack([1.0 - given, given], axis=1)
    return evaluated(rows, truth.astype(np.int64), (False, True))


def evaluated(rows: np.ndarray, labels: np.ndarray, positive: tuple[bool, ...]) -> dict[str, Any]:
    names = tuple(str(index) for index in range(len(labels)))
    classes = tuple("abcdefgh"[: rows.shape[1]])
    grouping = Grouping(names, names, tuple(range(len(labels))))
    return evaluate(rows, labels, Rule(classes, positive, 0.5), grouping=grouping, domains=["x"] * len(labels))


GOOD = screened("n" * 50 + "N" * 2 + "P" * 48 + "p" * 2)


@pytest.mark.parametrize(
    ("called", "headline", "words"),
    [
        ("N" * 50 + "P" * 50, "everybody positive", "calls everybody positive: specificity 0.00 [0.00, 0.07]: not usa"),
        ("n" * 50 + "p" * 50, "nobody positive", "calls nobody positive: sensitivity 0.00 [0.00, 0.07]: not usable"),
        ("N" * 3 + "P" * 50, "too few to say", "the test has 50 positive and 3 negative cases: too few to say"),
        ("n" * 50 + "P" * 12, "too few to say", "the test has 12 positive and 50 negative cases: too few to say"),
        ("n" * 50, "too few to say", "the test has no positive cases"),
        ("nN" * 25 + "pP" * 25, "chance", "no better than chance: AUC 0.50 [0.4"),
        ("n" * 60 + "p" * 30 + "P" * 10, "misses most", "misses more than half of the positive; sensitivity 0.25"),
        ("N" * 70 + "n" * 20 + "P" * 60, "calls most positive", "calls more than half of the negative positive; sensi"),
        ("n" * 50 + "N" * 2 + "P" * 48 + "p" * 2, "above chance", "sensitivity 0.96 [0.87, 0.99], specificity 0"),
    ],
)
def test_a_screening_run_is_named_by_what_its_intervals_allow(called: str, headline: str, words: str) -> None:
    found = finding(screened(called))
    assert found.headline == headline
    assert words in found.text


def test_the_threshold_may_be_worthless_where_the_ranking_is_fair() -> None:
    scores = np.concatenate([np.linspace(0.1, 0.7, 20), np.linspace(0.71, 0.79, 280), np.linspace(0.72, 0.95, 60)])
    found = finding(screened("N" * 300 + "P" * 60, scores=np.clip(scores, 0.45, None)))
    assert found.headline == "chance at its threshold"
    assert found.severity == 3


def test_a_value_above_chance_whose_interval_reaches_it_is_chance() -> None:
    scores = np.random.default_rng(0).random(60)
    test = screened("n" * 30 + "p" * 30, scores=scores)
    assert test["auc"]["low"] < 0.5 < test["auc"]["high"]
    assert finding(test).severity == 3


def test_youdens_index_is_bounded_by_both_intervals() -> None:
    scores = np.concatenate([np.linspace(0.45, 0.6, 40), np.linspace(0.47, 0.9, 40)])
    test = screened("n" * 40 + "p" * 40, scores=scores)
    sensitivity, specificity = test["sensitivity"], test["specificity"]
    expected = (
        sensitivity["value"]
        + specificity["value"]
        - 1
        - np.hypot(sensitivity["value"] - sensitivity["low"], specificity["value"] - specificity["low"])
    )
    assert youden_low(sensitivity, specificity) == pytest.approx(expected)


def test_what_is_judged_by_group_is_named_by_group() -> None:
    test = GOOD | {"by_group": {key: GOOD[key] | {"value": 0.9} for key in ("sensitivity", "specificity")}}
    assert "sensitivity 0.90 [0.87, 0.99], specificity 0.90 [0.87, 0.99] by group" in finding(test).text
    undefined = {"value": None, "reason": "none"}
    assert "by image" in finding(GOOD | {"by_group": {"sensitivity": undefined, "specificity": undefined}}).text


def test_no_test_is_said() -> None:
    assert finding({}).headline == "not tested"
    few = finding({"n": None, "reason": "fewer than 20 cases"})
    assert (few.severity, few.text) == (1, "fewer than 20 cases: too few to say")


def characters(right: float, confidence: float) -> dict[str, Any]:
    labels = np.arange(120) % 3
    answers = np.where(np.arange(120) < 120 * right, labels, (labels + 1) % 3)
    rows = np.full((120, 3), (1 - confidence) / 2)
    rows[np.arange(120), answers] = confidence
    return evaluated(rows, labels, (False, False, False))


@pytest.mark.parametrize(
    ("right", "confidence", "headline"),
    [
        (1.0, 0.4, "rejects everything"),
        (0.35, 0.9, "chance"),
        (0.97, 0.9, "above chance"),
    ],
)
def test_a_run_without_a_positive_class_is_named_by_coverage_and_error(
    right: float, confidence: float, headline: str
) -> None:
    found = finding(characters(right, confidence))
    assert found.headline == headline


def test_a_run_that_accepts_more_wrong_answers_than_right_ones_is_named_by_that() -> None:
    wrong = {"value": 0.6, "low": 0.55, "high": 0.65}
    assert finding(characters(0.97, 0.9) | {"selective_error": wrong}).headline == "mostly wrong"


def test_chance_is_the_share_of_the_most_frequent_class() -> None:
    assert chance([[5, 5, 0], [0, 30, 0], [1, 0, 9]]) == 0.6


def test_a_certificate_names_domains_and_acquisition() -> None:
    found = verdict(Record(), GOOD)
    assert found.certificate == "sensitivity certified: 0.96, for atlas, borealis, cirrus, axial"
    many = Record(operating_point={"domains": list("abcd"), "target": 0.98})
    assert verdict(many, GOOD).certificate == "sensitivity certified: 0.96 (0.98 was asked for), for 4 domains"
    unknown = Record(operating_point={"domains": ["unknown"]})
    assert verdict(unknown, GOOD).certificate.endswith("on images of unknown origin, so for no input of predict")


def test_a_test_whose_interval_lies_below_the_certificate_contradicts_it() -> None:
    poor = screened("n" * 60 + "p" * 20 + "P" * 40)
    assert "the test contradicts it: sensitivity 0.67 [0.54, 0.77]" in verdict(Record(), poor).certificate
    assert "contradicts" not in verdict(Record(), GOOD).certificate


def test_without_a_certificate_the_reason_stands() -> None:
    why = "Nothing is certified: a class was added after validation"
    none = Record(certified_sensitivity=None, operating_point={"statement": why})
    assert verdict(none, {}).certificate == f"n{why[1:]}"
    assert verdict(Record(certified_sensitivity=None, operating_point=None), {}).certificate == "nothing is certified"


def test_an_error_of_accepted_answers_is_certified_and_contradicted() -> None:
    record = Record((False, False, False), certified_error=0.01, rejection={"domains": ["pages"], "target": 0.005})
    said = verdict(record, characters(0.7, 0.9)).certificate
    assert said.startswith("error of accepted answers certified: 0.0100 (0.005 was asked for), for pages; the test con")


def test_synthetic_and_few_labels_come_first() -> None:
    found = verdict(Record(synthetic=True), GOOD, fewest=Labels("glioma", 40, FEW_LABELS))
    start = "synthetic: no decision on real images; few labels: glioma has 40 training images of 20 units; "
    assert found.lines[0] == f"verdict: {start}{found.fitness.text}"
    assert found.short == f"{start}{found.certificate}; {NO_OUTSIDE}"
    enough = Labels("glioma", 40, FEW_LABELS + 1)
    assert not verdict(Record(), GOOD, fewest=enough).warnings


def test_one_line_gives_the_fault_and_no_certificate_where_there_is_one() -> None:
    found = verdict(Record(), screened("N" * 50 + "P" * 50))
    assert found.short == f"calls everybody positive: specificity 0.00 [0.00, 0.07]: not usable; {NO_OUTSIDE}"


def test_the_worst_outside_test_stands_before_the_best() -> None:
    fair, bad = GOOD, screened("N" * 50 + "P" * 50)
    said = verdict(Record(), GOOD, outside={"near.zip": fair, "far.zip": bad}).outside
    assert said.startswith("2 outside tests, worst far.zip: AUC 0.50, sensitivity 1.00 [0.93")
    assert "; best near.zip: AUC" in said
    assert verdict(Record(), GOOD, outside={"far.zip": bad}).outside == (
        "outside test on far.zip: calls everybody positive: specificity 0.00 [0.00, 0.07]: not usable"
    )


def test_of_several_runs_the_worst_is_named_and_counted() -> None:
    good, bad = (verdict(Record(), test) for test in (GOOD, screened("N" * 50 + "P" * 50)))
    assert worst_of([good, bad, good]) == "everybody positive (1 of 3)"
    assert worst_of([good, good]) == "above chance"
