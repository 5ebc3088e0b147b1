"""Decisions on single images, counted by group: of how many patients nothing is found, and what is found of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.evaluation.cases import Cases
from shared.evaluation.measure import Block, Measure, Table, add
from shared.evaluation.rates import Values, bootstrapped, mean_with_interval, too_few, undefined
from shared.evaluation.statistics.intervals import Weights

BLOCKS = frozenset({Block.GROUPS})


def _all_images_missed(cases: Cases) -> dict[str, Any] | None:
    if cases.images is None:
        return None
    return cases.rate(cases.images.found == 0, cases.images.positive > 0)


def _found_share(cases: Cases) -> dict[str, Any] | None:
    """Median over groups with a positive image."""
    if cases.images is None:
        return None
    with_event = cases.images.positive > 0
    if not with_event.any():
        return undefined(too_few(1))
    shares = cases.images.found[with_event] / cases.images.positive[with_event]
    units = np.asarray(cases.units)[with_event].tolist()

    def median(weights: Weights) -> Values:
        """The weighted median of each draw: the mean of the two middle shares where two lie in the middle."""
        order = np.argsort(shares, kind="stable")
        heaped, ordered = weights[:, order].cumsum(axis=1), shares[order]
        half = heaped[:, -1:] / 2
        lower, upper = (heaped >= half).argmax(axis=1), (heaped > half).argmax(axis=1)
        return np.asarray((ordered[lower] + ordered[upper]) / 2)

    return bootstrapped(median, units) | {"lowest": float(shares.min())}


def _false_alarm_images(cases: Cases) -> dict[str, Any] | None:
    if cases.images is None:
        return None
    without = cases.images.positive == 0
    called = cases.images.called[without].astype(np.float64)
    found = mean_with_interval(called, np.asarray(cases.units)[without].tolist())
    return found | {"highest": int(called.max())} if len(called) else found


add(
    Measure(
        "all_images_missed",
        title="positive, and not one positive image called",
        heading="every image missed",
        meaning="Share of groups with a positive image of which every positive image is called negative.",
        higher_is_better=False,
        compute=_all_images_missed,
        blocks=BLOCKS,
        tables={Table.REPORT: 62},
    )
)
add(
    Measure(
        "found_share",
        title="share of the positive images that is called, median",
        heading="positive images called",
        meaning="Share of a group's positive images that are called positive, as the median of the groups with any.",
        higher_is_better=True,
        compute=_found_share,
        blocks=BLOCKS,
        tables={Table.REPORT: 64},
    )
)
add(
    Measure(
        "false_alarm_images",
        title="images called where none is positive, mean number",
        heading="false alarms each",
        meaning="Number of images that are called positive in a group without a positive image, as the mean of these.",
        higher_is_better=False,
        compute=_false_alarm_images,
        blocks=BLOCKS,
        tables={Table.REPORT: 66},
    )
)
