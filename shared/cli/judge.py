"""Classifies inputs by a finished run and prints the answers, as lines or JSON: the part of `predict` and `explain`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import typer

from shared.cli.support import RUNS, Writes, exit_code, json_line, make_folder, shown_name, write_predictions
from shared.errors import UsageError
from shared.prediction.text import acceptance, answer_text
from shared.prediction.tracked import tracked
from shared.progress import progress_bars

if TYPE_CHECKING:
    from shared.prediction.answer import Answer
    from shared.prediction.predictor import Predictor
    from shared.progress import Progress
    from shared.reporting.explainer import Explainer, Explanation
    from shared.runs.record import ModelRecord
    from shared.task import Item, Task

OnAnswer: TypeAlias = "Callable[[Item, Answer, ModelRecord, Sequence[Explanation]], tuple[dict[str, Any], list[str]]]"
"""Takes one answer; gives plain data to add to its JSON, and lines for a person."""


@dataclass(frozen=True)
class Request:
    """Inputs to classify, and how the answers are given.

    Attributes:
        paths: Files, folders and archives.
        model: A finished run, by its folder or its name under `RUNS`; None: the default, or the only one there is.
        as_json: Whether to print one JSON object a line for each input.
        out: Folder for `predictions.jsonl` and attribution maps, or None.
        explaining: Options of `shared.reporting.explainer.Explainer`; None: answers are not explained.
    """

    paths: Sequence[Path]
    model: Path | None = None
    as_json: bool = False
    out: Path | None = None
    explaining: Mapping[str, Any] | None = None


def open_predictor(
    task: Task, model: Path | None, *, explicit: bool = False, released: bool = True
) -> tuple[Predictor, list[str]]:
    """Opens the run that answers, and writes the lines that say which run it is.

    Args:
        task: The application.
        model: A finished run, by its folder or its name under `RUNS`; None: the default of the application, or the only
            finished run under `RUNS`.
        explicit: Whether a person must have chosen the run, by its name or as the default.
        released: Whether a released model that nobody chose may answer where there is no run.

    Returns:
        The predictor, and lines to print: the folder of the run; what it is fit for; when and on what it was trained;
        and, where it rejects answers of low probability, from which probability it accepts them.

    Raises:
        UsageError: There is no such run, or it is open which of several is meant.
        RunError: The run is unfinished or damaged, or of another application.
    """
    from shared.prediction.predictor import Predictor
    from shared.runs.chosen import choose_run

    chosen = choose_run(RUNS, task.name, model, explicit=explicit, released=released)
    predictor = Predictor(chosen.folder, task.name, task.preprocess, chosen_among=chosen.chosen_among)
    lines = [
        f"model: {shown_name(chosen.folder)}" + (f" ({chosen.why}; another by --model)" if chosen.why else ""),
        f"fit for: {predictor.verdict}",
        predictor.provenance.words,
    ]
    if predictor.record.rejection is not None:
        lines.append(f"accepted from a probability of {predictor.record.threshold:.4f}: {acceptance(predictor.record)}")
    return predictor, lines


def judge(task: Task, request: Request, on_answer: OnAnswer | None = None) -> int:
    """Classifies the inputs of a request, and prints the answers.

    Args:
        task: The application.
        request: The inputs, the model and the options of the output.
        on_answer: Called with (item, answer, record of the model, explanations) for each answer; returns plain data to
            add to its JSON, and lines to print for a person.

    Returns:
        The exit code: 3 where an input was refused, else 4 where one was not assessed or not decided, else 0.

    Raises:
        UsageError: There is no folder for explanations, or no input or run of that name.
    """
    out, as_json = request.out, request.as_json
    if request.explaining is not None and out is None:
        raise UsageError("--explain writes pictures; name a folder for them with --out")
    predictor, opening = open_predictor(task, request.model)
    items = task.read_inputs(request.paths)
    lines, statuses, writes = list[str](), set[str](), Writes()
    with progress_bars() as progress:
        explainer = _explainer(task, predictor, request, progress)
        make_folder(out)
        for line in () if as_json else opening:
            typer.echo(line)
        for item in tracked(items, request.paths, progress):
            answer = predictor.assess(item)
            statuses.add(answer.status)
            tree = answer.to_json(task)
            if not as_json:
                typer.echo(answer_text(answer, task))
            more, words = writes.call(_written, task, item, answer, predictor.record, explainer, on_answer) or ({}, [])
            lines.append(json_line(tree | more))
            for line in [lines[-1]] if as_json else words:
                typer.echo(line)
    writes.call(write_predictions, out, lines)
    if not as_json:
        for disclaimer in task.disclaimers:
            typer.echo(disclaimer)
        if explainer is not None:
            typer.echo("Attributions show which pixels moved the score; they are no localisation.")
    writes.check()
    return exit_code(statuses)


def _written(
    task: Task,
    item: Item,
    answer: Answer,
    record: ModelRecord,
    explainer: Explainer | None,
    on_answer: OnAnswer | None,
) -> tuple[dict[str, Any], list[str]]:
    """Writes what belongs to one answer; returns data to add to its JSON, and lines for a person."""
    tree: dict[str, Any] = {}
    words, found = list[str](), list["Explanation"]()
    if explainer is not None:
        found = explainer.explain(item, answer)
        tree["explanations"] = [one.to_json() for one in found]
        words += [one.line(task) for one in found]
    if on_answer is not None:
        more, said = on_answer(item, answer, record, found)
        tree, words = tree | more, words + said
    return tree, words


def _explainer(task: Task, predictor: Predictor, request: Request, progress: Progress) -> Explainer | None:
    if request.explaining is None or request.out is None:
        return None
    from shared.reporting.explainer import Explainer

    return Explainer(task, predictor.run, request.out, progress=progress, **request.explaining)
