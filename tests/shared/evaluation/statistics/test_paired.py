"""DeLong's test, against its definition and by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from shared.evaluation.statistics.paired import compare_aucs, sign_flip_p


def _cases(seed: int, first: float, second: float, count: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of two models that share half of their noise, with the given separations of the two kinds."""
    random = np.random.default_rng(seed)
    truth = np.arange(count) % 2 == 0
    shared = random.normal(size=count)
    return (
        shared + random.normal(size=count) + first * truth,
        shared + random.normal(size=count) + second * truth,
        truth,
    )


def test_the_aucs_are_those_of_scikit_learn_with_ties() -> None:
    first, second, truth = _cases(0, 1.0, 0.5)
    first, second = first.round(1), second.round(0)
    found = compare_aucs(first, second, truth)
    assert found.first == pytest.approx(roc_auc_score(truth, first))
    assert found.second == pytest.approx(roc_auc_score(truth, second))


def test_the_interval_is_that_of_the_definition() -> None:
    first, second, truth = _cases(1, 1.0, 0.5, 40)
    # equation 4: the kernel is 1, a half or 0 for each pair of a positive and a negative case
    kernels = [
        (scores[truth][:, None] > scores[~truth]) + 0.5 * (scores[truth][:, None] == scores[~truth])
        for scores in (first, second)
    ]
    rows = np.cov(np.stack([kernel.mean(axis=1) for kernel in kernels])) / truth.sum()
    columns = np.cov(np.stack([kernel.mean(axis=0) for kernel in kernels])) / (~truth).sum()
    total = rows + columns
    spread = np.sqrt(total[0, 0] + total[1, 1] - 2 * total[0, 1])
    found = compare_aucs(first, second, truth)
    assert found.high - found.low == pytest.approx(2 * 1.959964 * spread, rel=1e-5)


def test_equal_models_are_called_different_in_a_twentieth_of_draws() -> None:
    called = [compare_aucs(*_cases(seed, 1.0, 1.0)).p < 0.05 for seed in range(2000)]
    assert 0.035 < np.mean(called) < 0.065


def test_the_same_scores_do_not_differ() -> None:
    scores, _, truth = _cases(2, 1.0, 1.0)
    found = compare_aucs(scores, scores, truth)
    assert (found.low, found.high, found.p) == (0.0, 0.0, 1.0)


def test_two_cases_of_each_kind_suffice() -> None:
    found = compare_aucs(np.array([0.9, 0.4, 0.6, 0.1]), np.array([0.8, 0.7, 0.2, 0.1]), np.array([1, 1, 0, 0], bool))
    assert (found.first, found.second) == (0.75, 1.0)
    assert found.low < -0.25 < found.high


def test_one_case_of_a_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="two cases of each kind"):
        compare_aucs(np.arange(3.0), np.arange(3.0), np.array([True, False, False]))


def test_it_counts_every_flip_of_signs() -> None:
    gaps = np.array([3, -1, 2, 0, 5, -2])
    flips = [abs(int((gaps * signs).sum())) for signs in itertools.product((-1, 1), repeat=len(gaps))]
    expected = np.mean([total >= abs(gaps.sum()) for total in flips])
    assert sign_flip_p(gaps) == pytest.approx(expected)
    assert sign_flip_p(-gaps) == pytest.approx(expected)


@pytest.mark.parametrize(("better", "worse"), [(9, 1), (40, 22), (300, 200)])
def test_of_single_images_it_is_mcnemars_exact_test(better: int, worse: int) -> None:
    gaps = np.array([1] * better + [-1] * worse + [0] * 50)
    assert sign_flip_p(gaps) == pytest.approx(binomtest(better, better + worse).pvalue, abs=1e-12)


def test_no_difference_gives_one() -> None:
    assert sign_flip_p(np.zeros(4, dtype=np.int64)) == 1.0
    assert sign_flip_p(np.array([1, -1])) == 1.0
