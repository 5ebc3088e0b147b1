"""The command `crossval`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from shared.cli.arguments import ConfigArgument, OverridesArgument
from shared.cli.support import RUNS, make_folder, reported, settings_of
from shared.errors import UsageError
from shared.progress import progress_bars

if TYPE_CHECKING:
    from shared.config.schema import Config
    from shared.task import Task

DEFAULT_FOLDS = 5


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `crossval`, which cross-validates by folds or left-out domains, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command()
    def crossval(
        config: ConfigArgument = None,
        overrides: OverridesArgument = None,
        folds: Annotated[
            int | None,
            typer.Option(min=2, help=f"Number of folds; each is the test set once. Default: {DEFAULT_FOLDS}."),
        ] = None,
        repeats: Annotated[
            int, typer.Option(min=1, help="Repeats with another division into folds; with --leave-out, other seeds.")
        ] = 1,
        leave_out: Annotated[
            Literal["domain"] | None,
            typer.Option(
                help="Hold out one domain (scanner, collection) at a time in place of k folds; --folds is then refused."
            ),
        ] = None,
        out: Annotated[
            Path | None, typer.Option(help="Also write crossval.json and crossval.html into this folder.")
        ] = None,
    ) -> None:
        """Cross-validate by folds or left-out domains.

        A model is trained and tested for each fold of each repeat, or for each domain and seed. Images of one group
        (patient, writer) and copies of one picture stay together.
        """
        with reported(resumes=True):
            if leave_out is not None and folds is not None:
                raise UsageError(f"--folds {folds} and --leave-out both choose the test set; give one of them")
            settings = settings_of(config, overrides)
            make_folder(out)
            if leave_out is not None:
                tree, lines = _leave_domains_out(task, settings, repeats)
            else:
                tree, lines = _cross_validate(task, settings, folds or DEFAULT_FOLDS, repeats)
            for line in (*tree["disclaimers"], *lines):
                typer.echo(line)
            if out is not None:
                from shared.experiments.crossval_report import write_cross_validation, write_left_out

                write = write_cross_validation if leave_out is None else write_left_out
                write(task, tree, out)
                typer.echo(f"report: {out / 'crossval.html'}")


def _leave_domains_out(task: "Task", settings: "Config", seeds: int) -> tuple[dict[str, Any], list[str]]:
    """The results of leave-one-domain-out as plain data, and in lines."""
    from shared.experiments.leave_domain_out import leave_domains_out, leave_out_lines

    with progress_bars() as progress:
        tree = leave_domains_out(task, settings, seeds=seeds, root=RUNS, progress=progress)
    return tree, leave_out_lines(tree)


def _cross_validate(task: "Task", settings: "Config", folds: int, repeats: int) -> tuple[dict[str, Any], list[str]]:
    """The results of repeated k-fold cross-validation as plain data, and in lines."""
    from shared.experiments.crossval import cross_validate, cross_validation_lines

    with progress_bars() as progress:
        tree = cross_validate(task, settings, folds=folds, repeats=repeats, root=RUNS, progress=progress)
    return tree, cross_validation_lines(tree)
