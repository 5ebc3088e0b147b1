"""The command `handwriting`: what every application has."""

from __future__ import annotations

from handwriting.task import TASK
from shared.cli import build_app

app = build_app(TASK)


def main() -> None:
    """Entry point of the console command."""
    app()
