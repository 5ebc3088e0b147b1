"""What a comparison leaves in its folder: `compare.json`, `.csv`, `.tex`, and an HTML page that stands alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.experiments.comparison.figures import learning_curves, pareto_plot
from shared.experiments.comparison.text import NOTES, as_csv, as_latex, failures_of, headings, lines_of
from shared.io.atomic import write_json, write_text
from shared.reporting.html import template


def write_comparison(tree: Mapping[str, Any], title: str, folder: Path) -> None:
    """Writes all four files.

    Args:
        tree: As `shared.experiments.comparison.run.run_comparison` gives it.
        title: Of the application.
        folder: Of the comparison.
    """
    write_json(folder / "compare.json", tree)
    write_text(folder / "compare.csv", as_csv(tree))
    write_text(folder / "compare.tex", as_latex(tree))
    page = template("compare.html")
    html = page.render(
        name=tree["name"],
        title=title,
        caveats=tree["caveats"],
        headings=headings(tree),
        lines=lines_of(tree),
        best=[row["best"] for row in tree["rows"]],
        starts=_starts(tree),
        reading=NOTES,
        notes=tree["notes"],
        failures=failures_of(tree),
        published=tree["published"],
        pareto=pareto_plot(tree),
        curves=learning_curves(tree),
        runs=[run for row in tree["rows"] for run in row["runs"].values()],
    )
    write_text(folder / "compare.html", html)


def _starts(tree: Mapping[str, Any]) -> list[bool]:
    """For each row whether another label budget begins with it."""
    budgets = [row["labels_per_class"] for row in tree["rows"]]
    return [place > 0 and budget != budgets[place - 1] for place, budget in enumerate(budgets)]
