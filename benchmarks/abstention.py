"""Simulates what the threshold of the out-of-distribution score costs each class: `python -m benchmarks.abstention`.

Scores are lognormal. Tumours lie farther from the training images than healthy heads and vary more; strange inputs lie
farther still. For the pooled threshold and for the rule, a row tells the share of tumours and of healthy heads not
assessed, the share of draws in which more tumours are than the rate allows, and the share of strange inputs that are
found. Then classes that are alike: how far out the threshold of many classes of few inputs lies.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from shared.evaluation.decision.ood_threshold import choose_rule, choose_threshold

RATE, DRAWS = 0.01, 300
HEALTHY, TUMOUR, STRANGE = (-3.0, 0.3), (-2.4, 0.4), (-1.2, 0.4)
"""Mean and standard deviation of the logarithms of the scores of each kind."""
SCENES = ((16, 8), (17, 60), (40, 260), (100, 900), (300, 300), (575, 55))
"""Numbers of tumours and of healthy heads in validation; the first is the demo, the fourth the 1% that took 10%."""
ALIKE = tuple((classes, each) for classes in (4, 46) for each in (8, 12, 20, 30, 50, 100, 300))
"""Numbers of classes, and of inputs of each."""

Kind = tuple[float, float]


def main() -> None:
    """Prints both tables."""
    random = np.random.default_rng(0)
    print(f"{'tumours, healthy':18s} {'threshold':10s} tumours lost  over the rate  healthy lost  strange found")
    for tumours, healthy in SCENES:
        found: dict[str, list[float]] = {"pooled": [], "threshold": []}
        for _ in range(DRAWS):
            ill, well = _drawn(random, TUMOUR, tumours), _drawn(random, HEALTHY, healthy)
            rule = choose_rule(np.concatenate([ill, well]), {"healthy": well, "tumour": ill}, ill, RATE)
            for name, values in found.items():
                values.append(rule[name])
        for name, values in found.items():
            lost = _above(values, TUMOUR)
            row = (lost.mean(), (lost > RATE).mean(), _above(values, HEALTHY).mean(), _above(values, STRANGE).mean())
            print(f"{f'{tumours}, {healthy}':18s} {name:10s}" + "".join(f" {value:13.3f}" for value in row))
    print("classes, inputs of each: share found of what lies 5 standard deviations away, by all inputs, by each class")
    for classes, each in ALIKE:
        draws = [_drawn(random, HEALTHY, classes * each).reshape(classes, each) for _ in range(DRAWS // 10)]
        strange = (HEALTHY[0] + 5 * HEALTHY[1], HEALTHY[1])
        pooled = _above([choose_threshold(draw.ravel(), RATE) for draw in draws], strange).mean()
        largest = _above([max(choose_threshold(row, RATE) for row in draw) for draw in draws], strange).mean()
        print(f"{classes:4d} {each:4d} {pooled:8.2f} {largest:8.2f}")


def _drawn(random: np.random.Generator, kind: Kind, count: int) -> np.ndarray:
    return np.exp(random.normal(*kind, count))


def _above(thresholds: list[float], kind: Kind) -> np.ndarray:
    """The true share of inputs of a kind above each threshold."""
    return np.asarray(norm.sf((np.log(thresholds) - kind[0]) / kind[1]))


if __name__ == "__main__":
    main()
