"""The command `evaluate`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.cli.arguments import RunArgument, find_run
from shared.cli.help import Topic, examples
from shared.cli.hooks import adds_options_of, no_options
from shared.cli.support import make_folder, reported, settings_on
from shared.errors import UsageError
from shared.io.archives import require_paths
from shared.progress import progress_bars

if TYPE_CHECKING:
    from shared.samples import Meanings
    from shared.task import Task

MEANINGS = ("data.classes", "data.folders_above")
"""Keys of a configuration that say what folders and labels mean."""


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `evaluate`, which evaluates a model on its test or on new data, to a command line.

    Its options on use (prevalence, costs) exist only where the application has a positive class.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """
    context = no_options if task.positive_name is None else _usage_context

    @app.command(
        rich_help_panel=Topic.MEASURE,
        epilog=examples(
            task,
            "evaluate pilot",
            "evaluate pilot {data} --out tests",
        ),
    )
    @adds_options_of(context)
    def evaluate(
        run: RunArgument,
        data: Annotated[
            Path | None, typer.Argument(metavar="[DATA]", help="Labelled images; without them, the run's own test set.")
        ] = None,
        overrides: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="[KEY=VALUE]...",
                help="What folders or labels of DATA mean that are not known, e.g. data.classes.pred=leave_out.",
            ),
        ] = None,
        known_only: Annotated[
            bool,
            typer.Option("--known-only", help="Leave out images of classes that the run does not know; needs DATA."),
        ] = False,
        versus: Annotated[
            Path | None,
            typer.Option(
                metavar="RUN", callback=find_run, help="Compare with this run on the test images that both share."
            ),
        ] = None,
        out: Annotated[Path | None, typer.Option(help="Also write evaluation.json into this folder.")] = None,
        **extra: Any,
    ) -> None:
        """Evaluate a model on its test or on new data.

        The threshold is that of the run. Images of DATA that the run was trained on are left out. The result is kept in
        the run, whose verdict names it from then on.
        """
        with reported():
            stated = context(**extra)
            _check(data, versus, known_only=known_only, stated=stated)
            make_folder(out)
            if data is None:
                tree = _own_test(run)
            else:
                meanings = settings_on(data, overrides, MEANINGS).data.meanings
                tree = _on_data(task, run, data, meanings, stated, known_only=known_only)
            if versus is not None:
                from shared.experiments.comparison.pairwise import compare_runs

                tree["versus"] = compare_runs(run, versus)
            for part in (tree, tree.get("versus", {})):
                for line in (*part.get("verdict", ()), *part.get("summary", ()), *part.get("notes", ())):
                    typer.echo(line)
            if out is not None:
                from shared.io.atomic import write_json

                write_json(out / "evaluation.json", tree)


def _usage_context(
    *,
    prevalence: Annotated[
        float | None,
        typer.Option(
            min=1e-6, max=0.999999, help="Also give PPV and NPV at this share of positive inputs; needs DATA."
        ),
    ] = None,
    miss_cost: Annotated[
        float | None,
        typer.Option(min=1e-6, help="Cost of a missed positive, in false alarms (1 without it); needs DATA."),
    ] = None,
) -> Mapping[str, float]:
    """The stated arguments of `shared.evaluation.measures.UsageContext`."""
    given = {"prevalence": prevalence, "miss_cost": miss_cost}
    return {name: value for name, value in given.items() if value is not None}


def _check(data: Path | None, versus: Path | None, *, known_only: bool, stated: Mapping[str, Any]) -> None:
    """Refuses options that could not act.

    Raises:
        UsageError: One of them is about data that were not given, or about the test set where data were given.
    """
    if data is not None:
        if versus is not None:
            raise UsageError("--versus compares on the test sets of the runs; give it without DATA")
        require_paths([data], "a folder, zip or manifest")
        return
    inert = [f"--{name.replace('_', '-')}" for name in stated] + ["--known-only"] * known_only
    if inert:
        raise UsageError(f"{' and '.join(inert)} need DATA; the run's own test set is not evaluated again")


def _own_test(run: Path) -> dict[str, Any]:
    """What the run's report says of its test set, with the verdict of today."""
    from shared.io.atomic import read_json
    from shared.runs.folder import check_finished
    from shared.runs.verdict import read_verdict

    check_finished(run)
    tree: dict[str, Any] = read_json(run / "report.json")
    return tree | {"verdict": list(read_verdict(run).lines)}


def _on_data(
    task: "Task", run: Path, data: Path, meanings: "Meanings", stated: Mapping[str, Any], *, known_only: bool
) -> dict[str, Any]:
    """The evaluation of the run on other data."""
    from shared.evaluation.cases import UsageContext
    from shared.prediction.external import assess_data
    from shared.runs.folder import check_finished

    check_finished(run)
    with progress_bars() as progress:
        tree = assess_data(
            task,
            run,
            data,
            usage=UsageContext(**stated),
            progress=progress,
            known_only=known_only,
            meanings=meanings,
        )
    tree["notes"].append(_keep(run, data, tree))
    return tree


def _keep(run: Path, data: Path, tree: Mapping[str, Any]) -> str:
    """Adds an evaluation on other data to the run; returns one sentence that says so, or why not."""
    from datetime import UTC, datetime

    from shared.runs.folder import is_released
    from shared.runs.outside_tests import OUTSIDE_TESTS, add_outside_test, kept_of

    if is_released(run):
        return "Not kept: the model comes with the package, which is read-only."
    if tree["data_hash"] is None:
        return "These are the data of the run: this is no outside test, and the run keeps nothing of it."
    counts = tree["coverage"]
    entry = {
        "data": data.name,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "synthetic": tree["synthetic"],
        "left_out": counts["seen_in_training"] + counts["group_seen_in_training"],
        "negative_series": tree["negative_series"],
        "test": kept_of(tree["test"]),
    }
    try:
        add_outside_test(run, tree["data_hash"], entry)
    except OSError as error:
        return f"Not kept in the run, which cannot be written ({type(error).__name__}): its verdict will not name it."
    return f"Kept in {run / OUTSIDE_TESTS}: the verdict on the run names this test from now on."
