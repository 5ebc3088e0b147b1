"""What `--help` shows beside options: the topic of a command, and examples of its use."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.task import Task


class Topic(StrEnum):
    """Headings under which `--help` lists commands, in this order; a command states its own as `rich_help_panel`."""

    USE = "Use"
    MEASURE = "Measure"
    TRAIN = "Train"
    DATA = "Data"
    SERVE = "Serve"


RAW = "\b\n"
"""Begins a paragraph that click shows as it is, not wrapped."""


def examples(task: Task, *calls: str, more: str = "") -> str:
    """Writes the end of a command's help: examples of calls.

    Args:
        task: The application, whose name opens each call.
        calls: What follows the name. `{task}` stands for it too, `{input}` for a file that the application
            classifies, `{data}` for labelled images, `{synthetic}` for the word that means its synthetic data.
        more: A sentence below them; empty: none.

    Returns:
        The text, for the `epilog` of a command.
    """
    names = {
        "task": task.name,
        "input": task.input_example,
        "data": task.data_example,
        "synthetic": task.synthetic_name,
    }
    lines = [f"  {task.name} {call.format(**names)}" for call in calls]
    return "\n".join([f"{RAW}Examples:", *lines]) + (f"\n\n{more}" if more else "")
