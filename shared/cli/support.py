"""What commands share: where runs lie, options, exit codes, faults in one line. Nothing heavy is imported here."""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.errors import MedtlError, UsageError

if TYPE_CHECKING:
    from shared.config.schema import Config

RUNS, EXPLAINED = Path("runs"), Path("explained")
ModelOption = Annotated[Path | None, typer.Option(help="A finished run; without it, the newest under runs/.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line for each input.")]
ConfigArgument = Annotated[
    Path | None, typer.Argument(metavar="[CONFIG]", help="A YAML file; without it, the defaults.")
]
WordsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Over the file, for example seed=1")
]
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
"""Those of `shared.explanation.attribution`, which imports torch."""


def settings_of(config: Path | None, overrides: list[str] | None) -> "Config":
    """The configuration of a file and the words over it; the first word may stand where the file would."""
    from shared.config.read import load_config

    words = list(overrides or [])
    if config is not None and "=" in str(config) and not config.exists():
        words.insert(0, str(config))
        config = None
    return load_config(config, words)


def make_folder(out: Path | None) -> None:
    """Makes the folder for results before anything long begins."""
    if out is not None:
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is a file; name a folder for what is written")
        out.mkdir(parents=True, exist_ok=True)


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


def json_line(tree: Mapping[str, Any]) -> str:
    """One answer as a line of JSON."""
    line = json.dumps(tree, ensure_ascii=False, allow_nan=False)
    return line.encode("utf-8", "backslashreplace").decode()  # a file name need not be UTF-8; JSON knows \udcff


def exit_code(told: Collection[str]) -> int:
    """What all answers come to, from the `status` of each: refused before not assessed before 0."""
    return EXIT_REFUSED if "refused" in told else EXIT_NOT_ASSESSED if "not assessed" in told else 0


def write_predictions(out: Path | None, lines: list[str]) -> None:
    """Writes `predictions.jsonl` into the folder, where one was named."""
    from shared.io.atomic import write_text

    if out is not None:
        write_text(out / "predictions.jsonl", "".join(f"{line}\n" for line in lines))
