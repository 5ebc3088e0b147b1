"""The commands that every application has. Nothing heavy is imported until a command runs.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner functions, whose help texts
are the task's own.
"""

import json
import logging
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.errors import MedtlError, UsageError
from shared.progress import progress_bars
from shared.sources import require_paths
from shared.strategies import strategy_names

if TYPE_CHECKING:
    from shared.config import Config
    from shared.predictor import Answer, Predictor, SliceAnswer
    from shared.progress import Progress
    from shared.samples import Dataset
    from shared.task import Task

RUNS = Path("runs")
ModelOption = Annotated[Path | None, typer.Option(help="A finished run; without it, the newest under runs/.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line for each input.")]
DataArgument = Annotated[Path, typer.Argument(metavar="DATA", help="A folder, zip or manifest.")]
AuditOption = Annotated[
    Path | None, typer.Option(help="Also write audit.json, pairs.csv and pairs.png into this folder.")
]
PredictionsOption = Annotated[Path | None, typer.Option(help="Also write predictions.jsonl into this folder.")]
EXIT_FAULT, EXIT_USAGE, EXIT_REFUSED = 1, 2, 3
SLICES_A_LINE = 4


def build_app(task: "Task", *, own: Collection[str] = ()) -> typer.Typer:
    """The application of a task, with the commands that all tasks share but for `own`, which it defines itself."""
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
            settings = _settings(config, [*(overrides or ()), *leaks])
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
        repeats: Annotated[int, typer.Option(min=1, help="How often all is divided anew.")] = 1,
        out: Annotated[Path | None, typer.Option(help="Also write crossval.json into this folder.")] = None,
    ) -> None:
        """Train and test by repeated k-fold cross-validation; groups and duplicates stay together."""
        from shared.artifacts import write_json
        from shared.crossval import cross_validate, in_words

        with reported():
            settings = _settings(config, overrides)
            make_folder(out)
            with progress_bars() as progress:
                tree = cross_validate(task, settings, folds=folds, repeats=repeats, root=RUNS, progress=progress)
            for line in (*tree["caveats"], *in_words(tree)):
                typer.echo(line)
            if out is not None:
                write_json(out / "crossval.json", tree)

    def predict(
        paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help=task.inputs_help)],
        model: ModelOption = None,
        as_json: JsonOption = False,
        out: PredictionsOption = None,
    ) -> None:
        """Judge inputs with a finished run. Exit 0: all assessed, or rejected; 3: one refused; 2: wrong usage."""
        with reported():
            refused = judge(task, paths, model, as_json, out)
        if refused:
            raise typer.Exit(EXIT_REFUSED)

    if "predict" not in own:
        app.command()(predict)

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
        """List every key of a configuration, its default and its meaning, those of each strategy too."""
        from shared.config import Config, describe
        from shared.strategies import find_strategy

        for key, default, meaning in describe(Config):
            if key == "data.options":
                default = json.dumps(task.default_options)
            if key != "strategy":
                typer.echo(f"{key} = {default}\n    {meaning}")
        for name in strategy_names():
            typer.echo(f"with strategy.name = {name}:")
            for key, default, meaning in describe(find_strategy(name).options, "strategy."):
                typer.echo(f"{key} = {default}\n    {meaning}")

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


def _settings(config: Path | None, overrides: list[str] | None) -> "Config":
    """The configuration of a file and the words over it; the first word may stand where the file would."""
    from shared.config import load_config

    words = list(overrides or [])
    if config is not None and "=" in str(config) and not config.exists():
        words.insert(0, str(config))
        config = None
    return load_config(config, words)


def judge(task: "Task", paths: list[Path], model: Path | None, as_json: bool, out: Path | None) -> bool:
    """Judges what was named and tells it; True where something was refused."""
    make_folder(out)
    predictor, opening = open_predictor(task, model)
    items = task.items(paths)
    for line in () if as_json else opening:
        typer.echo(line)
    lines, refused = [], False
    for item in items:
        answer = predictor.assess(item)
        refused |= answer.status == "refused"
        line = json.dumps(answer.to_json(task), ensure_ascii=False, allow_nan=False)
        line = line.encode("utf-8", "backslashreplace").decode()  # a file name need not be UTF-8; JSON knows \udcff
        typer.echo(line if as_json else in_words(answer, task))
        lines.append(line)
    write_predictions(out, lines)
    if not as_json:
        for caveat in task.caveats:
            typer.echo(caveat)
    return refused


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


def printable(name: str) -> str:
    """A file name without what would break a line or speak to the terminal: in an archive anything may stand."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in name)


def in_words(answer: "Answer", task: "Task") -> str:
    """An answer as a person reads it in a terminal."""
    name = printable(answer.input)
    if answer.status == "refused":
        return f"{name}: refused: {answer.reason}"
    probabilities = answer.probabilities or {}
    label = answer.label or ""
    told = f"{task.say(label)} ({probabilities[label]:.3f})"
    if answer.positive_probability is None:
        doubt = "rejected, likeliest class " if answer.decision == "rejected" else ""
        top = ", ".join(f"{task.say(name)} {value:.3f}" for name, value in answer.likeliest())
        lines = [f"{name}: {doubt}{told}", f"  likeliest: {top}"]
    else:
        value, certified = answer.positive_probability, answer.certified_sensitivity
        known = "none" if certified is None else f"{certified:.2f}"
        lines = [
            f"{name}: {answer.decision}, likeliest class {told}",
            f"  {task.positive_name} probability {value:.3f}, positive from {answer.threshold:.3f}; "
            f"sensitivity certified at this threshold: {known}",
        ]
    if len(answer.slices) > 1:
        lines += _slices_in_words(answer, task)
    lines += [f"  note: {note}" for note in answer.notes]
    return "\n".join(lines)


def _slices_in_words(answer: "Answer", task: "Task") -> list[str]:
    """A heading, then some slices a line."""
    if answer.positive_probability is None:
        heading = "number, probability (? where rejected) and name of the likeliest class"
    else:
        heading = f"number, {task.positive_name} probability (+ where positive), likeliest class"
    words = [_slice_in_words(one, task) for one in answer.slices]
    width = max(map(len, words))
    rows = [words[start : start + SLICES_A_LINE] for start in range(0, len(words), SLICES_A_LINE)]
    return [f"  by slice: {heading}", *("    " + "  ".join(word.ljust(width) for word in row).rstrip() for row in rows)]


def _slice_in_words(one: "SliceAnswer", task: "Task") -> str:
    if one.positive_probability is None:
        mark = "?" if one.decision == "rejected" else " "
        return f"{one.number:3d} {one.probabilities[one.label]:.2f}{mark} {task.say(one.label)}"
    mark = "+" if one.decision == "positive" else " "
    return f"{one.number:3d} {one.positive_probability:.2f}{mark} {task.say(one.label)}"


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
