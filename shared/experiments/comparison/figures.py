"""The figures of a comparison: quality against latency, and quality over label budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

from shared.evaluation.measure import MEASURES
from shared.experiments.comparison.plan import budget_in_words
from shared.reporting.figures.canvas import MUTED, WIDE, address, new_figure

COLOURS = ("#1d2733", "#b3261e", "#0072b2", "#00855f", "#a86f00", "#b8528a", "#2a83b8", "#66707c")
"""One for each backbone. Source: Okabe & Ito, Color Universal Design, 2008, after the two colours of
all pictures; darkened until their contrast to white is above 3, as WCAG AA asks of lines."""
MARKERS, DASHES = ("o", "s", "^", "D", "v", "P"), ("-", "--", ":", "-.")
"""One for each strategy."""
LEGEND_LINE = 0.22
"""Height of a line of the legend, in inches."""


def pareto_plot(tree: Mapping[str, Any]) -> tuple[str, str] | None:
    """Plots the main measure against the latency of one image, at the largest label budget that has both.

    Args:
        tree: Result of `shared.experiments.comparison.run.run_comparison`.

    Returns:
        The budget in words and the picture as a data address; None where no row has both.
    """
    main = tree["main"]
    rows = [row for row in tree["rows"] if row["costs"] is not None and main in row["measures"]]
    if not rows:
        return None
    largest = max((row["labels_per_class"] for row in rows), key=_budget)
    rows = [row for row in rows if row["labels_per_class"] == largest]
    looks = _looks(tree)
    figure, axes = new_figure(WIDE, 3.2 + LEGEND_LINE * (len(rows) + 1))
    points = [(row["costs"]["latency_ms"], row["measures"][main]["value"]) for row in rows]
    front = pareto_front(points)
    axes.step(*zip(*front, strict=True), where="post", color=MUTED, linewidth=0.9, zorder=1, label="not dominated")
    for row, point in zip(rows, points, strict=True):
        colour, marker, _ = looks[row["backbone"], row["strategy"]]
        label = f"{row['backbone']} x {row['strategy']}"
        _with_interval(axes, point[0], row["measures"][main], colour)
        axes.plot(*point, marker, color=colour, markersize=6, linestyle="none", label=label)
    # from zero, so that a difference that is only noise does not look like one
    axes.set_xlim(0.0, 1.12 * max(latency for latency, _ in points))
    axes.set_xlabel("latency of one image, ms (to the left is better)")
    axes.set_ylabel(f"test {MEASURES.get(main).title}")
    figure.legend(frameon=False, loc="outside lower left")
    return budget_in_words(largest), address(figure)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Finds the Pareto front of points: those than which no other costs as little and is as good.

    Args:
        points: Pairs of cost (lower is better) and quality (higher is better); of equal points one is kept.

    Returns:
        The points of the front, by rising cost; empty without points.
    """
    front = list[tuple[float, float]]()
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or quality > front[-1][1]:
            front.append((cost, quality))
    return front


def learning_curves(tree: Mapping[str, Any]) -> str | None:
    """Plots the main measure over label budgets, a line for each backbone and strategy.

    Args:
        tree: Result of `shared.experiments.comparison.run.run_comparison`.

    Returns:
        The picture as a data address; None where fewer than two budgets have the measure.
    """
    main = tree["main"]
    rows = [row for row in tree["rows"] if main in row["measures"]]
    budgets = sorted({row["labels_per_class"] for row in rows}, key=_budget)
    if len(budgets) < 2:
        return None
    looks = _looks(tree)
    count = len(looks)
    figure, axes = new_figure(WIDE, 3.2 + LEGEND_LINE * count)
    for number, ((backbone, strategy), (colour, marker, dash)) in enumerate(looks.items()):
        own = {
            row["labels_per_class"]: row for row in rows if (row["backbone"], row["strategy"]) == (backbone, strategy)
        }
        # a little apart, so that no interval hides another
        aside = 0.16 * ((number + 0.5) / count - 0.5)
        found = [(place + aside, own[labels]) for place, labels in enumerate(budgets) if labels in own]
        for place, row in found:
            _with_interval(axes, place, row["measures"][main], colour)
        values = [row["measures"][main]["value"] for _, row in found]
        places = [place for place, _ in found]
        axes.plot(places, values, dash, marker=marker, markersize=4, color=colour, label=f"{backbone} x {strategy}")
    axes.set_xticks(range(len(budgets)), ["all" if labels is None else str(labels) for labels in budgets])
    axes.set_xlabel("training labels a class")
    axes.set_ylabel(f"test {MEASURES.get(main).title}")
    figure.legend(frameon=False, loc="outside lower left")
    return address(figure)


def _with_interval(axes: Any, place: float, measure: Mapping[str, Any], colour: str) -> None:
    if measure["low"] is not None:
        axes.plot([place, place], [measure["low"], measure["high"]], color=colour, linewidth=0.8, alpha=0.6)


def _looks(tree: Mapping[str, Any]) -> dict[tuple[str, str], tuple[str, str, str]]:
    """Colour, marker and dash of each backbone and strategy, the same in both figures."""
    colours = dict(zip(dict.fromkeys(row["backbone"] for row in tree["rows"]), cycle(COLOURS), strict=False))
    strategies = list(dict.fromkeys(row["strategy"] for row in tree["rows"]))
    markers, dashes = (
        dict(zip(strategies, cycle(MARKERS), strict=False)),
        dict(zip(strategies, cycle(DASHES), strict=False)),
    )
    pairs = dict.fromkeys((row["backbone"], row["strategy"]) for row in tree["rows"])
    return {(one, two): (colours[one], markers[two], dashes[two]) for one, two in pairs}


def _budget(labels: int | None) -> float:
    return float("inf") if labels is None else labels
