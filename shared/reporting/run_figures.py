"""The figures of a run's report: curves of the test, and the positive images that were missed."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.data.split import Split
from shared.evaluation.calibration import event_probabilities, reliability_bins
from shared.reporting.figures.curves import decision_curve, precision_recall_curve, reliability_plot, roc_curve
from shared.reporting.figures.sheets import thumbnail
from shared.reporting.finished import Finished

DECISION_CURVE = "Decision curve"
MISS_SIDE = 160
"""Longest side of a missed image in pixels."""
MAX_MISSES = 12
"""Missed images on the sheet."""


def curve_figures(positive_name: str | None, done: Finished) -> list[dict[str, Any]]:
    """Draws the figures of ranking, calibration and decision on the test.

    Args:
        positive_name: Name of the positive event; None: the task has none, and only calibration is drawn.
        done: The finished training.

    Returns:
        Each figure as `title`, `image` (a PNG as a data address for HTML) and `wide` (whether it is wider than high);
        those that need both kinds of case are left out where one is absent.
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
            (DECISION_CURVE, decision_curve(scores, truth, at, done.usage.miss_cost)),
        ]
    return [{"title": title, "image": image, "wide": title == DECISION_CURVE} for title, image in found if image]


def missed_images(done: Finished) -> dict[str, Any] | None:
    """Makes small pictures of the missed positive images, each with the training images whose features are nearest.

    Args:
        done: The finished training.

    Returns:
        `count` (number of missed images) and `rows`, of those that are shown (at most `MAX_MISSES`, the lowest scores
        first): `image` (a PNG as a data address for HTML), `label`, `score` (text) and `near`, each with `image` and
        `label`. None where none was missed or no class is positive.
    """
    cases, test, train = done.cases(), done.splits["test"], done.splits["train"]
    missed = np.flatnonzero(cases.truth & ~cases.called) if cases.screening else np.empty(0, dtype=np.int64)
    if not len(missed):
        return None
    shown = missed[np.argsort(cases.scores[missed], kind="stable")][:MAX_MISSES].tolist()

    def picture(split: Split, i: int) -> dict[str, str]:
        image = thumbnail(split.images[i].mean(axis=0), MISS_SIDE)
        return {"image": image, "label": done.record.classes[split.labels[i]]}

    rows = [
        {
            **picture(test, i),
            "score": f"{cases.scores[i]:.3f}",
            "near": [picture(train, int(j)) for j in around],
        }
        for i, around in zip(shown, done.nearest(shown), strict=True)
    ]
    return {"count": len(missed), "rows": rows}
