"""The command `models`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from shared.cli.support import RUNS, reported, shown_name

if TYPE_CHECKING:
    from shared.runs.listing import FinishedRun
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `models`, which lists the models that can answer, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command()
    def models() -> None:
        """List the models that can answer.

        Those that come with the package, then the finished runs directly under runs/, the one trained last first: what
        each is fit for, its data, classes, backbone, and the first measure of its test with the 95% interval; of the
        package also sizes and licences. An asterisk marks the default, which `use` chooses. What is unfinished or
        damaged is listed last.
        """
        with reported():
            from shared.errors import RunError
            from shared.runs.chosen import default_run
            from shared.runs.listing import list_runs, read_run
            from shared.runs.released import list_released
            from shared.runs.siblings import restated_among_siblings

            try:
                default, fault = default_run(RUNS, task.name), None
            except RunError as error:
                default, fault = None, str(error)
            come, runs = list_released(task.name), list_runs(RUNS, task.name)
            shown = [*come.finished, *runs.finished]
            if default is not None and default.resolve() not in {run.folder.resolve() for run in shown}:
                shown.insert(0, read_run(default))  # one that lies elsewhere
            for run in restated_among_siblings(shown, RUNS):
                for line in _lines(run, default):
                    typer.echo(line)
            for broken in (*come.faulty, *runs.faulty):
                typer.echo(f"! {broken.reason}")
            if fault is not None:
                typer.echo(f"! {fault}")
            elif not shown:
                typer.echo(f"no finished {task.name} run under {RUNS}/; train one: `{task.name} train`")
            elif default is None:
                typer.echo(_without_default(task.name))


def _without_default(task: str) -> str:
    """Says which model answers where none was chosen, or that one must be."""
    from shared.errors import UsageError
    from shared.runs.chosen import choose_run

    try:
        answers = choose_run(RUNS, task, None)
    except UsageError:
        return f"no default is chosen; choose one: `{task} use RUN`"
    return f"{shown_name(answers.folder)} answers: {answers.why}; `{task} use RUN` chooses another"


def _lines(run: "FinishedRun", default: Path | None) -> list[str]:
    """What is listed of one run: its name, and below what it is fit for, what it is and how it was tested."""
    is_default = default is not None and run.folder.resolve() == default.resolve()
    name = shown_name(run.folder) if is_default else run.folder.name
    fit_for, headline = _test(run)
    return [
        f"{'*' if is_default else ' '} {name}{' (default)' if is_default else ''}",
        f"    fit for: {fit_for}",
        f"    {run.provenance.words}",
        f"    {run.record.backbone.get('name', 'unknown')}, {headline}",
        *(_release(run.folder) if run.provenance.released else ()),
    ]


def _release(folder: Path) -> list[str]:
    """Size and licences of a model that comes with the package."""
    from shared.errors import RunError
    from shared.runs.released import Release, released_bytes

    try:
        licences = "; ".join(Release.read(folder).licences)
    except RunError as error:
        licences = str(error)
    return [f"    {released_bytes(folder) / 1e6:.1f} MB; licences: {licences}"]


def _test(run: "FinishedRun") -> tuple[str, str]:
    """What the run is fit for, and the first measure of its test that a summary shows, with its 95% interval."""
    from shared.errors import RunError
    from shared.evaluation.measure import Table, measures_in
    from shared.evaluation.text import measure_text
    from shared.io.atomic import read_json
    from shared.runs.verdict import read_verdict

    try:
        fit_for = read_verdict(run.folder, run.record).short
        test = read_json(run.folder / "report.json").get("test") or {}
    except RunError:
        return "not known", "its report is missing or damaged"
    for measure in measures_in(Table.SUMMARY):
        if measure.key in test:
            return fit_for, f"{measure.heading} on its test {measure_text(test[measure.key])}"
    return fit_for, "not tested"
