"""The measures, held against published worked examples and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from shared.errors import DataError
from shared.evaluation.cases import Rule, UsageContext
from shared.evaluation.decision.aggregation import Aggregation
from shared.evaluation.evaluate import MIN_DOMAIN, evaluate
from shared.evaluation.ranking import sensitivity_at_specificity
from shared.evaluation.statistics.intervals import wilson
from shared.samples import Grouping, Sample

CLASSES = ("healthy", "tumour")


def _alone(count: int) -> Grouping:
    return Grouping.of([Sample(str(i), "") for i in range(count)], range(count))


def _evaluate(
    scores: Any,
    truth: Any,
    threshold: float = 0.5,
    grouping: Grouping | None = None,
    aggregation: Aggregation = Aggregation(),  # noqa: B008 - frozen
    **rest: Any,
) -> dict:
    values = np.asarray(scores, dtype=float)
    return evaluate(
        np.stack([1 - values, values], axis=1),
        np.asarray(truth, dtype=np.int64),
        Rule(CLASSES, (False, True), threshold, aggregation),
        grouping=grouping or _alone(len(values)),
        domains=rest.pop("domains", ["one"] * len(values)),
        **rest,
    )


def _table(tp: int, fn: int, fp: int, tn: int) -> dict:
    """A 2 x 2 table as scores and truth."""
    scores = [0.9] * tp + [0.1] * fn + [0.9] * fp + [0.1] * tn
    return _evaluate(scores, [1] * (tp + fn) + [0] * (fp + tn))


def test_the_rates_are_those_of_a_published_table() -> None:
    """Altman & Bland, BMJ 308:1552 and 309:102, 1994: liver scans against pathology, 231 of 258, 54 of 86."""
    found = _table(tp=231, fn=27, fp=32, tn=54)
    published = {"sensitivity": 0.90, "specificity": 0.63, "ppv": 0.88, "npv": 0.67, "prevalence": 0.75}
    assert {name: round(found[name]["value"], 2) for name in published} == published
    assert (found["false_negatives"], found["positives"]) == (27, 258)
    assert found["false_negative_rate"]["value"] == pytest.approx(27 / 258)


def test_predictive_values_at_another_prevalence_are_those_of_the_publication() -> None:
    """Altman & Bland, BMJ 309:102, 1994: the same scans at a prevalence of 0.25 give 0.45 and 0.95."""
    scores = [0.9] * 231 + [0.1] * 27 + [0.9] * 32 + [0.1] * 54
    found = _evaluate(scores, [1] * 258 + [0] * 86, usage=UsageContext(prevalence=0.25))
    assert round(found["ppv_at_prevalence"]["value"], 2) == 0.45
    assert round(found["npv_at_prevalence"]["value"], 2) == 0.95


def test_measures_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 200)
    scores = np.clip(0.3 * truth + 0.7 * random.random(200), 0, 1).round(2)  # with ties
    called = scores >= 0.4
    found = _evaluate(scores, truth, 0.4, usage=UsageContext(miss_cost=5.0))
    assert found["auc"]["value"] == pytest.approx(metrics.roc_auc_score(truth, scores))
    assert found["average_precision"]["value"] == pytest.approx(metrics.average_precision_score(truth, scores))
    assert found["f_beta"]["value"] == pytest.approx(metrics.fbeta_score(truth, called, beta=2))
    assert found["brier_score"]["value"] == pytest.approx(metrics.brier_score_loss(truth, scores))
    likeliest = scores > 0.5
    assert found["balanced_accuracy"]["value"] == pytest.approx(metrics.balanced_accuracy_score(truth, likeliest))
    assert found["confusion"] == metrics.confusion_matrix(truth, likeliest).tolist()
    missed, alarms = int((~called & (truth == 1)).sum()), int((called & (truth == 0)).sum())
    assert found["cost"]["value"] == pytest.approx((5 * missed + alarms) / 200)


def test_a_patient_is_called_where_one_of_the_series_is() -> None:
    samples = [Sample(str(i), "", group=f"p{i // 4}", series=f"s{i // 2}") for i in range(8)]
    # patient 0: a positive series and a negative one, both found so; patient 1: two negative ones, one called
    found = _evaluate(
        [0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.9, 0.9],
        [1, 0, 0, 0, 0, 0, 0, 0],
        grouping=Grouping.of(samples, [0] * 4 + [1] * 4),
        aggregation=Aggregation(("mean",)),
    )["by_group"]
    assert found["n"] == 2
    assert (found["sensitivity"]["value"], found["specificity"]["value"]) == (1.0, 0.0)
    assert found["false_negatives"] == 0


def test_copies_do_not_narrow_an_interval() -> None:
    """Ten pictures of which each stands in the data twenty times over are ten pictures."""
    scores, truth = np.array([0.9] * 8 + [0.1] * 2), np.ones(10, dtype=int)
    once = _evaluate(scores, truth)["sensitivity"]
    units = Grouping.of([Sample(str(i), "") for i in range(200)], np.repeat(np.arange(10), 20).tolist())
    often = _evaluate(np.repeat(scores, 20), np.repeat(truth, 20), grouping=units)["sensitivity"]
    assert often["value"] == once["value"]
    assert often["high"] - often["low"] >= once["high"] - once["low"]
    independent = _evaluate(np.repeat(scores, 20), np.repeat(truth, 20))["sensitivity"]
    assert often["high"] - often["low"] > 3 * (independent["high"] - independent["low"])


def test_small_domains_are_not_told() -> None:
    count = MIN_DOMAIN - 1
    found = _evaluate([0.9] * 20 + [0.1] * count, [1] * 20 + [0] * count, domains=["large"] * 20 + ["small"] * count)
    assert found["domains"]["small"] == {"n": None, "reason": f"fewer than {MIN_DOMAIN} samples"}
    assert found["domains"]["large"]["accuracy"]["value"] == 1.0


def test_what_is_not_defined_says_why_and_is_never_a_number() -> None:
    found = _evaluate([0.9] * 10, [1] * 10)
    assert found["specificity"] == {"value": None, "reason": "no such sample"}
    assert found["auc"]["reason"] == "only one of the two kinds occurs"


def test_probabilities_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="1 of 3 images have probabilities that are not finite"):
        _evaluate([0.1, np.nan, 0.2], [0, 1, 0])


def test_without_a_positive_class_the_threshold_accepts_and_rejects() -> None:
    probabilities = np.array([[0.9, 0.1]] * 6 + [[0.6, 0.4]] * 4)
    labels = np.array([0, 0, 0, 0, 0, 1, 0, 1, 1, 1])
    samples = [Sample(f"s{i}", "x.png", "a") for i in range(10)]
    result = evaluate(
        probabilities,
        labels,
        Rule(("a", "b"), (False, False), 0.9),
        grouping=Grouping.of(samples, range(10)),
        domains=["paper"] * 6 + ["slate"] * 4,
    )
    counts = {name: (result[name]["successes"], result[name]["n"]) for name in ("coverage", "selective_error")}
    assert counts == {"coverage": (6, 10), "selective_error": (1, 6)}
    assert (result["rejected_error"]["value"], result["threshold"]) == (0.75, 0.9)
    assert (result["selective_error"]["low"], result["selective_error"]["high"]) == pytest.approx(wilson(1, 6))
    assert result["domains"]["paper"]["coverage"]["value"] == 1.0
    assert "coverage" not in result["domains"]["slate"]  # of four images nothing is told
    assert "sensitivity" not in result


def test_sensitivity_at_specificity_allows_as_many_false_alarms_as_that_leaves() -> None:
    truth = np.array([False] * 5 + [True] * 4)
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.7, 0.35, 0.5, 0.8, 0.9])
    found = sensitivity_at_specificity(scores, truth, range(9), 0.8)
    assert found["value"] == 0.75  # above 0.4: one false alarm, 0.7
    assert sensitivity_at_specificity(scores, truth, range(9), 1.0)["value"] == 0.5
    assert sensitivity_at_specificity(scores, truth, range(9), 0.0)["value"] == 1.0


def test_sensitivity_at_specificity_counts_equal_scores_as_called_together() -> None:
    truth = np.array([False, False, True, True])
    found = sensitivity_at_specificity(np.array([0.1, 0.5, 0.5, 0.9]), truth, range(4), 0.9)
    assert found["value"] == 0.5


def test_sensitivity_at_specificity_has_an_interval_by_groups() -> None:
    random = np.random.default_rng(0)
    truth = np.arange(200) % 2 == 0
    scores = random.normal(size=200) + truth
    alone = sensitivity_at_specificity(scores, truth, range(200), 0.8)
    together = sensitivity_at_specificity(scores, truth, [i // 20 for i in range(200)], 0.8)
    assert alone["low"] < alone["value"] < alone["high"]
    assert together["value"] == alone["value"]
    assert (together["low"], together["high"]) != (alone["low"], alone["high"])


def test_sensitivity_at_specificity_is_not_defined_without_healthy_samples() -> None:
    found = sensitivity_at_specificity(np.array([0.1, 0.9]), np.array([True, True]), range(2), 0.8)
    assert found["value"] is None
    assert found["reason"]
