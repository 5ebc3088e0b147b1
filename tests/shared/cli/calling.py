"""Calls a command line as a person does."""

from __future__ import annotations

from pathlib import Path

import typer
from click.testing import Result
from typer.testing import CliRunner

RUNNER = CliRunner()


def call(app: typer.Typer, *words: str | Path | float) -> Result:
    return RUNNER.invoke(app, [str(word) for word in words])


def is_one_line(result: Result, said: str) -> bool:
    """One line on standard error that begins with `error:`, and no traceback anywhere."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    return (
        len(lines) == 1
        and lines[0].startswith("error: ")
        and said in lines[0]
        and "Traceback" not in result.output
        and isinstance(result.exception, SystemExit)
    )


def is_wrong_usage(result: Result, said: str) -> bool:
    return result.exit_code == 2 and is_one_line(result, said)
