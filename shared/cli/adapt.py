"""The command `adapt`, the same in every application.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.support import RUNS, WordsArgument, reported, settings_of
from shared.errors import ConfigError, UsageError
from shared.progress import progress_bars

if TYPE_CHECKING:
    from shared.config.schema import Config
    from shared.task import Task

RULE_NAMES = (
    "mutual_information",
    "reverse_validation",
    "entropy",
    "soft_neighbourhood_density",
    "log_likelihood",
    "balanced_accuracy",
)
"""Those of `shared.adaptation.criteria`, which imports torch; the last two judge by labelled source validation."""
FOLDER = "adapt"
"""Under the folder of runs: none of what is only tried must be the newest run that `predict` takes."""
NAMED = "A domain of the data (a scanner), or a folder, zip or manifest of its own."


def add_adapt(app: typer.Typer, task: "Task") -> None:
    """Adds the command to the application of a task."""

    @app.command()
    def adapt(
        config: Annotated[
            Path | None, typer.Argument(metavar="[CONFIG]", help="A YAML file, as configs/*/adapt.yaml.")
        ] = None,
        overrides: WordsArgument = None,
        source: Annotated[str | None, typer.Option(help=f"With labels. {NAMED}")] = None,
        target: Annotated[str | None, typer.Option(help=f"Its labels only judge. {NAMED}")] = None,
        strategy: Annotated[
            list[str] | None,
            typer.Option(
                help="A strategy that learns from a target; may be repeated. Default: that of CONFIG, or dann."
            ),
        ] = None,
        loss_weight: Annotated[
            list[float] | None, typer.Option(help="Weight of the adaptation loss; may be repeated.")
        ] = None,
        rule: Annotated[
            str, typer.Option(help=f"What chooses without labels of the target: {', '.join(RULE_NAMES)}.")
        ] = "mutual_information",
        label_shift: Annotated[
            bool, typer.Option("--label-shift", help="Estimate how often each class occurs in the target; use it.")
        ] = False,
        unlabelled: Annotated[
            bool,
            typer.Option("--unlabelled", help="Target is unlabelled: use every image, skip evaluation on it."),
        ] = False,
        train_on_target: Annotated[
            bool,
            typer.Option(help="Whether to train on the target's labels too, as the upper bound of adaptation."),
        ] = True,
        out: Annotated[Path | None, typer.Option(help="Folder; without it, one under runs/adapt/.")] = None,
    ) -> None:
        """Adapt to a domain without its labels; OUT/kept is the model, that of the source alone where that is safer.

        Trains the source alone and each setting, chooses without labels of the target, and tells what its labels would
        have chosen beside. The report is OUT/adapt.html; the same command again resumes.
        """
        with reported():
            settings = between(settings_of(config, overrides), source, target, unlabelled=unlabelled)
            from shared.experiments.adaptation import SELECTED, Plan
            from shared.experiments.adaptation import adapt as adapt_to
            from shared.experiments.adaptation_report import write_adaptation
            from shared.strategies import target_strategies

            configured = str(settings.strategy.get("name"))
            usual = configured if configured in target_strategies() else Plan.strategies[0]
            plan = Plan(tuple(strategy or (usual,)), tuple(loss_weight or ()), rule, label_shift, train_on_target)
            folder = out or RUNS / FOLDER / folder_name(settings)
            with progress_bars() as progress:
                tree = adapt_to(task, settings, plan, folder, root=RUNS, progress=progress)
            for line in write_adaptation(task, tree, folder):
                typer.echo(line)
            typer.echo(f"model: {folder / SELECTED}, report: {folder / 'adapt.html'}")


def folder_name(config: "Config") -> str:
    """Of an adaptation: from where to where, so that each pair of domains has a folder of its own."""
    data = config.data
    origin = "+".join(name for name in data.collections or data.domains if name != data.target_domain)
    name = f"{config.name}-{origin or 'all'}-to-{data.target_domain}-seed{config.seed}"
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name)


def between(config: "Config", source: str | None, target: str | None, *, unlabelled: bool = False) -> "Config":
    """The configuration for one source and one target: two domains of its data, or two datasets.

    Args:
        config: As it was given.
        source: A domain, a path, or None: as configured.
        target: The same.
        unlabelled: Whether the target has no labels.

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
    """The configuration with a target of that name, whose labels are hidden as configured, or absent."""
    from shared.config.schema import TargetSection

    stated = config.data.target
    labels = "absent" if unlabelled else "hidden" if stated is None else stated.labels
    section = TargetSection(domain=str(domain), labels=labels)
    return config.model_copy(update={"data": config.data.model_copy(update={"target": section})})


def _like_a_path(name: str) -> bool:
    """Whether it can only be meant as a path; domains are named in words."""
    return name.startswith(("/", ".", "~")) or name.endswith((".zip", ".csv", "/"))
