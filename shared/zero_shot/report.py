"""The report of a zero-shot study: one self-contained HTML page with seen-unseen curves and deciding attributes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from shared.evaluation.text import disclaimers
from shared.io.atomic import write_bytes, write_json, write_text
from shared.reporting.figures.canvas import SQUARE, address, new_figure
from shared.reporting.html import template
from shared.task import Task
from shared.zero_shot.study import NAMES, describe_study, mean_in_words

LEGEND: Mapping[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.13), "frameon": False, "fontsize": 8}
"""Below the axes, where it hides nothing."""


def write_study(tree: Mapping[str, Any], task: Task, out: Path) -> None:
    """Writes the results of a study as `zero_shot.json`, `zero_shot.html` and `zero_shot.png`.

    Args:
        tree: Result of `shared.zero_shot.study.study`.
        task: The application.
        out: Folder for the three files.
    """
    write_json(out / "zero_shot.json", tree)
    write_bytes(out / "zero_shot.png", _picture(tree))
    names = _ascii_names(tree["said"])
    page = template("zero_shot.html").render(
        name="Zero-shot",
        kind="zero-shot study",
        title=task.title,
        verdict=study_verdict(tree),
        disclaimers=disclaimers(task, tree["synthetic"]),
        tree=tree,
        lines=list(describe_study(tree)),
        names=NAMES,
        mean_in_words=mean_in_words,
        curve=_figure(lambda axes: _draw_curves(axes, tree["splits"][0]["methods"])),
        examples=[
            {"image": _figure(partial(_draw_example, example=example, names=names)), "words": _words(example, names)}
            for example in _examples(tree)
        ],
    )
    write_text(out / "zero_shot.html", page)


def study_verdict(tree: Mapping[str, Any]) -> list[str]:
    """Writes what a study shows in a line for each method: unseen classes beside chance and a shuffled table.

    Args:
        tree: Result of `shared.zero_shot.study.study`.

    Returns:
        Lines without a full stop; the first begins with "verdict".
    """
    lines = [
        f"{name} tells unseen classes apart with accuracy {mean_in_words(row['t1'])}, with a shuffled table "
        f"{mean_in_words(row['random_t1'])}, by chance {tree['chance']:.3f}"
        for name, row in tree["summary"].items()
    ]
    if all(len(entry["unseen"]) == 1 for entry in tree["splits"]):
        lines = [
            f"{name}: area {mean_in_words(row['area'])} under the seen-unseen curve, with a shuffled table "
            f"{mean_in_words(row['random_area'])}"
            for name, row in tree["summary"].items()
        ]
    return [f"verdict: {lines[0]}", *lines[1:]]


def _examples(tree: Mapping[str, Any]) -> list[Any]:
    """Up to three predictions of the first trial with the attributes that decided them."""
    methods = tree["splits"][0]["methods"]
    return next((one["examples"][:3] for one in methods.values() if one.get("examples")), [])


def _figure(draw: Callable[[Any], None]) -> str:
    figure, axes = new_figure(4.0, SQUARE)
    draw(axes)
    return address(figure)


def _picture(tree: Mapping[str, Any]) -> bytes:
    """Draws the first trial as PNG: the seen-unseen curves, then the deciding attributes of up to three predictions."""
    from matplotlib.figure import Figure

    methods, names, examples = tree["splits"][0]["methods"], _ascii_names(tree["said"]), _examples(tree)
    figure = Figure(figsize=(4.2 * (1 + len(examples)), 3.6), layout="constrained")
    axes = figure.subplots(1, 1 + len(examples), squeeze=False)[0]
    _draw_curves(axes[0], methods)
    for axis, example in zip(axes[1:], examples, strict=True):
        _draw_example(axis, example, names)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=90)
    return stream.getvalue()


def _draw_curves(axis: Any, methods: Mapping[str, Any]) -> None:
    """Draws the accuracy on unseen classes against that on seen ones, a curve for each method."""
    for name, one in methods.items():
        axis.plot(*zip(*one["curve"], strict=True), label=f"{name}, area {one['area']:.2f}")
    axis.set(xlabel="seen classes, accuracy", ylabel="unseen classes, accuracy", title="calibrated stacking")
    axis.legend(**LEGEND)


def _words(example: Mapping[str, Any], names: Mapping[str, str]) -> str:
    label, answer = names[example["label"]], names[example["answer"]]
    return f"{label}, recognised" if label == answer else f"{label} taken for {answer}"


def _draw_example(axis: Any, example: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """Draws predicted and tabled values of the attributes that decided one prediction."""
    rows = example["attributes"][::-1]
    places = range(len(rows))
    axis.barh(places, [row["predicted"] for row in rows], color="0.7", label="predicted")
    answer, second = (names[example[key]] for key in ("answer", "second"))
    axis.plot([row["answer"] for row in rows], places, "o", label=f"table, {answer}")
    axis.plot([row["second"] for row in rows], places, "x", label=f"table, {second}")
    axis.set_yticks(places, [row["name"] for row in rows], fontsize=8)
    axis.set_title(_words(example, names), fontsize=9)
    axis.legend(**LEGEND)


def _ascii_names(display_names: Mapping[str, str]) -> dict[str, str]:
    """Display names without Devanagari letters, which the font of figures lacks."""
    return {
        label: " ".join(word for word in words.split() if word.isascii()) or label
        for label, words in display_names.items()
    }
