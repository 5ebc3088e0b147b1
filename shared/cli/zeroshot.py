"""The commands `zeroshot` and `add-class`, the same in every application. Nothing heavy is imported until it runs.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.support import RUNS, ConfigArgument, WordsArgument, make_folder, reported, settings_of
from shared.errors import UsageError
from shared.progress import progress_bars

if TYPE_CHECKING:
    from shared.task import Task
    from shared.zero_shot.features import SideInformation


def add_zeroshot(app: typer.Typer, task: "Task", knowledge: "Callable[[], SideInformation]") -> None:
    """Adds the command to an application.

    Args:
        app: The application's commands.
        task: The application.
        knowledge: Gives what it knows of its classes; called when the command runs.
    """

    @app.command()
    def zeroshot(
        config: ConfigArgument = None,
        overrides: WordsArgument = None,
        unseen: Annotated[
            str | None, typer.Option(metavar="A,B,...", help="Classes of which no image is learnt from.")
        ] = None,
        draw: Annotated[
            int | None, typer.Option(min=1, help="In place of --unseen: so many classes, drawn at random.")
        ] = None,
        seeds: Annotated[
            int | None,
            typer.Option(
                min=1,
                help="With --draw how often they are drawn (5); with --unseen how often the data are divided (1).",
            ),
        ] = None,
        model: Annotated[
            Path | None,
            typer.Option(
                metavar="RUN",
                help="Codes of a finished run at its own layers, in place of the configuration's backbone. Classes "
                "that it learnt cannot be unseen.",
            ),
        ] = None,
        methods: Annotated[
            str, typer.Option(help="Of dap, eszsl, ale, devise, prototypes, separated by commas; or all.")
        ] = "all",
        out: Annotated[Path | None, typer.Option(help="Also write zero_shot.json, .html and .png here.")] = None,
    ) -> None:
        """Tell classes of which no image was seen, by attributes and by print, each beside chance and a random table.

        Strength and calibration are chosen on seen classes that are held out; the test is looked at once.
        """
        with reported():
            if (unseen is None) == (draw is None):
                raise UsageError("give --unseen with names, or --draw with a number of classes; one of them")
            settings = settings_of(config, overrides)
            make_folder(out)
            from shared.evaluation.text import disclaimers
            from shared.pipeline.preflight import preflight
            from shared.zero_shot.features import divisions, extractor_of, gather
            from shared.zero_shot.report import write_study
            from shared.zero_shot.study import chosen_methods, draw_classes, in_words, study

            known = knowledge()
            names = chosen_methods(methods, known)
            experiment = preflight(task, settings)
            extractor = extractor_of(experiment, model)
            with progress_bars() as progress:
                if unseen is not None:
                    wanted = tuple(task.canonical(name) for name in unseen.split(","))
                    extractor.check_unseen(wanted)
                    trials = divisions(experiment, known, extractor, wanted, seeds or 1, root=RUNS, progress=progress)
                else:
                    data = gather(experiment, known, extractor, root=RUNS, progress=progress)
                    among = [name for name in data.classes if name not in extractor.learnt]
                    trials = ((data, draw_classes(among, draw or 1, seed)) for seed in range(seeds or 5))
                tree = study(task, known, trials, names, progress)
            for line in (*disclaimers(task, tree["synthetic"]), *in_words(tree)):
                typer.echo(line)
            if out is not None:
                write_study(tree, task, out)
                typer.echo(f"report: {out / 'zero_shot.html'}")


def add_add_class(app: typer.Typer, task: "Task") -> None:
    """Adds the command `add-class` to an application."""

    @app.command("add-class")
    def add_class_command(
        name: Annotated[str, typer.Argument(metavar="NAME", help="The new class.")],
        images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help=task.inputs_help)],
        model: Annotated[Path, typer.Option(metavar="RUN", help="A finished run; it stays as it is.")],
        out: Annotated[Path, typer.Option(help="A new folder for the run that knows the class too.")],
    ) -> None:
        """Add a class to a finished run from a few examples, without training. What was certified is void."""
        with reported():
            from shared.pipeline.add_class import add_class, in_words
            from shared.runs.folder import check_finished

            check_finished(model)
            items = list(task.read_inputs(images))
            if refused := [item for item in items if item.refusal is not None]:
                raise UsageError(f"{refused[0].name} {refused[0].refusal}; give examples that can be judged")
            pictures = [pixels for item in items for pixels in item.slices]
            folder = add_class(task, model, name, pictures, out)
        for line in in_words(task, name, len(pictures)):
            typer.echo(line)
        typer.echo(f"{folder}: predict with --model {folder}")
