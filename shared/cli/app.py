"""The commands that every application has. Nothing heavy is imported until a command runs.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner functions, whose help texts
are the task's own.
"""

import logging
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from shared.cli.judge import judge
from shared.cli.support import (
    EXIT_FAULT,
    EXIT_REFUSED,
    EXPLAINED,
    METHOD_NAMES,
    RUNS,
    AuditOption,
    ConfigArgument,
    DataArgument,
    JsonOption,
    ModelOption,
    WordsArgument,
    make_folder,
    reported,
    settings_of,
)
from shared.errors import UsageError
from shared.io.archives import require_paths
from shared.progress import progress_bars
from shared.strategies import strategy_names

if TYPE_CHECKING:
    from shared.progress import Progress
    from shared.samples import Dataset
    from shared.task import Task


def build_app(task: "Task", *, own: Collection[str] = ()) -> typer.Typer:
    """The application of a task, with the commands that all tasks share.

    Each application adds a `predict` of its own to it, for what goes into one differs.

    Args:
        task: The application.
        own: Of the shared commands those that it defines itself.
    """
    # plain help and no rich tracebacks: importing rich's markdown would double the time to the first line
    app = typer.Typer(
        name=task.name,
        help=task.title,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def common(
        verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more on standard error.")] = False,
    ) -> None:
        logging.basicConfig(
            stream=sys.stderr, level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s"
        )

    @app.command(epilog=f"Strategies: {', '.join(strategy_names())}. All keys: `{task.name} options`.")
    def train(
        config: ConfigArgument = None,
        overrides: WordsArgument = None,
        out: Annotated[Path | None, typer.Option(help="Run folder; without it, one under runs/.")] = None,
        drop_leaks: Annotated[bool, typer.Option("--drop-leaks", help="Test without copies: data.leaks=drop.")] = False,
        allow_leaks: Annotated[
            bool, typer.Option("--allow-leaks", help="Test on copies, and say so everywhere: data.leaks=allow.")
        ] = False,
    ) -> None:
        """Train a model and evaluate it; the same command again resumes what was interrupted."""
        from shared.pipeline.train import run

        with reported():
            if drop_leaks and allow_leaks:
                raise UsageError("--drop-leaks and --allow-leaks contradict each other; give one of them")
            leaks = ["data.leaks=drop"] * drop_leaks + ["data.leaks=allow"] * allow_leaks
            settings = settings_of(config, [*(overrides or ()), *leaks])
            with progress_bars() as progress:
                folder = run(task, settings, root=RUNS, out=out, progress=progress)
            show_summary(folder)

    @app.command()
    def crossval(
        config: ConfigArgument = None,
        overrides: WordsArgument = None,
        folds: Annotated[int, typer.Option(min=2, help="Each is the test once.")] = 5,
        repeats: Annotated[
            int, typer.Option(min=1, help="How often all is divided anew, or trained with another seed.")
        ] = 1,
        by: Annotated[
            Literal["fold", "domain"],
            typer.Option(help="What is the test once; domain: each scanner or collection, and --folds does not count."),
        ] = "fold",
        out: Annotated[Path | None, typer.Option(help="Also write crossval.json into this folder.")] = None,
    ) -> None:
        """Train and test by repeated k-fold or leave-one-domain-out; groups and duplicates stay together."""
        from shared.io.atomic import write_json

        with reported():
            settings = settings_of(config, overrides)
            make_folder(out)
            with progress_bars() as progress:
                if by == "domain":
                    from shared.experiments import leave_domain_out as left_out

                    tree = left_out.leave_domains_out(task, settings, seeds=repeats, root=RUNS, progress=progress)
                    lines = left_out.in_words(tree)
                else:
                    from shared.experiments import crossval as by_fold

                    tree = by_fold.cross_validate(
                        task, settings, folds=folds, repeats=repeats, root=RUNS, progress=progress
                    )
                    lines = by_fold.in_words(tree)
            for line in (*tree["disclaimers"], *lines):
                typer.echo(line)
            if out is not None:
                write_json(out / "crossval.json", tree)

    @app.command()
    def compare(
        comparison: Annotated[
            Path, typer.Argument(metavar="COMPARISON", help="A YAML file, as configs/*/compare.yaml.")
        ],
        overrides: Annotated[
            list[str] | None,
            typer.Argument(metavar="[KEY=VALUE]...", help="Over its base, for example data.source=x.zip"),
        ] = None,
        cluster: Annotated[
            str | None,
            typer.Option(metavar="ADDRESS", help="Train on a Ray cluster (auto, host:6379) with a shared file system."),
        ] = None,
    ) -> None:
        """Train and test backbones x strategies x label budgets x seeds; the same command resumes.

        What was found is printed and lies under runs/compare/<name>: compare.html, .json, .csv and .tex. A run that
        fails does not stop the others, is tried again the next time, and makes this one exit with 1.
        """
        from shared.experiments.comparison.plan import load_comparison

        with reported():
            plan = load_comparison(task, comparison, overrides or ())
            from shared.experiments.comparison.report import write_comparison
            from shared.experiments.comparison.run import FOLDER, run_comparison
            from shared.experiments.comparison.text import as_text

            workers = None
            if cluster is not None:
                from shared.processes.ray import RayWorkers

                workers = RayWorkers(cluster)
            folder = RUNS / FOLDER / plan.name
            make_folder(folder)
            with progress_bars() as progress:
                tree = run_comparison(task, plan, root=RUNS, progress=progress, workers=workers)
            write_comparison(tree, task.title, folder)
            for line in as_text(tree):
                typer.echo(line)
            typer.echo(f"report: {folder / 'compare.html'}")
            if any(row["failures"] for row in tree["rows"]):
                raise typer.Exit(EXIT_FAULT)

    @app.command()
    def advise(
        data: DataArgument,
        overrides: Annotated[
            list[str] | None,
            typer.Argument(metavar="[KEY=VALUE]...", help="Of data, seed, device or the side: backbone.size=96"),
        ] = None,
        weights: Annotated[
            list[Path] | None,
            typer.Option(
                help="A weights file, finished run or folder of files, beside MEDTL_WEIGHTS and torch's cache."
            ),
        ] = None,
        out: Annotated[
            Path | None, typer.Option(help="Also write advice.json and advised.yaml, for train, into this folder.")
        ] = None,
    ) -> None:
        """Measure which backbone, strategy, layer and rates to begin with on DATA; its test is not looked at."""
        from shared.experiments.advice.config import advised_settings

        with reported():
            require_paths([data], "a folder, zip or manifest")
            make_folder(out)
            from shared.experiments.advice.advise import advise as measure
            from shared.experiments.advice.text import as_text, as_yaml
            from shared.io.atomic import write_json, write_text

            settings = advised_settings(task, data, overrides or ())
            with progress_bars() as progress:
                tree, config = measure(task, settings, weights=weights or (), root=RUNS, progress=progress)
            for line in (*task.disclaimers, *as_text(tree, config)):
                typer.echo(line)
            if out is not None:
                write_json(out / "advice.json", tree)
                write_text(out / "advised.yaml", as_yaml(tree, config))
                typer.echo(f"next: {task.name} train {out / 'advised.yaml'}")

    @app.command()
    def explain(
        paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help=task.inputs_help)],
        model: ModelOption = None,
        method: Annotated[
            str | None,
            typer.Option(help=f"One of {', '.join(METHOD_NAMES)}; without it, occlusion."),
        ] = None,
        target: Annotated[
            str | None, typer.Option(metavar="CLASS", help="The class to explain; without it, that of the answer.")
        ] = None,
        slices: Annotated[int, typer.Option(min=1, help="Of a series, how many: those that weigh most.")] = 3,
        checks: Annotated[
            bool, typer.Option("--checks/--no-checks", help="Whether each map is checked, which takes seconds.")
        ] = True,
        as_json: JsonOption = False,
        out: Annotated[Path, typer.Option(help="Folder for pictures, raw maps and predictions.jsonl.")] = EXPLAINED,
    ) -> None:
        """Judge inputs and show which pixels moved the score, with checks of each map. Exit codes as of predict."""
        with reported():
            wanted = {"method": method, "target": target, "slices": slices, "checks": checks}
            code = judge(task, paths, model, as_json, out, wanted)
        raise typer.Exit(code)

    @app.command()
    def evaluate(
        run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
        data: Annotated[
            Path | None, typer.Argument(metavar="[DATA]", help="Labelled data; without it, the run's own test.")
        ] = None,
        prevalence: Annotated[
            float | None, typer.Option(min=1e-6, max=0.999999, help="At which PPV and NPV are given too.")
        ] = None,
        miss_cost: Annotated[float, typer.Option(min=1e-6, help="What a miss costs, in false alarms.")] = 1.0,
        known_only: Annotated[
            bool, typer.Option("--known-only", help="Leave out images of classes that the run does not know.")
        ] = False,
        versus: Annotated[
            Path | None, typer.Option(help="Another run, compared on the test images that both share.")
        ] = None,
        out: Annotated[Path | None, typer.Option(help="Also write evaluation.json into this folder.")] = None,
    ) -> None:
        """Evaluate a run at its own threshold on other data; images that it was trained on are left out."""
        with reported():
            _evaluate(task, run, data, out, prevalence, miss_cost, known_only, versus)

    @app.command()
    def report(run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")]) -> None:
        """Print the main results of a run, and where its report is."""
        from shared.runs.folder import check_finished

        with reported():
            check_finished(run)
            show_summary(run)

    def audit(data: DataArgument, out: AuditOption = None) -> None:
        """Look for duplicates, contradicting labels and damaged images. Exit 3: training would refuse the data."""
        with reported():
            refused = audit_data(task, data, out)
        if refused:
            raise typer.Exit(EXIT_REFUSED)

    if "audit" not in own:
        app.command()(audit)

    @app.command()
    def options() -> None:
        """List every key of a configuration, of each strategy and of a comparison, its default and its meaning."""
        from shared.cli.options import option_lines

        for line in option_lines(task):
            typer.echo(line)

    @app.command()
    def backbones() -> None:
        """List the backbones, their stages and where their weights come from."""
        from shared.models.backbones.record import BACKBONES

        with reported():
            task.register_backbones()
            for name in BACKBONES:
                record = BACKBONES.get(name)
                typer.echo(
                    f"{name}: {record.channels} channel(s), {record.input_size} px, {record.licence}, {record.source}"
                )
                typer.echo(f"    stages {' '.join(record.stages)}; default code {record.default_layer}")

    return app


def _evaluate(
    task: "Task",
    run: Path,
    data: Path | None,
    out: Path | None,
    prevalence: float | None,
    miss_cost: float,
    known_only: bool,
    versus: Path | None,
) -> None:
    from shared.io.atomic import read_json, write_json
    from shared.runs.folder import check_finished

    if data is not None and versus is not None:
        raise UsageError("--versus compares on the test of the runs; give it without DATA")
    if data is not None:
        require_paths([data], "a folder, zip or manifest")
    check_finished(run)
    make_folder(out)
    if data is None:
        if prevalence is not None or miss_cost != 1.0 or known_only:
            raise UsageError("--prevalence, --miss-cost and --known-only need DATA; they are about other data")
        tree = read_json(run / "report.json")
    else:
        from shared.evaluation.measures import UsageContext
        from shared.prediction.external import assess_data

        stakes = UsageContext(prevalence, miss_cost)
        with progress_bars() as progress:
            tree = assess_data(task, run, data, stakes=stakes, progress=progress, known_only=known_only)
    if versus is not None:
        from shared.experiments.comparison.pairwise import compare_runs

        tree["versus"] = compare_runs(run, versus)
    for line in (*tree["summary"], *tree["notes"], *tree.get("versus", {}).get("summary", [])):
        typer.echo(line)
    if out is not None:
        write_json(out / "evaluation.json", tree)


def audit_data(
    task: "Task",
    data: Path,
    out: Path | None,
    also: "Callable[[Dataset, Path | None, Progress], list[str]] | None" = None,
) -> bool:
    """Looks for faults of a dataset and tells them; True where training would refuse it.

    Args:
        task: The application.
        data: A folder, zip or manifest.
        out: Folder for tables, if any.
        also: Whatever else the application looks for: writes its own files into `out` and gives the lines to print.
    """
    from shared.data.partition import audited
    from shared.prediction.text import printable
    from shared.reporting import audit_report

    require_paths([data], "a folder, zip or manifest")
    make_folder(out)
    dataset = task.load(data, options=task.default_options)
    if dataset.synthetic:
        typer.echo("Synthetic data: these images were made by a program.")
    with progress_bars() as progress:
        result = audited(task, dataset, progress)
        more = also(dataset, out, progress) if also else []
    tree = audit_report.findings(dataset, result)
    for line in (*dataset.notes, *audit_report.in_words(tree), *more):
        typer.echo(printable(line))
    if out is not None:
        audit_report.write_audit(task, dataset, result, tree, out)
        typer.echo(f"written: {out}; its tables name files as they lie: keep them with the data")
    return bool(tree["refusals"])


def show_summary(run: Path) -> None:
    """Prints the main results of a finished run, and where its report is."""
    from shared.io.atomic import read_json

    for line in read_json(run / "report.json")["summary"]:
        typer.echo(line)
    typer.echo(f"report: {run / 'report.html'}")
