from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest

from shared.evaluation.statistics.permutation import sign_flip_p


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
