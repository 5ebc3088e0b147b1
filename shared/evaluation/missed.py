"""What is missed: sensitivity by the size of the finding, by how an image was acquired and where, and by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.cases import Cases, DecisionRule, ImageCounts, image_cases
from shared.evaluation.evaluate import MIN_DOMAIN
from shared.evaluation.finding_size import FindingSize
from shared.evaluation.rates import Flags, Rate, Values
from shared.samples import NOT_STATED, Grouping, Sample

SHARE_EDGES = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
MM2_EDGES = (100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0)
"""Between the bins of sizes. They double, and are the same for all data, so that two tests can be laid side by side."""
DOMAIN = "domain"
"""The name under which domains stand among the properties."""


def missed(
    probabilities: Values,
    labels: NDArray[np.int64],
    samples: Sequence[Sample],
    sizes: Sequence[FindingSize | None],
    rule: DecisionRule,
    grouping: Grouping,
) -> dict[str, Any] | None:
    """Finds out which positive images a run misses, each image decided alone, at the run's own threshold.

    Args:
        probabilities: float64 [N, classes], 0 to 1, of images.
        labels: int64 [N], true classes, indices into the columns of `probabilities`.
        samples: [N] the images.
        sizes: [N] size of the marked finding of each; None where it is not known.
        rule: How the run decides, for example its `ModelRecord`.
        grouping: Series, group and independent unit of each image.

    Returns:
        None without a positive class; else `sizes`, see `_by_size`; `properties`, for each property that differs among
        the images, its values by sensitivity, the worst first, see `_by_property`; and `groups`, see `_by_group`.
    """
    cases = image_cases(probabilities, labels, rule, grouping.units)
    if not cases.screening:
        return None
    return {
        "sizes": _by_size(cases, samples, sizes, grouping),
        "properties": _by_property(cases, samples, grouping),
        "groups": _by_group(cases, grouping),
    }


def _by_size(
    cases: Cases, samples: Sequence[Sample], sizes: Sequence[FindingSize | None], grouping: Grouping
) -> dict[str, Any]:
    """Sensitivity by the size of the finding.

    Returns:
        `known` and `unknown`, numbers of positive images by whether the size of the finding is known; `unreadable`, how
        many of the latter have a mask; `share` and `mm2`, the bins by either size, see `_bins`.
    """
    truth = cases.truth
    known = np.array([size is not None for size in sizes], dtype=np.bool_) & truth
    masked = np.array([sample.mask is not None for sample in samples], dtype=np.bool_)
    shares = np.array([np.nan if size is None else size.share for size in sizes])
    areas = np.array([np.nan if size is None or size.mm2 is None else size.mm2 for size in sizes])
    return {
        "known": int(known.sum()),
        "unknown": int((truth & ~known).sum()),
        "unreadable": int((truth & ~known & masked).sum()),
        "share": _bins(shares, SHARE_EDGES, cases, grouping),
        "mm2": _bins(areas, MM2_EDGES, cases, grouping),
    }


def _bins(values: Values, edges: Sequence[float], cases: Cases, grouping: Grouping) -> list[dict[str, Any]]:
    """Sensitivity in bins of sizes, from the smallest to the largest.

    A bin of fewer than `MIN_DOMAIN` images is joined with the next larger one, the last with the one before, so that no
    miss is left out.

    Args:
        values: float64 [N], NaN where the size is not known.
        edges: Bounds between the bins, ascending.
        cases: The images.
        grouping: Group of each image.

    Returns:
        For each bin `from` (inclusive), `to` (exclusive; None: no bound), `median` (of its sizes), `groups` and
        `sensitivity`, with its interval and `n`; no bin where fewer than `MIN_DOMAIN` sizes are known.
    """
    known = cases.truth & ~np.isnan(values)
    numbers = np.digitize(values, edges)
    bounds, start, count = [], 0, 0
    for number in range(len(edges) + 1):
        count += int((known & (numbers == number)).sum())
        if count >= MIN_DOMAIN:
            bounds.append((start, number + 1))
            start, count = number + 1, 0
    if not bounds:
        return []
    bounds[-1] = (bounds[-1][0], len(edges) + 1)
    rows = []
    for first, end in bounds:
        inside = known & (numbers >= first) & (numbers < end)
        rows.append(
            {
                "from": 0.0 if first == 0 else edges[first - 1],
                "to": None if end > len(edges) else edges[end - 1],
                "median": float(np.median(values[inside])),
                "groups": len(set(grouping.of_those(inside).groups)),
                "sensitivity": cases.rate(cases.called, inside),
            }
        )
    return rows


def _by_property(cases: Cases, samples: Sequence[Sample], grouping: Grouping) -> dict[str, list[dict[str, Any]]]:
    """Sensitivity and specificity by each property of the acquisition that is a text, and by domain.

    Returns:
        For each property of which the images have more than one value, by its name: rows with `value`, `groups`,
        `sensitivity` and `specificity`, the lowest sensitivity first. Of a value with fewer than `MIN_DOMAIN` images of
        a kind the rate is not given, and of one with fewer images `groups` is None.
    """
    found = {}
    for name, values in _texts(samples).items():
        distinct = sorted(set(values.tolist()))
        if len(distinct) > 1:
            rows = [_row(cases, grouping, value, values == value) for value in distinct]
            found[name] = sorted(rows, key=_order)
    return found


def _texts(samples: Sequence[Sample]) -> dict[str, NDArray[np.str_]]:
    """The value of each sample, by the name of each property that has no numbers; the domain is one."""
    names = sorted({name for sample in samples for name in sample.acquisition} - {DOMAIN})
    found = {name: [sample.acquisition.get(name, NOT_STATED) for sample in samples] for name in names}
    texts = {name: values for name, values in found.items() if all(isinstance(value, str) for value in values)}
    return {name: np.array(values, dtype=np.str_) for name, values in texts.items()} | {
        DOMAIN: np.array([sample.domain for sample in samples], dtype=np.str_)
    }


def _row(cases: Cases, grouping: Grouping, value: str, inside: Flags) -> dict[str, Any]:
    rate = Rate(cases.units, MIN_DOMAIN)
    small = int(inside.sum()) < MIN_DOMAIN
    return {
        "value": value,
        "groups": None if small else len(set(grouping.of_those(inside).groups)),
        "sensitivity": rate(cases.called, inside & cases.truth),
        "specificity": rate(~cases.called, inside & ~cases.truth),
    }


def _order(row: Mapping[str, Any]) -> tuple[float, float, str]:
    """Sorts the worst first, and what is not defined last."""
    sensitivity, specificity = (row[key]["value"] for key in ("sensitivity", "specificity"))
    return (
        2.0 if sensitivity is None else sensitivity,
        2.0 if specificity is None else specificity,
        row["value"],
    )


def _by_group(cases: Cases, grouping: Grouping) -> dict[str, Any] | None:
    """Counts groups (patients) by how much is called of each.

    Returns:
        `positive`: numbers of groups with a positive image by the share of these that is called (`none`, `under_half`,
        `half_or_more`, `all`); `negative`: numbers of the other groups by the number of their images that are called
        (`none`, `one`, `several`). None where no group holds several images.
    """
    if len(set(grouping.groups)) == len(grouping.groups):
        return None
    counts = ImageCounts.of(cases.truth, cases.called, grouping.groups)
    with_event = counts.positive > 0
    found, positive = counts.found[with_event], counts.positive[with_event]
    called = counts.called[~with_event]
    return {
        "positive": {
            "none": int((found == 0).sum()),
            "under_half": int(((found > 0) & (2 * found < positive)).sum()),
            "half_or_more": int(((2 * found >= positive) & (found < positive)).sum()),
            "all": int((found == positive).sum()),
        },
        "negative": {
            "none": int((called == 0).sum()),
            "one": int((called == 1).sum()),
            "several": int((called > 1).sum()),
        },
    }
