"""The command `adapt`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.api import Application
from shared.api.adapting import choice_rules, strategies
from shared.cli.arguments import OverridesArgument, complete_config
from shared.cli.help import Topic, examples
from shared.cli.support import reported, show, split_words, takes_names
from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.task import Task

NAMED = "A domain of the data (a scanner, say), or a folder, zip or manifest."


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `adapt`, which adapts a model to an unlabelled domain, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.TRAIN,
        epilog=examples(
            task,
            "adapt --source {data} --target other.zip",
            "adapt --source {data} --target other.zip --strategy coral --unlabelled",
        ),
    )
    @takes_names(strategy=strategies, rule=choice_rules)
    def adapt(
        config: Annotated[
            Path | None,
            typer.Argument(
                metavar="[CONFIG]",
                autocompletion=complete_config,
                help="Configuration: a name, for example `adapt`, or a YAML file; without it, the defaults.",
            ),
        ] = None,
        overrides: OverridesArgument = None,
        source: Annotated[str | None, typer.Option(help=f"Labelled images to learn from. {NAMED}")] = None,
        target: Annotated[
            str | None, typer.Option(help=f"Images to adapt to; their labels are used to evaluate only. {NAMED}")
        ] = None,
        strategy: Annotated[
            list[str] | None,
            typer.Option(
                help=f"Strategy that learns from a target; `{task.name} options adapt` lists them; may be repeated to "
                "try several. Default: that of CONFIG, if it is one of them, else the first listed."
            ),
        ] = None,
        loss_weight: Annotated[
            list[str] | None,
            typer.Option(
                metavar="STRATEGY=WEIGHT",
                help="Weight of the adaptation loss of a strategy, as in dann=0.3; may be repeated to try several. "
                "Default: what CONFIG states for its strategy, else some weights that suit the strategy.",
            ),
        ] = None,
        rule: Annotated[
            str | None,
            typer.Option(
                help="Rule that chooses among the settings without labels of the target; one of another kind must "
                f"agree. `{task.name} options adapt` lists them; auto: reverse_validation where a training takes an "
                "hour or two of a CPU core or less, else mutual_information."
            ),
        ] = None,
        label_shift: Annotated[
            bool, typer.Option("--label-shift", help="Estimate how often each class occurs in the target; use it.")
        ] = False,
        unlabelled: Annotated[
            bool,
            typer.Option("--unlabelled", help="Target is unlabelled: use every image, skip evaluation on it."),
        ] = False,
        train_on_target: Annotated[
            bool | None,
            typer.Option(
                help="Whether to train on the target's labels too, as the upper bound of adaptation. Default: where "
                "the target has labels."
            ),
        ] = None,
        keep: Annotated[
            bool, typer.Option("--keep", help="Keep each run that is tried whole, with a report of its own.")
        ] = False,
        out: Annotated[Path | None, typer.Option(help="Folder of results; without it, one under runs/adapt/.")] = None,
    ) -> None:
        """Adapt a model to an unlabelled domain.

        Trains on the source alone and with each setting, and chooses among them without labels of the target. The
        chosen model is OUT/kept; it is that of the source alone unless two rules say that adapting is better. The
        report OUT/adapt.html also says what the target's labels would have chosen. The same command again resumes. Of
        each other run its numbers and weights are kept; --keep makes it whole.
        """
        with reported(resumes=True):
            named, words = split_words(config, overrides)
            found = Application(task).adapt(
                named,
                source=source,
                target=target,
                settings=words,
                strategies=strategy,
                loss_weights=read_loss_weights(loss_weight or []),
                rule=rule,
                label_shift=label_shift,
                unlabelled=unlabelled,
                train_on_target=train_on_target,
                keep=keep,
                out=out,
            )
            show(found.lines)
            typer.echo(f"model: {found.kept.folder}, report: {found.report}")


def read_loss_weights(words: Sequence[str]) -> dict[str, list[float]]:
    """Reads weights of the adaptation loss, one a word, such as "dann=0.3".

    Args:
        words: The words, in the order in which the weights are tried.

    Returns:
        The weights by the name of the strategy; neither is checked.

    Raises:
        UsageError: A word is of another form.
    """
    found: dict[str, list[float]] = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            found.setdefault(name, []).append(float(value))
        except ValueError:
            said = f"--loss-weight {word!r}: give STRATEGY=WEIGHT with a weight above 0, such as dann=0.3"
            raise UsageError(said) from None
    return found
