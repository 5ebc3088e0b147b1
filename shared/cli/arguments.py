"""Arguments and options that several commands take, each with one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigArgument = Annotated[
    Path | None, typer.Argument(metavar="[CONFIG]", help="YAML file of the configuration; without it, the defaults.")
]
OverridesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Overrides of the file, e.g. seed=1.")
]
DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", help="Labelled images: a folder, a zip or a manifest (CSV).")
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]
ModelOption = Annotated[
    Path | None, typer.Option(help="Folder of the finished run that answers; without it, the newest under runs/.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a line for each input.")]
PredictionsOption = Annotated[Path | None, typer.Option(help="Also write predictions.jsonl into this folder.")]
ExplainOption = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Also write a map of the pixels that moved each answer, and whether it passes its checks; needs torch.",
    ),
]
