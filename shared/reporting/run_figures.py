"""The figures of a run's report: curves of the test, and the positive images that were missed."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.evaluation.calibration import event_probabilities, reliability_bins
from shared.features.cache import nearest_features
from shared.reporting.figures.curves import decision_curve, precision_recall_curve, reliability_plot, roc_curve
from shared.reporting.figures.sheets import miss_sheet
from shared.reporting.finished import Finished

MAX_MISSES, NEIGHBOURS = 12, 4
"""Missed images on the sheet, and the nearest training images shown with each."""


def curve_figures(positive_name: str | None, done: Finished) -> list[dict[str, str]]:
    """Draws the figures of ranking, calibration and decision on the test.

    Args:
        positive_name: Name of the positive event; None: the task has none, and only calibration is drawn.
        done: The finished training.

    Returns:
        Each figure as `title` and `image` (a PNG as a data address for HTML); those that need both kinds of case are
        left out where one is absent.
    """
    cases, at = done.cases(), done.record.threshold
    before = reliability_bins(*event_probabilities(done.uncalibrated, cases.labels, cases.positive))
    after = reliability_bins(*event_probabilities(cases.probabilities, cases.labels, cases.positive))
    found: list[tuple[str, str | None]] = [
        ("Reliability before and after calibration", reliability_plot(before, after))
    ]
    if positive_name is not None:
        scores, truth = cases.scores, cases.truth
        found = [
            ("ROC curve with the operating point", roc_curve(scores, truth, at, positive_name)),
            ("Precision-recall with the operating point", precision_recall_curve(scores, truth, at, positive_name)),
            *found,
            ("Decision curve", decision_curve(scores, truth, at, done.usage.miss_cost)),
        ]
    return [{"title": title, "image": image} for title, image in found if image]


def miss_figure(done: Finished) -> dict[str, Any] | None:
    """Draws the missed positive images of the test, each with the training images whose features are nearest.

    Args:
        done: The finished training.

    Returns:
        `count` (number of missed images), `shown` (number of those drawn, at most `MAX_MISSES`, the lowest scores
        first) and `image` (a PNG as a data address for HTML); None where none was missed or no class is positive.
    """
    cases, test, train = done.cases(), done.splits["test"], done.splits["train"]
    missed = np.flatnonzero(cases.truth & ~cases.called) if cases.screening else np.empty(0, dtype=np.int64)
    if not len(missed):
        return None
    shown = missed[np.argsort(cases.scores[missed], kind="stable")][:MAX_MISSES].tolist()
    names = done.record.classes
    nearest = nearest_features(done.network, [test.images[i] for i in shown], train.images, NEIGHBOURS)
    sheet = miss_sheet(
        np.stack([test.images[i].mean(axis=0) for i in shown]),
        np.stack([np.stack([train.images[int(j)].mean(axis=0) for j in row]) for row in nearest]),
        [f"missed {names[test.labels[i]]}\n{cases.scores[i]:.3f}" for i in shown],
        [[f"training:\n{names[train.labels[j]]}" for j in row] for row in nearest],
    )
    return {"count": len(missed), "shown": len(shown), "image": sheet}
