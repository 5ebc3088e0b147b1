"""The report of a zero-shot study: one self-contained HTML page with seen-unseen curves and deciding attributes."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.evaluation.text import disclaimers
from shared.io.atomic import write_bytes, write_json, write_text
from shared.reporting.html import template
from shared.task import Task
from shared.zero_shot.study import NAMES, describe_study, mean_in_words


def write_study(tree: Mapping[str, Any], task: Task, out: Path) -> None:
    """Writes the results of a study as `zero_shot.json`, `zero_shot.html` and `zero_shot.png`.

    Args:
        tree: Result of `shared.zero_shot.study.study`.
        task: The application.
        out: Folder for the three files.
    """
    write_json(out / "zero_shot.json", tree)
    picture = _picture(tree)
    write_bytes(out / "zero_shot.png", picture)
    page = template("zero_shot.html").render(
        name="Zero-shot",
        title=task.title,
        disclaimers=disclaimers(task, tree["synthetic"]),
        tree=tree,
        lines=list(describe_study(tree)),
        names=NAMES,
        mean_in_words=mean_in_words,
        picture=base64.b64encode(picture).decode(),
    )
    write_text(out / "zero_shot.html", page)


def _picture(tree: Mapping[str, Any]) -> bytes:
    """Draws the first trial as PNG: the seen-unseen curves, then the deciding attributes of up to three predictions."""
    from matplotlib.figure import Figure

    methods, names = tree["splits"][0]["methods"], _ascii_names(tree["said"])
    examples: list[Any] = next((one["examples"][:3] for one in methods.values() if one.get("examples")), [])
    figure = Figure(figsize=(4.2 * (1 + len(examples)), 3.6), layout="constrained")
    axes = figure.subplots(1, 1 + len(examples), squeeze=False)[0]
    for name, one in methods.items():
        axes[0].plot(*zip(*one["curve"], strict=True), label=f"{name}, area {one['area']:.2f}")
    axes[0].set(xlabel="seen classes, accuracy", ylabel="unseen classes, accuracy", title="calibrated stacking")
    axes[0].legend(fontsize=7)
    for axis, example in zip(axes[1:], examples, strict=True):
        _draw_example(axis, example, names)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=90)
    return stream.getvalue()


def _draw_example(axis: Any, example: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """Draws predicted and tabled values of the attributes that decided one prediction."""
    rows = example["attributes"][::-1]
    places = range(len(rows))
    axis.barh(places, [row["predicted"] for row in rows], color="0.7", label="predicted")
    label, answer, second = (names[example[key]] for key in ("label", "answer", "second"))
    axis.plot([row["answer"] for row in rows], places, "o", label=f"table, {answer}")
    axis.plot([row["second"] for row in rows], places, "x", label=f"table, {second}")
    axis.set_yticks(places, [row["name"] for row in rows], fontsize=7)
    axis.set_title(f"{label} taken for {answer}", fontsize=9)
    axis.legend(fontsize=7)


def _ascii_names(display_names: Mapping[str, str]) -> dict[str, str]:
    """Display names without Devanagari letters, which the font of figures lacks."""
    return {
        label: " ".join(word for word in words.split() if word.isascii()) or label
        for label, words in display_names.items()
    }
