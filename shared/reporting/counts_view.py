"""What a test means for those who are judged, in counts: the first sentences of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plural(unit: str) -> str:
    """Returns the plural of what a group of images is called: "patients", "series"."""
    return unit if unit.endswith("s") else f"{unit}s"


def view_text(test: Mapping[str, Any], unit: str, positive_name: str | None) -> str:
    """Writes in counts what the test means for those who are judged: patients where there are such groups, else images.

    Args:
        test: Measures of the test, as `shared.evaluation.evaluate.evaluate` gives them.
        unit: What a group of images is, in a word: "patient".
        positive_name: Name of the positive event; None: the task has none, and answers are accepted or rejected.

    Returns:
        One or two sentences; empty where the counts are not defined.
    """
    if positive_name is None:
        accepted, wrong = test.get("coverage", {}), test.get("selective_error", {})
        if accepted.get("successes") is None:
            return ""
        mistakes = "" if wrong.get("successes") is None else f" and is wrong in {wrong['successes']} of these"
        return f"Of {accepted['n']} test images the model accepts its answer on {accepted['successes']}{mistakes}."
    grouped = test.get("by_group", {})
    block, who = (grouped, plural(unit)) if grouped else (test, "images")
    found, cleared = block.get("sensitivity", {}), block.get("specificity", {})
    sentences = []
    if found.get("successes") is not None:
        missed = found["n"] - found["successes"]
        sentences.append(
            f"Of {found['n']} {who} with a {positive_name} in the test the model calls {found['successes']} positive "
            f"and misses {missed}."
        )
    if cleared.get("successes") is not None:
        alarms = cleared["n"] - cleared["successes"]
        sentences.append(f"Of {cleared['n']} {who} without a {positive_name} it calls {alarms} positive all the same.")
    return " ".join(sentences)
