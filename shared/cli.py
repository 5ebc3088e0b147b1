"""The commands that every application has. Nothing heavy is imported until a command runs.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner functions, whose help texts
are the task's own.
"""

import json
import logging
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from shared.answer_words import in_words
from shared.errors import MedtlError, UsageError
from shared.progress import Lines, progress_bars
from shared.sources import require_paths
from shared.strategies import strategy_names

if TYPE_CHECKING:
    from shared.artifacts import ModelRecord
    from shared.config import Config
    from shared.explaining import Explainer, Explanation
    from shared.predictor import Answer, Predictor
    from shared.progress import Progress
    from shared.samples import Dataset
    from shared.task import Item, Task
    from shared.web.guard import Access
    from shared.web.uploads import UploadStore

    Serving = tuple[Access, Path, UploadStore]
    Further = Callable[[Item, Answer, ModelRecord, Sequence[Explanation]], tuple[dict[str, Any], list[str]]]
    """Takes one answer; gives plain data to add to its JSON, and lines for a person."""

RUNS, EXPLAINED = Path("runs"), Path("explained")
ModelOption = Annotated[Path | None, typer.Option(help="A finished run; without it, the newest under runs/.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line for each input.")]
DataArgument = Annotated[Path, typer.Argument(metavar="DATA", help="A folder, zip or manifest.")]
AuditOption = Annotated[
    Path | None, typer.Option(help="Also write audit.json, pairs.csv and pairs.png into this folder.")
]
PredictionsOption = Annotated[Path | None, typer.Option(help="Also write predictions.jsonl into this folder.")]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Also write checked attributions of each answer into --out; needs torch.")
]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0: any that is free.")]
HostOption = Annotated[
    str, typer.Option(help="Address to listen on; 0.0.0.0 is all of this machine, and then a token is needed.")
]
KeepOption = Annotated[
    float, typer.Option(min=1, max=10_080, metavar="MINUTES", help="Uploads are deleted so long after they came.")
]
EXIT_FAULT, EXIT_USAGE, EXIT_REFUSED, EXIT_NOT_ASSESSED = 1, 2, 3, 4
METHOD_NAMES = ("integrated-gradients", "gradient-shap", "occlusion", "grad-cam", "guided-grad-cam")
"""Those of `shared.explain`, which imports torch."""


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
        config: Annotated[
            Path | None, typer.Argument(metavar="[CONFIG]", help="A YAML file; without it, the defaults.")
        ] = None,
        overrides: Annotated[
            list[str] | None,
            typer.Argument(metavar="[KEY=VALUE]...", help="Over the file, for example seed=1 backbone.name=vgg16"),
        ] = None,
        out: Annotated[Path | None, typer.Option(help="Run folder; without it, one under runs/.")] = None,
        drop_leaks: Annotated[bool, typer.Option("--drop-leaks", help="Test without copies: data.leaks=drop.")] = False,
        allow_leaks: Annotated[
            bool, typer.Option("--allow-leaks", help="Test on copies, and say so everywhere: data.leaks=allow.")
        ] = False,
    ) -> None:
        """Train a model and evaluate it; the same command again resumes what was interrupted."""
        from shared.runner import run

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
        config: Annotated[
            Path | None, typer.Argument(metavar="[CONFIG]", help="A YAML file; without it, the defaults.")
        ] = None,
        overrides: Annotated[
            list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Over the file, for example seed=1")
        ] = None,
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
        from shared.artifacts import write_json

        with reported():
            settings = settings_of(config, overrides)
            make_folder(out)
            with progress_bars() as progress:
                if by == "domain":
                    from shared import left_out

                    tree = left_out.leave_domains_out(task, settings, seeds=repeats, root=RUNS, progress=progress)
                    lines = left_out.in_words(tree)
                else:
                    from shared import crossval as by_fold

                    tree = by_fold.cross_validate(
                        task, settings, folds=folds, repeats=repeats, root=RUNS, progress=progress
                    )
                    lines = by_fold.in_words(tree)
            for line in (*tree["caveats"], *lines):
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
        from shared.comparison import load_comparison

        with reported():
            plan = load_comparison(comparison, overrides or ())
            from shared.compare import FOLDER, run_comparison
            from shared.compare_report import write_comparison
            from shared.compare_words import as_text

            workers = None
            if cluster is not None:
                from shared.ray_workers import RayWorkers

                workers = RayWorkers(cluster)
            folder = RUNS / FOLDER / plan.name
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
        from shared.advised_settings import advised_settings

        with reported():
            require_paths([data], "a folder, zip or manifest")
            make_folder(out)
            from shared.advice_words import as_text, as_yaml
            from shared.advise import advise as measure
            from shared.artifacts import write_json, write_text

            settings = advised_settings(task, data, overrides or ())
            with progress_bars() as progress:
                tree, config = measure(task, settings, weights=weights or (), root=RUNS, progress=progress)
            for line in (*task.caveats, *as_text(tree, config)):
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
        from shared.artifacts import check_finished

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
        from shared.option_words import option_lines

        for line in option_lines(task):
            typer.echo(line)

    @app.command()
    def backbones() -> None:
        """List the backbones, their stages and where their weights come from."""
        from shared.backbones import BACKBONES

        with reported():
            task.register()
            for name in BACKBONES:
                record = BACKBONES.get(name)
                typer.echo(
                    f"{name}: {record.channels} channel(s), {record.input_size} px, {record.licence}, {record.source}"
                )
                typer.echo(f"    stages {' '.join(record.stages)}; default code {record.default_layer}")

    return app


def settings_of(config: Path | None, overrides: list[str] | None) -> "Config":
    """The configuration of a file and the words over it; the first word may stand where the file would."""
    from shared.config import load_config

    words = list(overrides or [])
    if config is not None and "=" in str(config) and not config.exists():
        words.insert(0, str(config))
        config = None
    return load_config(config, words)


def judge(
    task: "Task",
    paths: list[Path],
    model: Path | None,
    as_json: bool,
    out: Path | None,
    explaining: Mapping[str, Any] | None = None,
    further: "Further | None" = None,
) -> int:
    """Judges what was named and tells it; gives the exit code: refused before not assessed before 0.

    Args:
        task: The application.
        paths: What to judge.
        model: A finished run; None: the newest.
        as_json: Whether to tell one JSON object a line for each input.
        out: Folder for `predictions.jsonl`, or None.
        explaining: How answers are explained, the options of `shared.explaining.Explainer`; None: they are not.
        further: What the application does with each answer beside telling it.

    Raises:
        UsageError: There is nowhere to write explanations to, or nothing to judge or to judge with.
    """
    if explaining is not None and out is None:
        raise UsageError("--explain writes pictures; name a folder for them with --out")
    predictor, opening = open_predictor(task, model)
    items = task.items(paths)
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
        if further is not None:
            more, said = further(item, answer, predictor.record, found)
            tree, words = tree | more, words + said
        line = json_line(tree)
        typer.echo(line if as_json else "\n".join(words))
        lines.append(line)
    write_predictions(out, lines)
    if not as_json:
        for caveat in task.caveats:
            typer.echo(caveat)
        if explainer is not None:
            typer.echo("Attributions show which pixels moved the score; they are no localisation.")
    return exit_code(told)


def json_line(tree: Mapping[str, Any]) -> str:
    """One answer as a line of JSON."""
    line = json.dumps(tree, ensure_ascii=False, allow_nan=False)
    return line.encode("utf-8", "backslashreplace").decode()  # a file name need not be UTF-8; JSON knows \udcff


def exit_code(told: Collection[str]) -> int:
    """What all answers come to, from the `status` of each: refused before not assessed before 0."""
    return EXIT_REFUSED if "refused" in told else EXIT_NOT_ASSESSED if "not assessed" in told else 0


def _explainer(task: "Task", predictor: "Predictor", out: Path, explaining: Mapping[str, Any]) -> "Explainer":
    try:
        from shared.explaining import Explainer
    except ModuleNotFoundError as error:
        raise UsageError(f"explaining needs {error.name}; install it with: pip install 'medtl[train]'") from None
    # lines and no bars: answers are printed in between
    return Explainer(task, predictor.run, out, progress=Lines(), **explaining)


def open_predictor(task: "Task", model: Path | None) -> tuple["Predictor", list[str]]:
    """The run that is to answer, the newest where none was named, and the lines that say which it is."""
    from shared.artifacts import newest_run
    from shared.predictor import Predictor

    run = model or newest_run(RUNS, task.name)
    predictor = Predictor(run, task.name, task.preprocess)
    lines = [f"model: {run}" if model else f"model: {run} (the newest; another by --model)"]
    if (rejection := predictor.record.rejection) is not None:
        lines.append(f"accepted from a probability of {predictor.record.threshold:.4f}: {rejection['statement']}")
    return predictor, lines


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
    for line in (*lines, *task.caveats):
        typer.echo(line)
    return Access.of(host), predictor.run.resolve(), UploadStore(60 * keep_minutes)


def write_predictions(out: Path | None, lines: list[str]) -> None:
    """Writes `predictions.jsonl` into the folder, where one was named."""
    from shared.artifacts import write_text

    if out is not None:
        write_text(out / "predictions.jsonl", "".join(f"{line}\n" for line in lines))


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
    from shared.artifacts import check_finished, read_json, write_json

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
        from shared.assessment import assess_data
        from shared.evaluation import Stakes

        stakes = Stakes(prevalence, miss_cost)
        with progress_bars() as progress:
            tree = assess_data(task, run, data, stakes=stakes, progress=progress, known_only=known_only)
    if versus is not None:
        from shared.versus import compare_runs

        tree["versus"] = compare_runs(run, versus)
    for line in (*tree["summary"], *tree["notes"], *tree.get("versus", {}).get("summary", [])):
        typer.echo(line)
    if out is not None:
        write_json(out / "evaluation.json", tree)


def make_folder(out: Path | None) -> None:
    """Makes the folder for results before anything long begins."""
    if out is not None:
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is a file; name a folder for what is written")
        out.mkdir(parents=True, exist_ok=True)


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
    from shared import audit_report
    from shared.answer_words import printable
    from shared.division import audited

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
    from shared.artifacts import read_json

    for line in read_json(run / "report.json")["summary"]:
        typer.echo(line)
    typer.echo(f"report: {run / 'report.html'}")


@contextmanager
def reported() -> Iterator[None]:
    """Turns the engine's faults into one line on standard error and an exit code."""
    from shared.errors import ConfigError, UnknownNameError

    try:
        yield
    except (ConfigError, UnknownNameError, UsageError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_USAGE) from None
    except MedtlError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_FAULT) from None
    except BrokenPipeError:
        raise  # the reader of the output, such as `head`, has had enough: click ends in silence
    except OSError as error:
        typer.echo(f"error: {error.filename}: {error.strerror}; choose a place that can be written", err=True)
        raise typer.Exit(EXIT_USAGE) from None
    except KeyboardInterrupt:
        typer.echo("interrupted; the same command resumes it", err=True)
        raise typer.Exit(130) from None
