"""Curves of a report: training, ROC, precision and recall, reliability, decision, rejection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.calibration import Bin, net_benefit
from shared.reporting.figures.canvas import ACCENT, INK, MUTED, SQUARE, WIDE, address, new_figure


def training_curve(history: Sequence[Mapping[str, Any]]) -> str | None:
    """Plots training loss and validation score over the epochs of a network or head.

    Args:
        history: Rows of `metrics.jsonl`; only those with `epoch` are plotted.

    Returns:
        A PNG as a data address for HTML (`data:image/png;base64,...`); None where no row has an epoch.
    """
    epochs = [row for row in history if "epoch" in row]
    if not epochs:
        return None
    figure, axes = new_figure(WIDE, 2.6)
    steps = np.arange(1, len(epochs) + 1)
    # a head has no validation accuracy, only the score of its selection rule
    score = "validation_accuracy" if "validation_accuracy" in epochs[0] else "validation_score"
    axes.plot(steps, [row["train_loss"] for row in epochs], ".-", color=INK, label="training loss")
    if score in epochs[0]:  # missing where nothing was held out
        axes.plot(steps, [row[score] for row in epochs], ".-", color=ACCENT, label=score.replace("_", " "))
    axes.set_xlabel("epoch")
    axes.legend(frameon=False)
    return address(figure)


def roc_curve(scores: NDArray[np.float64], positive: NDArray[np.bool_], threshold: float, name: str) -> str | None:
    """Plots the ROC curve of the positive event, with the operating point.

    Args:
        scores: float64 [N], positive probabilities.
        positive: bool [N], whether each case is positive.
        threshold: Probability from which a case is called positive: the operating point.
        name: Name of the positive event, for the label of the axis.

    Returns:
        A PNG as a data address for HTML (`data:image/png;base64,...`); None where all cases are positive or none is.
    """
    if positive.all() or not positive.any():
        return None
    from sklearn.metrics import roc_curve as curve

    false_rate, true_rate, _ = curve(positive, scores)
    figure, axes = new_figure(SQUARE, SQUARE)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":")
    axes.plot(false_rate, true_rate, color=INK)
    called = scores >= threshold
    axes.plot(called[~positive].mean(), called[positive].mean(), "o", color=ACCENT, label=f"threshold {threshold:.3g}")
    axes.set_xlabel("1 - specificity")
    axes.set_ylabel(f"sensitivity for {name}")
    axes.legend(frameon=False, loc="lower right")
    return address(figure)


def precision_recall_curve(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], threshold: float, name: str
) -> str | None:
    """Plots precision against sensitivity, with the operating point.

    Args:
        scores: float64 [N], positive probabilities.
        positive: bool [N], whether each case is positive.
        threshold: Probability from which a case is called positive: the operating point.
        name: Name of the positive event, for the label of the axis.

    Returns:
        A PNG as a data address for HTML (`data:image/png;base64,...`); None where all cases are positive or none is.
    """
    if positive.all() or not positive.any():
        return None
    from sklearn.metrics import precision_recall_curve as curve

    precision, recall, _ = curve(positive, scores)
    figure, axes = new_figure(SQUARE, SQUARE)
    axes.step(recall, precision, where="post", color=INK)
    axes.axhline(positive.mean(), color=MUTED, linewidth=0.8, linestyle=":")
    called = scores >= threshold
    if called.any():
        axes.plot(
            called[positive].mean(), positive[called].mean(), "o", color=ACCENT, label=f"threshold {threshold:.3g}"
        )
        axes.legend(frameon=False, loc="lower left")
    axes.set_ylim(0.0, 1.03)
    axes.set_xlabel(f"sensitivity for {name}")
    axes.set_ylabel("precision (PPV)")
    return address(figure)


def reliability_plot(before: Sequence[Bin], after: Sequence[Bin]) -> str:
    """Plots observed share against predicted probability, before and after calibration, with 95% intervals (Wilson).

    Args:
        before: Bins of the probabilities before the temperature, as `reliability_bins` makes them.
        after: Bins of the probabilities after the temperature.

    Returns:
        A PNG as a data address for HTML (`data:image/png;base64,...`).
    """
    figure, axes = new_figure(SQUARE, SQUARE)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":")
    for bins, colour, label in ((before, MUTED, "before"), (after, INK, "after")):
        observed = np.array([one.observed for one in bins])
        reach = np.abs(np.array([[one.low for one in bins], [one.high for one in bins]]) - observed)
        axes.errorbar(
            [one.predicted for one in bins],
            observed,
            yerr=reach,
            fmt="o-",
            markersize=3,
            linewidth=1,
            elinewidth=0.6,
            color=colour,
            label=f"{label} calibration",
        )
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("observed share")
    axes.legend(frameon=False, loc="upper left")
    return address(figure)


def decision_curve(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], threshold: float, miss_cost: float
) -> str | None:
    """Plots the net benefit of the model, of calling all positive and of calling none, over thresholds of 0.01 to 0.6.

    Args:
        scores: float64 [N], positive probabilities.
        positive: bool [N], whether each case is positive.
        threshold: Probability from which a case is called positive: the operating point.
        miss_cost: Cost of a missed positive case, in false alarms; its threshold is marked.

    Returns:
        A PNG as a data address for HTML (`data:image/png;base64,...`); None where all cases are positive or none is.
    """
    if positive.all() or not positive.any():
        return None
    thresholds = np.linspace(0.01, 0.6, 60)
    figure, axes = new_figure(WIDE, 3.6)
    benefit = net_benefit(scores, positive, thresholds)
    everyone = net_benefit(np.ones(len(scores)), positive, thresholds)
    axes.plot(thresholds, benefit, color=INK, label="model")
    axes.plot(thresholds, everyone, color=MUTED, label="all called positive")
    axes.axhline(0.0, color=MUTED, linewidth=0.8, linestyle=":", label="none called positive")
    if threshold <= thresholds[-1]:
        axes.axvline(threshold, color=ACCENT, linewidth=0.8, label="operating point")
    stated = 1.0 / (1.0 + miss_cost)
    axes.axvline(stated, color=MUTED, linewidth=0.8, linestyle="--", label=f"a miss costs {miss_cost:g} false alarms")
    axes.set_ylim(min(-0.05, float(benefit.min())), float(max(benefit.max(), everyone.max())) * 1.1)
    axes.set_xlabel("threshold t: a miss costs (1 - t) / t false alarms")
    axes.set_ylabel("net benefit")
    figure.legend(frameon=False, loc="outside lower left", ncols=2)
    return address(figure)


def size_curve(bins: Sequence[Mapping[str, Any]], unit: str) -> str:
    """Plots sensitivity against the size of the finding, with 95% intervals and the number of images of each bin.

    Args:
        bins: As `shared.evaluation.missed.missed` gives them, at least one; each stands at the median of its sizes, and
            the ticks are the bounds between them.
        unit: Unit of the sizes, for the label of the axis.

    Returns:
        A PNG as a data address for HTML (`data:image/png;base64,...`).
    """
    figure, axes = new_figure(WIDE, 3.0)
    sizes = [one["median"] for one in bins]
    rates = [one["sensitivity"] for one in bins]
    axes.plot(sizes, [rate["value"] for rate in rates], "o-", color=INK, markersize=4, linewidth=1)
    for size, rate in zip(sizes, rates, strict=True):
        if rate["low"] is not None:
            axes.plot([size, size], [rate["low"], rate["high"]], color=INK, linewidth=0.8)
        axes.annotate(str(rate["n"]), (size, 1.05), ha="center", fontsize=7, color=MUTED)
    if min(sizes) > 0.0:
        axes.set_xscale("log")  # the bounds of the bins double
        # they are the ticks: there may be no power of ten between these sizes
        bounds = [one["from"] for one in bins if one["from"] > 0.0] or sizes
        axes.set_xticks(bounds, [f"{round(bound, 1):g}" for bound in bounds])
        axes.minorticks_off()
    axes.set_ylim(-0.02, 1.12)
    axes.set_yticks(np.linspace(0.0, 1.0, 6))
    axes.set_xlabel(f"area of the mask, {unit} (above: number of images)")
    axes.set_ylabel("sensitivity")
    return address(figure)


def reject_curve(
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    points: Mapping[str, tuple[float, float]],
    target: float,
) -> str:
    """Plots the risk-coverage curve: error among accepted answers against the share that is accepted.

    Args:
        curves: Coverage and error, float64 [T] each, by name; validation, where there is one, then test.
        points: Coverage and error at the threshold, by name; without those where nothing is accepted.
        target: The error rate that was asked for.

    Returns:
        A PNG as a data address for HTML (`data:image/png;base64,...`).
    """
    figure, axes = new_figure(WIDE, 3.0)
    axes.axhline(target, color=MUTED, linewidth=0.8, linestyle=":", label=f"asked for: {target:g}")
    for (name, (coverage, error)), colour in zip(curves.items(), (MUTED, INK)[-len(curves) :], strict=True):
        axes.plot(coverage, error, color=colour, linewidth=1.2, label=name)
    for number, point in enumerate(points.values()):
        axes.plot(*point, "o", color=ACCENT, markersize=4, label=None if number else "at the threshold")
    # one mistake among the few most confident answers is a large share by chance, and would flatten the rest
    highest = max(float(error[-1]) for _, error in curves.values())
    axes.set_ylim(0.0, 1.1 * max(highest, target))
    axes.set_xlabel("coverage: share of answers accepted")
    axes.set_ylabel("error among accepted")
    axes.legend(frameon=False, loc="upper left")
    return address(figure)
