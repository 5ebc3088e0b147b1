"""How far the probabilities can be taken at their word: calibration and proper scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.evaluation.calibration import event_probabilities, expected_calibration_error
from shared.evaluation.cases import Cases
from shared.evaluation.measure import Measure, Table, Tasks, add
from shared.evaluation.rates import mean_with_interval

MIN_PROBABILITY = 1e-12
"""Where the logarithm is cut, so that one certain mistake does not make the mean infinite."""


def _brier_score(cases: Cases) -> dict[str, Any]:
    """Source: Brier, Mon Weather Rev 78:1, 1950, in the form for two classes."""
    scores, truth = event_probabilities(cases.probabilities, cases.labels, cases.positive)
    return mean_with_interval((scores - truth) ** 2, cases.units)


def _expected_calibration_error(cases: Cases) -> float:
    return expected_calibration_error(*event_probabilities(cases.probabilities, cases.labels, cases.positive))


def _negative_log_likelihood(cases: Cases) -> dict[str, Any]:
    """Mean over images, in nats."""
    of_truth = cases.probabilities[np.arange(len(cases.labels)), cases.labels]
    return mean_with_interval(-np.log(np.clip(of_truth, MIN_PROBABILITY, 1.0)), cases.units)


add(
    Measure(
        "brier_score",
        title="Brier score",
        heading="Brier score",
        meaning="Mean squared difference between a probability, of the positive event or of the answer, and the truth.",
        higher_is_better=False,
        compute=_brier_score,
        tasks=Tasks.ALL,
        tables={Table.REPORT: 180},
    )
)
add(
    Measure(
        "expected_calibration_error",
        title="expected calibration error",
        heading="calibration error",
        meaning="Mean distance between predicted probability and observed share, over groups of like probability.",
        higher_is_better=False,
        compute=_expected_calibration_error,
        tasks=Tasks.ALL,
        tables={Table.REPORT: 190},
    )
)
add(
    Measure(
        "negative_log_likelihood",
        title="negative log-likelihood, nats",
        heading="log loss",
        meaning="Mean negative logarithm of the probability of the true class.",
        higher_is_better=False,
        compute=_negative_log_likelihood,
        tasks=Tasks.ALL,
    )
)
