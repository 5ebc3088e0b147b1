"""Views in a notebook: a run, its answers, an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.api.answers import Answers
    from shared.api.evaluating import Evaluation
    from shared.api.run import Run


def answers_html(answers: Answers) -> str:
    """Shows answers."""
    return f"<pre>{answers!r}</pre>"


def run_html(run: Run) -> str:
    """Shows a run."""
    return f"<pre>{run}</pre>"


def evaluation_html(found: Evaluation) -> str:
    """Shows an evaluation."""
    return f"<pre>{found}</pre>"
