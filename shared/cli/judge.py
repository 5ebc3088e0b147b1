"""Classifies inputs by a finished run and prints the answers, as lines or JSON: the part of `predict` and `explain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from shared.api import Application
from shared.api.answers import json_line
from shared.cli.support import exit_code, show
from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.api.answers import Extend, Judged
    from shared.api.arguments import AnyPath
    from shared.api.run import Run
    from shared.task import Task


@dataclass(frozen=True)
class Request:
    """Inputs to classify, and how the answers are given.

    Attributes:
        paths: Files, folders and archives.
        model: A finished run, by its folder or its name under `RUNS`; None: the default, or the only one there is.
        as_json: Whether to print one JSON object a line for each input.
        out: Folder for `predictions.jsonl` and attribution maps, or None.
        explaining: Options of `shared.api.run.Run.explain`; None: answers are not explained.
        names: What answers say in place of some folders; None: all are named.
        provider: What runs the network, as `shared.api.run.Run.on` takes it.
    """

    paths: Sequence[Path]
    model: Path | None = None
    as_json: bool = False
    out: Path | None = None
    explaining: Mapping[str, Any] | None = None
    names: Mapping[AnyPath, str] | None = None
    provider: str = "cpu"


def check_paths(task: Task, paths: Sequence[Path]) -> None:
    """Checks that something is named to classify.

    Args:
        task: The application, which says what may be named.
        paths: What is named.

    Raises:
        UsageError: Nothing is.
    """
    if not paths:
        raise UsageError(f"PATH... is missing: {task.inputs_help}")


def judge(task: Task, request: Request, extend: Extend | None = None, run: Run | None = None) -> int:
    """Classifies the inputs of a request, and prints the answers.

    Args:
        task: The application.
        request: The inputs, the model and the options of the output.
        extend: Called with (item, answer, record of the model, explanations) for each answer; returns plain data to
            add to its JSON, and lines to print for a person.
        run: The run, where it is open already; None: that of `request.model`.

    Returns:
        The exit code: 3 where an input was refused, else 4 where one was not assessed or not decided, else 0.

    Raises:
        UsageError: There is no folder for explanations, or no input or run of that name.
    """
    if request.explaining is not None and request.out is None:
        raise UsageError("--explain writes pictures; name a folder for them with --out")
    run = (run or Application(task).load_run(request.model)).on(request.provider)
    printed = Printed(run.introduction, as_json=request.as_json)

    def each(judged: Judged) -> None:
        printed.add(json_line(judged.to_json(task)) if request.as_json else judged.text(task))

    common: dict[str, Any] = {"extend": extend, "each": each, "names": request.names}
    if request.explaining is None or request.out is None:
        answers = run.predict(request.paths, out=request.out, **common)
    else:
        answers = run.explain(request.paths, out=request.out, **request.explaining, **common)
    closing = list(task.disclaimers)
    if request.explaining is not None:
        closing.append("Attributions show which pixels moved the score; they are no localisation.")
    printed.end(closing)
    return exit_code({answer.status for answer in answers})


class Printed:
    """Prints answers as they come, below the lines that say which run gives them.

    Args:
        opening: Lines that stand before the first answer.
        as_json: Whether answers are JSON, beside which nothing is printed.
    """

    def __init__(self, opening: Sequence[str], *, as_json: bool) -> None:
        self._opening, self._as_json = opening, as_json

    def add(self, answer: str) -> None:
        """Prints an answer."""
        self._open()
        typer.echo(answer)

    def end(self, closing: Sequence[str]) -> None:
        """Prints the lines that stand below the last answer."""
        self._open()
        if not self._as_json:
            show(closing)

    def _open(self) -> None:
        if not self._as_json:
            show(self._opening)
        self._opening = ()
