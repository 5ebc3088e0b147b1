"""Arguments and options that several commands take, each with one help text."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

if TYPE_CHECKING:
    from shared.config.named import Kind


def finite(value: float | None) -> float | None:
    """Refuses a number that is none or has no end; `nan` passes every check of a range.

    Args:
        value: The value of an option; None where it was not given.

    Raises:
        typer.BadParameter: It is nan or infinite.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not allowed; give a number")
    return value


def complete_config(context: click.Context, incomplete: str) -> list[str]:
    """Lists the names of configurations that the shell may complete a word to.

    Args:
        context: The call as far as it is typed.
        incomplete: The beginning of the word.
    """
    from shared.config.named import list_configs

    kind: Kind = "comparison" if context.info_name == "compare" else "configuration"
    known = list_configs(str(context.find_root().command.name), kind)
    return [name for name in known if name.startswith(incomplete)]


ConfigArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CONFIG]",
        autocompletion=complete_config,
        help="Configuration: a name that `options configs` lists, or a YAML file; without it, the defaults.",
    ),
]
OverridesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Overrides of the configuration, e.g. seed=1.")
]
AVERAGE_HELP = (
    "What is averaged: the answers (each image costs as much as by all models), the weights (one network; the models "
    "must have begun with the same weights), or what validation prefers of both."
)
DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", help="Labelled images: a folder, a zip or a manifest (CSV).")
]
RUN_HELP = "Folder of a finished run, its name under runs/, or the name of a model that comes with the package."
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help=RUN_HELP)]
NamedRunArgument = Annotated[
    Path | None, typer.Argument(metavar="[RUN]", help=f"{RUN_HELP} Without it, all under runs/.")
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Finished run that answers: its folder, or its name under runs/; or the name of a model that comes with "
        "the package. Without it, the default (see `use`), the only run under runs/, or, where none is, the only model "
        "of the package.",
    ),
]
ServedModelOption = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Finished run that answers: its folder, or its name under runs/; or the name of a model that comes with "
        "the package. Without it, the default, which `use` chooses; of `serve` also the only model of the package, "
        "where no run is under runs/.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a line for each input.")]
PredictionsOption = Annotated[Path | None, typer.Option(help="Also write predictions.jsonl into this folder.")]
ProviderOption = Annotated[
    str,
    typer.Option(
        metavar="cpu|cuda|openvino",
        help="What runs the network in ONNX Runtime; cuda needs the package onnxruntime-gpu in place of onnxruntime, "
        "openvino onnxruntime-openvino.",
    ),
]
ExplainOption = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Also write a map of the pixels that moved each answer, and whether it passes its checks; needs torch.",
    ),
]
