from __future__ import annotations

import numpy as np
import pytest

from shared.training.selection import LABEL_FREE, RULES, certainty, mutual_information, soft_neighbourhood_density

SURE = np.array([[0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.01, 0.01, 0.98]] * 20)
UNDECIDED = np.full((60, 3), 1 / 3)
ALL_ALIKE = np.tile([0.98, 0.01, 0.01], (60, 1))


def test_certainty_is_minus_the_mean_entropy() -> None:
    assert certainty(UNDECIDED) == pytest.approx(-np.log(3))
    assert certainty(SURE) == certainty(ALL_ALIKE) > certainty(UNDECIDED)


def test_mutual_information_is_not_pleased_by_one_answer_for_all() -> None:
    assert mutual_information(ALL_ALIKE) == pytest.approx(0)
    assert mutual_information(UNDECIDED) == pytest.approx(0)
    assert mutual_information(SURE) > 0.9


def test_soft_neighbourhoods_are_dense_where_answers_form_clusters() -> None:
    random = np.random.default_rng(0)
    spread = random.dirichlet((1, 1, 1), 60)
    assert soft_neighbourhood_density(SURE) > soft_neighbourhood_density(spread)
    assert soft_neighbourhood_density(SURE) == pytest.approx(np.log(19), abs=1e-3)


def test_rules_with_and_without_labels_have_different_names() -> None:
    assert not set(RULES) & set(LABEL_FREE)
    assert "oracle" not in {*RULES, *LABEL_FREE}
