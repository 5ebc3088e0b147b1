from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta, norm

from shared.evaluation.statistics.intervals import (
    Evidence,
    bootstrap,
    clopper_pearson_lower,
    difference_interval,
    wilson,
    wilson_grouped,
)


# Newcombe, Stat Med 17:857, 1998, table I, method 3
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_agrees_with_the_published_examples(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_wilson_widens_with_the_level() -> None:
    assert wilson(81, 263, 0.99)[0] < wilson(81, 263)[0]
    assert wilson(81, 263, 0.99)[1] > wilson(81, 263)[1]


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 5)])
def test_impossible_counts_are_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="must"):
        wilson(successes, trials)
    with pytest.raises(ValueError, match="must"):
        clopper_pearson_lower(successes, trials)


def test_the_exact_lower_bound_of_no_failure_is_the_root_of_alpha() -> None:
    # 59 of 59 certify 95 % at 95 % confidence and 58 of 58 do not: the sample size of zero-failure testing
    assert clopper_pearson_lower(59, 59) == pytest.approx(0.05 ** (1 / 59))
    assert clopper_pearson_lower(59, 59) > 0.95 > clopper_pearson_lower(58, 58)
    assert clopper_pearson_lower(0, 10) == 0.0


def test_the_exact_lower_bound_is_a_quantile_of_the_beta_distribution() -> None:
    assert clopper_pearson_lower(93, 100, 0.9) == pytest.approx(beta.ppf(0.1, 93, 8))


def _mean(values: NDArray[np.float64]):  # type: ignore[no-untyped-def]
    return lambda weights: (weights @ values) / weights.sum(axis=1)


def test_the_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(size=400)
    interval = bootstrap([str(i) for i in range(400)], _mean(values), draws=4000)
    half = norm.ppf(0.975) * values.std() / 20
    assert interval == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)


def test_samples_of_one_group_are_drawn_together() -> None:
    # 6 patients of 100 equal slices each: the interval must be that of 6 values, not of 600
    values = np.repeat([0.0, 0.0, 0.0, 1.0, 1.0, 1.0], 100)
    low, high = bootstrap([str(i // 100) for i in range(600)], _mean(values)) or (0.5, 0.5)
    assert (low, high) == pytest.approx((1 / 6, 5 / 6), abs=0.17)
    low, high = bootstrap([str(i) for i in range(600)], _mean(values)) or (0.0, 1.0)
    assert high - low < 0.09


def test_weights_count_how_often_each_sample_was_drawn() -> None:
    seen: list[NDArray[np.float64]] = []

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        seen.append(weights)
        return weights[:, 0]

    bootstrap(["a", "b", "b", "c", "d", "e", "f"], statistic, draws=50)
    weights = np.concatenate(seen)
    assert weights.shape == (50, 7)
    assert np.array_equal(weights[:, 1], weights[:, 2])
    assert (weights[:, [0, 1, 3, 4, 5, 6]].sum(axis=1) == 6).all()


def test_blocks_of_draws_change_nothing_about_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(10.0)
    monkeypatch.setattr("shared.evaluation.statistics.intervals.BLOCK_VALUES", 70)
    sizes: list[int] = []

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        sizes.append(len(weights))
        return weights @ values

    bootstrap([str(i) for i in range(10)], statistic, draws=20)
    assert sizes == [7, 7, 6]


def test_few_groups_have_no_bootstrap_interval() -> None:
    values = np.arange(9.0)
    assert bootstrap(["a"] * 9, _mean(values)) is None
    assert bootstrap([str(i // 2) for i in range(9)], _mean(values)) is None
    assert bootstrap([str(min(i, 5)) for i in range(9)], _mean(values)) is not None
    assert bootstrap([], _mean(np.zeros(0))) is None


def test_draws_that_all_agree_give_no_interval_of_width_0() -> None:
    assert bootstrap([str(i) for i in range(20)], _mean(np.ones(20))) is None


def test_a_statistic_that_is_mostly_undefined_has_no_interval() -> None:
    def mostly(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        # all of six groups stand in 1 of 65 draws
        return np.where((weights > 0).all(axis=1), 1.0 + weights[:, 0], np.nan)

    assert bootstrap(list("abcdef"), mostly) is None


def test_undefined_draws_are_left_out() -> None:
    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(weights[:, 0] > 0, weights[:, 0], np.nan)

    low, high = bootstrap(list("abcdef"), statistic) or (0.0, 0.0)
    assert low == 1.0
    assert high > 1.0


def test_the_seed_decides_the_draws() -> None:
    values, names = np.random.default_rng(1).normal(size=30), [str(i) for i in range(30)]
    assert bootstrap(names, _mean(values), seed=1) == bootstrap(names, _mean(values), seed=1)
    assert bootstrap(names, _mean(values), seed=1) != bootstrap(names, _mean(values), seed=2)


def test_the_names_of_groups_do_not_matter() -> None:
    values = np.random.default_rng(1).normal(size=30)
    by_number = bootstrap([str(i) for i in range(30)], _mean(values))
    assert bootstrap([str(99 - i) for i in range(30)], _mean(values)) == by_number


def test_groups_of_one_trial_give_nearly_the_plain_interval() -> None:
    hits = np.array([1.0] * 81 + [0.0] * 182)
    assert wilson_grouped(hits, np.ones(263)) == pytest.approx(wilson(81, 263), abs=2e-3)


def test_equal_trials_of_a_group_count_once() -> None:
    hits = np.array([100.0] * 15 + [0.0] * 15)
    assert wilson_grouped(hits, np.full(30, 100.0)) == pytest.approx(wilson(15, 30), abs=0.02)


def test_a_rate_without_variance_counts_groups_as_trials() -> None:
    assert wilson_grouped(np.full(5, 8.0), np.full(5, 8.0)) == wilson(5, 5)
    assert wilson_grouped(np.zeros(5), np.full(5, 8.0)) == wilson(0, 5)
    with pytest.raises(ValueError, match="one group"):
        wilson_grouped(np.array([3.0]), np.array([8.0]))


def test_an_interval_is_as_wide_as_the_rarest_kind_makes_it() -> None:
    values = np.random.default_rng(1).normal(size=100)
    names = [str(i) for i in range(100)]
    wide, narrow = bootstrap(names, _mean(values), rarest=8), bootstrap(names, _mean(values))
    assert wide is not None
    assert narrow is not None
    assert wide[1] - wide[0] > 1.1 * (narrow[1] - narrow[0])
    assert bootstrap(names, _mean(values), rarest=3) is None


def test_the_exact_upper_bound_mirrors_the_lower_one() -> None:
    hits, trials = np.array([1.0] * 3 + [0.0] * 97), np.ones(100)
    assert Evidence.of(hits, trials).upper() == pytest.approx(1.0 - clopper_pearson_lower(97, 100))
    assert Evidence.of(np.zeros(100), trials).upper() == pytest.approx(1.0 - 0.05 ** (1 / 100))
    assert Evidence.of(trials, trials).upper() == 1.0


def test_the_upper_bound_counts_groups_where_nothing_hits_and_knows_nothing_of_one() -> None:
    assert Evidence.of(np.zeros(20), np.full(20, 50.0)).upper() == pytest.approx(1.0 - 0.05 ** (1 / 20))
    assert Evidence.of(np.array([1.0]), np.array([100.0])).upper() == 1.0


def test_trials_that_hit_together_raise_the_upper_bound() -> None:
    trials = np.full(50, 10.0)
    together = np.array([10.0] * 5 + [0.0] * 45)
    assert Evidence.of(np.ones(50), trials).upper() < 0.13 < 0.19 < Evidence.of(together, trials).upper()


def test_the_interval_of_a_difference_is_that_of_newcombe() -> None:
    # Newcombe, Stat Med 17:873, 1998, table II, method 10, cases (a) 56/70 - 48/80 and (f) 10/10 - 0/20
    low, high = difference_interval(56 / 70, wilson(56, 70), 48 / 80, wilson(48, 80))
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    low, high = difference_interval(1.0, wilson(10, 10), 0.0, wilson(0, 20))
    assert (low, high) == pytest.approx((0.6791, 1.0), abs=1e-4)
