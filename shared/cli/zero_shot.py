"""The command `zero-shot`: the same in every application but for what is known of its classes.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from shared.cli.arguments import ConfigArgument, OverridesArgument, find_run
from shared.cli.help import Topic, examples
from shared.cli.support import RUNS, make_folder, reported, settings_of, takes_names
from shared.errors import UsageError
from shared.progress import progress_bars

if TYPE_CHECKING:
    from shared.config.schema import Config
    from shared.progress import Progress
    from shared.task import Task
    from shared.zero_shot.features import SideInformation, StudyData

    Trials: TypeAlias = Iterable[tuple[StudyData, Sequence[str]]]

Knowledge = Callable[[], "SideInformation"]
"""Gives what the application knows of its classes; called when the command runs."""
ALL_METHODS = "all"
DRAWS, DIVISIONS = 5, 1


@dataclass(frozen=True)
class Question:
    """Which classes are unseen, and how often that is tried.

    Attributes:
        unseen: Names of the unseen classes; empty: they are drawn.
        draw: Number of classes to draw.
        seeds: Number of draws, or of divisions of the data where the classes are named.
        model: Folder of a finished run that gives the features; None: the configuration's backbone.
    """

    unseen: tuple[str, ...]
    draw: int
    seeds: int
    model: Path | None


def add_zero_shot(app: typer.Typer, task: "Task", knowledge: Knowledge) -> None:
    """Adds the command `zero-shot`, which recognises classes without training images, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
        knowledge: Returns what the application knows of its classes; called when names of methods are listed, and when
            the command runs.
    """

    def methods_here() -> Sequence[str]:
        from shared.zero_shot.study import parse_methods

        return parse_methods(ALL_METHODS, knowledge())

    @app.command(
        rich_help_panel=Topic.MEASURE,
        epilog=examples(
            task,
            "zero-shot data.source={data} --draw 1",
            "zero-shot data.source={data} --draw 2 --seeds 10 --out unseen",
        ),
    )
    @takes_names(methods=methods_here)
    def zero_shot(
        config: ConfigArgument = None,
        overrides: OverridesArgument = None,
        unseen: Annotated[
            str | None, typer.Option(metavar="A,B,...", help="Classes of which no image is used in training.")
        ] = None,
        draw: Annotated[
            int | None, typer.Option(min=1, help="In place of --unseen: number of classes to draw at random.")
        ] = None,
        seeds: Annotated[
            int | None,
            typer.Option(
                min=1,
                help=f"Number of trials: with --draw other classes are drawn in each (default {DRAWS}), with --unseen "
                f"the data are split anew (default {DIVISIONS}).",
            ),
        ] = None,
        model: Annotated[
            Path | None,
            typer.Option(
                metavar="RUN",
                callback=find_run,
                help="Take the features of this finished run in place of a configured backbone. Classes that it was "
                "trained on cannot be unseen.",
            ),
        ] = None,
        methods: Annotated[
            str,
            typer.Option(metavar="A,B,...", help=f"Zero-shot methods; `{task.name} options zero-shot` lists them."),
        ] = ALL_METHODS,
        out: Annotated[
            Path | None, typer.Option(help="Also write zero_shot.json, .html and .png into this folder.")
        ] = None,
    ) -> None:
        """Recognise classes without training images.

        Zero-shot classification from attributes of the classes, compared with chance and with shuffled attributes.
        Regularisation and calibration are chosen on seen classes that are held out; the test set is used once.
        """
        with reported():
            if (unseen is None) == (draw is None):
                raise UsageError("give --unseen with names, or --draw with a number of classes; one of them")
            settings = settings_of(config, overrides)
            _check_model(settings, model)
            make_folder(out)
            names = tuple(task.canonical(name) for name in unseen.split(",")) if unseen is not None else ()
            question = Question(names, draw or 0, seeds or (DIVISIONS if names else DRAWS), model)
            tree = _study(task, settings, knowledge(), question, methods)
            _show(task, tree, out)


def _check_model(config: "Config", model: Path | None) -> None:
    """Refuses a configured backbone, or preprocessing, together with a run that takes their place.

    Raises:
        UsageError: The configuration names a backbone or preprocessing, and a run is given.
    """
    stated = {
        "backbone": config.model_fields_set,
        "data.options": {f"data.{key}" for key in config.data.model_fields_set},
    }
    idle = [key for key, keys in stated.items() if key in keys]
    if model is not None and idle:
        raise UsageError(f"--model and the configuration's {idle[0]} both say how features are made; give one of them")


def _study(
    task: "Task", config: "Config", known: "SideInformation", question: Question, methods: str
) -> dict[str, Any]:
    """Tries every method in every trial; plain data."""
    from shared.pipeline.preflight import preflight
    from shared.zero_shot.features import extract_study_data, extractor_of, repeated_splits
    from shared.zero_shot.study import draw_classes, parse_methods, study

    names = parse_methods(methods, known)
    experiment = preflight(task, config)
    extractor = extractor_of(experiment, question.model)

    def trials(progress: "Progress") -> "Trials":
        if question.unseen:
            extractor.check_unseen(question.unseen)
            return repeated_splits(
                experiment, known, extractor, question.unseen, question.seeds, root=RUNS, progress=progress
            )
        data = extract_study_data(experiment, known, extractor, root=RUNS, progress=progress)
        among = [name for name in data.classes if name not in extractor.learnt]
        return ((data, draw_classes(among, question.draw, seed)) for seed in range(question.seeds))

    with progress_bars() as progress:
        return study(task, known, trials(progress), names, progress)


def _show(task: "Task", tree: dict[str, Any], out: Path | None) -> None:
    """Prints the results and writes them into the folder, if one was named."""
    from shared.evaluation.text import disclaimers
    from shared.zero_shot.report import write_study
    from shared.zero_shot.study import describe_study

    for line in (*disclaimers(task, tree["synthetic"]), *describe_study(tree)):
        typer.echo(line)
    if out is not None:
        write_study(tree, task, out)
        typer.echo(f"report: {out / 'zero_shot.html'}")
