"""Simulates how often the 95% intervals of reports contain the truth: `python -m benchmarks.coverage`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from shared.evaluation.ranking import rank_statistics
from shared.evaluation.statistics.intervals import Weights, bootstrap, wilson, wilson_grouped

DRAWS = 2000
RATES = (0.6, 0.7, 0.8, 0.9, 0.95)
SLICES = (5, 21)
"""Range of the number of trials in a group: first included, second excluded."""

Random = np.random.Generator
Interval = tuple[float, float] | None
Drawn = Callable[[Random], tuple[Interval, float]]
"""Draws a dataset; returns the interval that it gives, and the truth."""


def rate(trials: int) -> Drawn:
    """Makes a function that draws independent trials, with Wilson's interval; the true rate is one of `RATES`."""

    def draw(random: Random) -> tuple[Interval, float]:
        truth = float(random.choice(RATES))
        return wilson(int(random.binomial(trials, truth)), trials), truth

    return draw


def grouped_rate(groups: int, correlation: float) -> Drawn:
    """Makes a function that draws groups with beta-distributed rates of that correlation, with Wilson's interval."""

    def draw(random: Random) -> tuple[Interval, float]:
        truth, size = float(random.choice(RATES)), (1 - correlation) / correlation
        trials = random.integers(*SLICES, size=groups)
        hits = random.binomial(trials, random.beta(truth * size, (1 - truth) * size, size=groups))
        return wilson_grouped(hits.astype(np.float64), trials.astype(np.float64)), truth

    return draw


def auc(units: int, slices: int, correlation: float, ill_units: int) -> Drawn:
    """Makes a function that draws normal scores of units with slices, with the bootstrap interval of the AUC."""
    distance = 1.5
    truth = float(norm.cdf(distance / np.sqrt(2)))

    def draw(random: Random) -> tuple[Interval, float]:
        ill = np.arange(units) < ill_units
        common = random.normal(size=units) * np.sqrt(correlation)
        scores = common[:, None] + random.normal(size=(units, slices)) * np.sqrt(1 - correlation)
        scores += distance * ill[:, None]
        owners = np.repeat(np.arange(units), slices).tolist()
        statistic = rank_statistics(scores.ravel(), np.repeat(ill, slices))["auc"]
        rarest = min(ill_units, units - ill_units)
        return bootstrap(owners, statistic, rarest=rarest, seed=int(random.integers(1 << 31))), truth

    return draw


def mean(units: int) -> Drawn:
    """Makes a function that draws an exponential loss with mean 1, with the bootstrap interval of its mean."""

    def draw(random: Random) -> tuple[Interval, float]:
        losses: NDArray[np.float64] = random.exponential(size=units)

        def statistic(weights: Weights) -> NDArray[np.float64]:
            return (weights @ losses) / weights.sum(axis=1)

        return bootstrap(range(units), statistic, seed=int(random.integers(1 << 31))), 1.0

    return draw


SCENES: Mapping[str, Drawn] = {
    "rate, Wilson, 20 images": rate(20),
    "rate, Wilson, 100 images": rate(100),
    "rate, Wilson, 400 images": rate(400),
    "rate, Wilson by groups, 10 patients, correlation 0.1": grouped_rate(10, 0.1),
    "rate, Wilson by groups, 20 patients, correlation 0.1": grouped_rate(20, 0.1),
    "rate, Wilson by groups, 40 patients, correlation 0.3": grouped_rate(40, 0.3),
    "rate, Wilson by groups, 100 patients, correlation 0.3": grouped_rate(100, 0.3),
    "AUC, bootstrap, 40 images": auc(40, 1, 0.0, 20),
    "AUC, bootstrap, 100 images": auc(100, 1, 0.0, 50),
    "AUC, bootstrap, 20 patients of 10 slices, correlation 0.3": auc(20, 10, 0.3, 10),
    "AUC, bootstrap, 60 patients of 10 slices, correlation 0.3": auc(60, 10, 0.3, 30),
    "AUC, bootstrap, 110 images, 10 of them ill": auc(110, 1, 0.0, 10),
    "mean of a skewed loss, bootstrap, 40 images": mean(40),
    "mean of a skewed loss, bootstrap, 200 images": mean(200),
}


def coverage(draws: int = DRAWS) -> Iterator[tuple[str, float, int]]:
    """Computes for each scene the share of intervals that contain the truth, and the number of draws without one."""
    for number, (name, draw) in enumerate(SCENES.items()):
        random = np.random.default_rng(number)
        held, missing = 0, 0
        for _ in range(draws):
            interval, truth = draw(random)
            if interval is None:
                missing += 1
            else:
                held += interval[0] <= truth <= interval[1]
        yield name, held / max(1, draws - missing), missing


def main() -> None:
    """Prints one line for each scene."""
    for name, share, missing in coverage():
        print(f"{name}: {share:.3f} of {DRAWS - missing}" + (f", {missing} without an interval" if missing else ""))


if __name__ == "__main__":
    main()
