"""The command `medtl`: those of every application, and a file for each of its own or with options of its own."""

from __future__ import annotations

from medtl.task import TASK
from shared.cli.app import build_app

app = build_app(TASK, own_commands=__name__)


def main() -> None:
    """Runs the console command `medtl` with the arguments of the process."""
    app()
