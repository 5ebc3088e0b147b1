"""Judging by a finished run on the command line: one answer after the other, as lines or JSON."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from shared.cli.support import RUNS, exit_code, json_line, make_folder, write_predictions
from shared.errors import UsageError
from shared.prediction.text import in_words
from shared.progress import Lines

if TYPE_CHECKING:
    from shared.prediction.answer import Answer
    from shared.prediction.predictor import Predictor
    from shared.reporting.explainer import Explainer, Explanation
    from shared.runs.record import ModelRecord
    from shared.task import Item, Task
    from shared.web.guard import Access
    from shared.web.uploads import UploadStore

    Serving = tuple[Access, Path, UploadStore]
    OnAnswer = Callable[[Item, Answer, ModelRecord, Sequence[Explanation]], tuple[dict[str, Any], list[str]]]
    """Takes one answer; gives plain data to add to its JSON, and lines for a person."""


def open_predictor(task: "Task", model: Path | None) -> tuple["Predictor", list[str]]:
    """The run that is to answer, the newest where none was named, and the lines that say which it is."""
    from shared.prediction.predictor import Predictor
    from shared.runs.folder import newest_run

    run = model or newest_run(RUNS, task.name)
    predictor = Predictor(run, task.name, task.preprocess)
    lines = [f"model: {run}" if model else f"model: {run} (the newest; another by --model)"]
    if (rejection := predictor.record.rejection) is not None:
        lines.append(f"accepted from a probability of {predictor.record.threshold:.4f}: {rejection['statement']}")
    return predictor, lines


def judge(
    task: "Task",
    paths: list[Path],
    model: Path | None,
    as_json: bool,
    out: Path | None,
    explaining: Mapping[str, Any] | None = None,
    on_answer: "OnAnswer | None" = None,
) -> int:
    """Judges what was named and tells it; gives the exit code: refused before not assessed before 0.

    Args:
        task: The application.
        paths: What to judge.
        model: A finished run; None: the newest.
        as_json: Whether to tell one JSON object a line for each input.
        out: Folder for `predictions.jsonl`, or None.
        explaining: Options of `shared.reporting.explainer.Explainer`; None: answers are not explained.
        on_answer: What the application does with each answer beside telling it.

    Raises:
        UsageError: There is nowhere to write explanations to, or nothing to judge or to judge with.
    """
    if explaining is not None and out is None:
        raise UsageError("--explain writes pictures; name a folder for them with --out")
    predictor, opening = open_predictor(task, model)
    items = task.read_inputs(paths)
    explainer = None if explaining is None or out is None else _explainer(task, predictor, out, explaining)
    make_folder(out)
    for line in () if as_json else opening:
        typer.echo(line)
    lines, told = [], set()
    for item in items:
        answer = predictor.assess(item)
        told.add(answer.status)
        tree, words, found = answer.to_json(task), [in_words(answer, task)], list["Explanation"]()
        if explainer is not None:
            found = explainer.explain(item, answer)
            tree["explanations"] = [one.to_json() for one in found]
            words += [one.in_words(task) for one in found]
        if on_answer is not None:
            more, said = on_answer(item, answer, predictor.record, found)
            tree, words = tree | more, words + said
        line = json_line(tree)
        typer.echo(line if as_json else "\n".join(words))
        lines.append(line)
    write_predictions(out, lines)
    if not as_json:
        for disclaimer in task.disclaimers:
            typer.echo(disclaimer)
        if explainer is not None:
            typer.echo("Attributions show which pixels moved the score; they are no localisation.")
    return exit_code(told)


def _explainer(task: "Task", predictor: "Predictor", out: Path, explaining: Mapping[str, Any]) -> "Explainer":
    try:
        from shared.reporting.explainer import Explainer
    except ModuleNotFoundError as error:
        raise UsageError(f"explaining needs {error.name}; install it with: pip install 'medtl[train]'") from None
    # lines and no bars: answers are printed in between
    return Explainer(task, predictor.run, out, progress=Lines(), **explaining)


def prepare_serving(task: "Task", model: Path | None, host: str, keep_minutes: float) -> "Serving":
    """What the pages of an application need: who may ask, the run that answers, and a place for uploads.

    Raises:
        UsageError: What they are made with is not installed, or the run or the place cannot be used.
    """
    from importlib.util import find_spec

    if lacking := [name for name in ("fastapi", "uvicorn", "python_multipart", "jinja2") if find_spec(name) is None]:
        raise UsageError(f"`serve` needs {' and '.join(lacking)}; install with: pip install 'medtl[serve]'")
    from shared.web.guard import Access
    from shared.web.uploads import UploadStore

    predictor, lines = open_predictor(task, model)  # here only to say at once what is wrong with the run
    for line in (*lines, *task.disclaimers):
        typer.echo(line)
    return Access.for_host(host), predictor.run.resolve(), UploadStore(60 * keep_minutes)
