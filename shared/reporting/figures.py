"""The pictures of a report, each as a PNG inside a data address, so that the report is one file."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.calibration_error import Bin, net_benefit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, ACCENT, MUTED = "#1d2733", "#b3261e", "#8a94a0"
THUMBNAIL = 96
"""Pixels a side, at most: twice what it takes on a page, for fine screens."""


def training_curve(history: Sequence[Mapping[str, Any]]) -> str | None:
    """Loss and what validation says over the epochs of a network or a head; None where there were no epochs."""
    epochs = [row for row in history if "epoch" in row]
    if not epochs:
        return None
    figure, axes = new_figure(6.4, 2.6)
    steps = np.arange(1, len(epochs) + 1)
    # a head is judged by the rule of its selection alone
    judged = "validation_accuracy" if "validation_accuracy" in epochs[0] else "validation_score"
    axes.plot(steps, [row["train_loss"] for row in epochs], color=INK, label="training loss")
    axes.plot(steps, [row[judged] for row in epochs], color=ACCENT, label=judged.replace("_", " "))
    axes.set_xlabel("epoch")
    axes.legend(frameon=False)
    return address(figure)


def roc_curve(scores: NDArray[np.float64], positive: NDArray[np.bool_], threshold: float, name: str) -> str | None:
    """ROC of the positive event with the operating point marked; None where one of the two kinds is absent."""
    if positive.all() or not positive.any():
        return None
    from sklearn.metrics import roc_curve as curve

    false_rate, true_rate, _ = curve(positive, scores)
    figure, axes = new_figure(3.6, 3.6)
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
    """Precision against sensitivity with the operating point marked; None where one of the two kinds is absent."""
    if positive.all() or not positive.any():
        return None
    from sklearn.metrics import precision_recall_curve as curve

    precision, recall, _ = curve(positive, scores)
    figure, axes = new_figure(3.6, 3.6)
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
    """Observed against predicted share, before and after the temperature, with Wilson intervals."""
    figure, axes = new_figure(3.6, 3.6)
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
    """Net benefit of the model, of calling all positive and of calling none; None where one kind is absent."""
    if positive.all() or not positive.any():
        return None
    thresholds = np.linspace(0.01, 0.6, 60)
    figure, axes = new_figure(6.4, 2.8)
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
    axes.legend(frameon=False)
    return address(figure)


def reject_curve(
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    points: Mapping[str, tuple[float, float]],
    target: float,
) -> str:
    """Error among accepted answers against the share that is accepted.

    Args:
        curves: Coverage and error [T] of validation and test, by name.
        points: Coverage and error of each at the threshold; none where nothing is accepted there.
        target: The error rate that was asked for.
    """
    figure, axes = new_figure(6.4, 2.8)
    axes.axhline(target, color=MUTED, linewidth=0.8, linestyle=":", label=f"asked for: {target:g}")
    for (name, (coverage, error)), colour in zip(curves.items(), (MUTED, INK), strict=True):
        axes.plot(coverage, error, color=colour, linewidth=1.2, label=name)
    for number, point in enumerate(points.values()):
        axes.plot(*point, "o", color=ACCENT, markersize=4, label=None if number else "at the threshold")
    # of the few surest answers one mistake is a large share; that says nothing and would flatten the rest
    highest = max(float(error[-1]) for _, error in curves.values())
    axes.set_ylim(0.0, 1.1 * max(highest, target))
    axes.set_xlabel("coverage: share of answers accepted")
    axes.set_ylabel("error among accepted")
    axes.legend(frameon=False, loc="upper left")
    return address(figure)


def thumbnail(image: NDArray[np.float32]) -> str:
    """One image, float32 [size, size] in 0..1, in grey and small."""
    from PIL import Image

    picture = Image.fromarray(np.round(np.clip(image, 0.0, 1.0) * 255).astype(np.uint8))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return _data_address(stream.getvalue())


def miss_sheet(
    misses: NDArray[np.float32],
    neighbours: NDArray[np.float32],
    titles: Sequence[str],
    captions: Sequence[Sequence[str]],
) -> str:
    """Each missed image beside the training images with the nearest codes.

    Args:
        misses: float32 [N, size, size] in 0..1.
        neighbours: float32 [N, K, size, size].
        titles: One for each miss.
        captions: The class of each neighbour, [N][K].
    """
    import matplotlib.pyplot as plt

    count, nearest = neighbours.shape[:2]
    figure, rows = plt.subplots(
        count, nearest + 1, figsize=(1.5 * (nearest + 1), 1.75 * count), squeeze=False, layout="constrained"
    )
    for row, (miss, around) in enumerate(zip(misses, neighbours, strict=True)):
        for column, (image, title) in enumerate(zip([miss, *around], [titles[row], *captions[row]], strict=True)):
            rows[row, column].imshow(image, cmap="gray", vmin=0, vmax=1)
            rows[row, column].set_title(title, fontsize=7, color=ACCENT if column == 0 else INK)
            rows[row, column].set_axis_off()
    return address(figure)


def attribution_sheet(
    images: NDArray[np.float32],
    maps: NDArray[np.float32],
    masks: Sequence[NDArray[np.bool_] | None],
    titles: Sequence[str],
) -> str:
    """Images above their attributions, masks outlined where they exist.

    Args:
        images: float32 [N, size, size] in 0..1.
        maps: float32 [N, size, size], signed; red speaks for the class, blue against it.
        masks: bool [size, size] or None, for each.
        titles: One short line each.
    """
    import matplotlib.pyplot as plt

    figure, rows = plt.subplots(2, len(images), figsize=(1.7 * len(images), 3.7), squeeze=False, layout="constrained")
    shown = None
    for column, (image, attribution, mask) in enumerate(zip(images, maps, masks, strict=True)):
        limit = float(np.percentile(np.abs(attribution), 99.5)) or 1.0
        rows[0, column].imshow(image, cmap="gray", vmin=0, vmax=1)
        rows[1, column].imshow(image, cmap="gray", vmin=0, vmax=1)
        alpha = np.clip(np.abs(attribution) / limit, 0, 1)
        shown = rows[1, column].imshow(attribution / limit, cmap="bwr", vmin=-1, vmax=1, alpha=alpha)
        if mask is not None and mask.any():
            rows[0, column].contour(mask, levels=[0.5], colors="#4cc38a", linewidths=0.8)
        rows[0, column].set_title(titles[column], fontsize=7, color=INK)
    for axes in rows.ravel():
        axes.set_axis_off()
    figure.colorbar(shown, ax=rows[1, :].tolist(), shrink=0.8, label="for / against")
    return address(figure)


def explanation_picture(
    image: NDArray[np.float32],
    attribution: NDArray[np.float32],
    title: str,
    curves: Mapping[str, Sequence[float]] | None,
    warning: str | None,
) -> bytes:
    """A PNG of one image, its attribution over it with a colour bar, and the curves of the checks where there are any.

    Args:
        image: float32 [size, size] in 0..1.
        attribution: float32 [size, size], signed; red speaks for the class, blue against it.
        title: Above it; one line or two.
        curves: The score at each step of deletion and insertion, and of random ones.
        warning: Written across the top in the colour of warnings, or None.
    """
    import matplotlib.pyplot as plt

    panels = 2 if curves is None else 3
    figure, axes = plt.subplots(1, panels, figsize=(3.3 * panels, 3.9), layout="constrained")
    axes[0].imshow(image, cmap="gray", vmin=0, vmax=1)
    axes[0].set_title("as the network sees it", fontsize=8, color=INK)
    limit = float(np.percentile(np.abs(attribution), 99.5)) or float(np.abs(attribution).max()) or 1.0
    axes[1].imshow(image, cmap="gray", vmin=0, vmax=1)
    scaled = np.clip(attribution / limit, -1, 1)
    shown = axes[1].imshow(scaled, cmap="bwr", vmin=-1, vmax=1, alpha=np.abs(scaled))
    axes[1].set_title("attribution", fontsize=8, color=INK)
    bar = figure.colorbar(plt.cm.ScalarMappable(shown.norm, "bwr"), ax=axes[1], shrink=0.7, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["against", "0", "for"], fontsize=7)
    for place in axes[:2]:
        place.set_axis_off()
    if curves is not None:
        _check_curves(axes[2], curves)
    figure.suptitle(
        title if warning is None else f"{title}\n{warning}", fontsize=9, color=INK if warning is None else ACCENT
    )
    return _png(figure)


def _check_curves(axes: Any, curves: Mapping[str, Sequence[float]]) -> None:
    for name, values in curves.items():
        random = name.startswith("random")
        axes.plot(
            np.linspace(0, 1, len(values)),
            values,
            color=MUTED if random else ACCENT if name == "deletion" else INK,
            linestyle=("--" if name.endswith("deletion") else ":") if random else "-",
            linewidth=1.0 if random else 1.6,
            label=name,
        )
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("share taken away or uncovered", fontsize=8)
    axes.set_title("probability of the class", fontsize=8, color=INK)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=7)


def pair_sheet(pictures: NDArray[np.float32], titles: Sequence[Sequence[str]]) -> bytes:
    """A PNG of pairs side by side, three pairs a row.

    Args:
        pictures: float32 [N, 2, side, side] in 0..1.
        titles: [N][2].
    """
    import matplotlib.pyplot as plt

    across = 3
    down = -(-len(pictures) // across)
    figure, axes = plt.subplots(
        down, 2 * across, figsize=(2 * across * 1.5, down * 1.85), squeeze=False, layout="constrained"
    )
    for place in axes.ravel():
        place.set_axis_off()
    for number, (pair, words) in enumerate(zip(pictures, titles, strict=True)):
        row, column = divmod(number, across)
        for side in range(2):
            place = axes[row, 2 * column + side]
            place.imshow(pair[side], cmap="gray", vmin=0, vmax=1)
            place.set_title(words[side], fontsize=6, color=INK)
    return _png(figure)


def new_figure(width: float, height: float) -> tuple[Figure, Any]:
    """A figure of so many inches and its axes, drawn without a screen."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    import matplotlib.pyplot as plt

    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=130)
    plt.close(figure)
    return stream.getvalue()


def address(figure: Figure) -> str:
    """The figure as a PNG inside a data address; it is closed."""
    return _data_address(_png(figure))


def _data_address(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
