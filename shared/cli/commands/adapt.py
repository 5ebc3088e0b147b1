"""The command `adapt`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.arguments import OverridesArgument
from shared.cli.help import Topic, examples
from shared.cli.support import RUNS, check_names, reported, settings_of, takes_names
from shared.errors import ConfigError, UsageError
from shared.progress import progress_bars
from shared.strategies import target_strategies

if TYPE_CHECKING:
    from shared.config.schema import Config
    from shared.experiments.adaptation import Plan
    from shared.task import Task

FOLDER = "adapt"
"""Folder below that of runs: what is only tried is none of the runs that `models` lists and `predict` may take."""
NAMED = "A domain of the data (a scanner, say), or a folder, zip or manifest."


def _strategies() -> Sequence[str]:
    from shared.experiments.adaptation import Plan

    return [*Plan.strategies, *(name for name in target_strategies() if name not in Plan.strategies)]


def _rules() -> Sequence[str]:
    from shared.adaptation.choice import choice_rules

    return choice_rules()


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
    @takes_names(strategy=_strategies, rule=_rules)
    def adapt(
        config: Annotated[
            Path | None,
            typer.Argument(
                metavar="[CONFIG]",
                help=f"YAML file of the configuration, like configs/{task.name}/adapt.yaml; without it, the defaults.",
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
        out: Annotated[Path | None, typer.Option(help="Folder of results; without it, one under runs/adapt/.")] = None,
    ) -> None:
        """Adapt a model to an unlabelled domain.

        Trains on the source alone and with each setting, and chooses among them without labels of the target. The
        chosen model is OUT/kept; it is that of the source alone unless two rules say that adapting is better. The
        report OUT/adapt.html also says what the target's labels would have chosen. The same command again resumes.
        """
        with reported(resumes=True):
            _check(strategy or [], rule)
            weights = read_loss_weights(loss_weight or [])
            settings = between(settings_of(config, overrides), source, target, unlabelled=unlabelled)
            if train_on_target is not None and settings.data.target_is_unlabelled:
                flag = "--train-on-target" if train_on_target else "--no-train-on-target"
                raise UsageError(f"{flag} cannot act where the target is unlabelled; leave it out")
            from shared.experiments.adaptation import Plan

            plan = Plan(
                strategies=tuple(strategy or _configured_strategies(settings)),
                loss_weights=weights,
                rule=rule or Plan.rule,
                label_shift=label_shift,
                upper_bound=train_on_target is not False,
            )
            _adapt(task, settings, plan, out or RUNS / FOLDER / folder_name(settings))


def _check(strategies: Sequence[str], rule: str | None) -> None:
    """Refuses names that do not exist, and what is given twice, before anything is read.

    Raises:
        UsageError: A name does not exist, or a strategy is given twice; the message lists what is allowed.
    """
    if strategies:
        check_names("--strategy", strategies, _strategies())
    if rule is not None:
        check_names("--rule", [rule], _rules())
    if len(set(strategies)) < len(strategies):
        raise UsageError(f"--strategy is given {', '.join(strategies)}; name each once")


def read_loss_weights(words: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Reads weights of the adaptation loss, one a word, such as "dann=0.3".

    Args:
        words: The words, in the order in which the weights are tried.

    Returns:
        The weights, each above 0, by the name of the strategy.

    Raises:
        UsageError: A word is of another form, names no strategy that learns from a target, or is given twice.
    """
    found: dict[str, tuple[float, ...]] = {}
    for word in words:
        name, sign, value = word.partition("=")
        try:
            weight = float(value)
        except ValueError:
            weight = math.nan
        if not sign or not 0 < weight < math.inf:
            raise UsageError(f"--loss-weight {word!r}: give STRATEGY=WEIGHT with a weight above 0, such as dann=0.3")
        check_names("--loss-weight", [name], _strategies())
        if weight in found.get(name, ()):
            raise UsageError(f"--loss-weight is given {', '.join(words)}; name each once")
        found[name] = (*found.get(name, ()), weight)
    return found


def _configured_strategies(config: "Config") -> tuple[str, ...]:
    """The strategy of the configuration where it learns from a target, else the default of `Plan`."""
    from shared.experiments.adaptation import Plan

    configured = str(config.strategy.get("name"))
    return (configured,) if configured in target_strategies() else Plan.strategies


def _adapt(task: "Task", config: "Config", plan: "Plan", folder: Path) -> None:
    """Trains and chooses, writes the report, and prints what was found."""
    from shared.experiments.adaptation import SELECTED, adapt
    from shared.experiments.adaptation_report import write_adaptation

    with progress_bars() as progress:
        tree = adapt(task, config, plan, folder, root=RUNS, progress=progress)
    for line in write_adaptation(task, tree, folder):
        typer.echo(line)
    typer.echo(f"model: {folder / SELECTED}, report: {folder / 'adapt.html'}")


def folder_name(config: "Config") -> str:
    """Names the folder of an adaptation after its source and target, so that each pair has one of its own.

    Args:
        config: The configuration of the adaptation, with a target domain.

    Returns:
        A folder name without a path, `NAME-SOURCES-to-TARGET-seedN`: sources are joined by `+`, or `all` where none is
        named; characters other than letters, digits and `._+-` become `-`.
    """
    data = config.data
    origin = "+".join(name for name in data.collections or data.domains if name != data.target_domain)
    name = f"{config.name}-{origin or 'all'}-to-{data.target_domain}-seed{config.seed}"
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name)


def between(config: "Config", source: str | None, target: str | None, *, unlabelled: bool = False) -> "Config":
    """Sets source and target in a configuration: two domains of its data, or two datasets.

    Args:
        config: The configuration to change.
        source: A domain, or the path of a dataset; None: as configured.
        target: A domain, or the path of a dataset; None: as configured.
        unlabelled: Whether the target has no labels.

    Returns:
        The changed configuration.

    Raises:
        UsageError: One is a path and the other is none, or both are the same.
        ConfigError: They are two datasets, and the configuration names others.
    """
    data = config.data
    if target is None:
        if source is not None:
            raise UsageError("--source needs a --target")
        return _with_target(config, data.target_domain, unlabelled=unlabelled) if data.target else config
    if source is not None and Path(source).resolve() == Path(target).resolve():
        raise UsageError(f"--source and --target are both {target!r}; there is nothing to adapt to")
    if not Path(target).exists():
        if _like_a_path(target) or (source is not None and Path(source).exists()):
            raise UsageError(f"--target {target!r} does not exist; name two paths or two domains")
        domains = data.domains if source is None else (source, target)
        changed = config.model_copy(update={"data": data.model_copy(update={"domains": domains})})
        return _with_target(changed, target, unlabelled=unlabelled)
    if source is None or not Path(source).exists():
        raise UsageError(f"--target is a path; name the path of the labelled data with --source, not {source!r}")
    if data.source is not None or data.collections:
        raise ConfigError("--source and --target are paths; leave out data.source and data.collections")
    names = [Path(source).stem, Path(target).stem]
    if names[0] == names[1]:
        names = ["source", "target"]
    collections = dict(zip(names, (source, target), strict=True))
    changed = config.model_copy(update={"data": data.model_copy(update={"collections": collections})})
    return _with_target(changed, names[1], unlabelled=unlabelled)


def _with_target(config: "Config", domain: str | None, *, unlabelled: bool) -> "Config":
    """Sets the target's domain; its labels are absent if `unlabelled`, else as configured, else hidden."""
    from shared.config.schema import TargetSection

    stated = config.data.target
    labels = "absent" if unlabelled else "hidden" if stated is None else stated.labels
    section = TargetSection(domain=str(domain), labels=labels)
    return config.model_copy(update={"data": config.data.model_copy(update={"target": section})})


def _like_a_path(name: str) -> bool:
    """Whether a name can only be meant as a path; domains are named in words."""
    return name.startswith(("/", ".", "~")) or name.endswith((".zip", ".csv", "/"))
