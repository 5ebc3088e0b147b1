"""Weights & Biases: runs in a project with the application's name, with a copy in `wandb/` of the run folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import wandb

from shared.tracking.base import TrackedRun

CONFIGURED = ("WANDB_MODE", "WANDB_API_KEY")
"""Variables by which a person says that a server is meant; without any, all stays on this machine."""
NOTHING_ELSE = {
    "console": "off",
    "disable_git": True,
    "disable_code": True,
    "save_code": False,
    "host": "",
    "username": "",
    "program": "",
    "program_relpath": "",
    "program_abspath": "",
    "silent": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
}
"""Settings under which nothing of user, machine, command line, code and output is recorded."""


class WandbRun:
    """Writes into one run.

    Args:
        run: The run of the library.
    """

    def __init__(self, run: Any) -> None:
        self._run = run

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records values of one step; see `Tracker.log`."""
        self._run.log({"step": step, **values})

    def close(self, *, finished: bool) -> None:
        """Ends the run, as failed where it is not finished."""
        self._run.finish(exit_code=0 if finished else 1)


def open_run(run: TrackedRun) -> WandbRun:
    """Makes the run, with the settings as its configuration, or goes on with it where it was interrupted here."""
    opened = wandb.init(
        project=run.task,
        name=run.name,
        dir=run.folder,
        config=dict(run.settings),
        resume="auto",
        mode=None if any(os.environ.get(name) for name in CONFIGURED) else "offline",
        settings=wandb.Settings(**NOTHING_ELSE),
    )
    opened.define_metric("*", step_metric="step")
    return WandbRun(opened)
