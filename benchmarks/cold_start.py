"""Measures `medtl predict scan.dcm` in a process of its own against the import of a package in another one.

Both find their bytecode compiled, as on a machine where both were started before.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.made_run import made_run, made_series
from benchmarks.side_by_side import Measured, best_times
from shared.cli.support import EXIT_NOT_ASSESSED

REPEATS = 7


def against_import(package: str, goal: str) -> list[Measured]:
    """Measures a prediction beside an import.

    Args:
        package: What is imported.
        goal: Goal of the ratio.
    """
    with made_run() as run, made_series(1) as series, tempfile.TemporaryDirectory() as bytecode:
        (scan,) = series.glob("*.dcm")
        medtl = str(Path(sys.executable).with_name("medtl"))

        def call(*words: str) -> None:
            environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            code = subprocess.run(words, env=environment, check=False, capture_output=True).returncode
            if code not in (0, EXIT_NOT_ASSESSED):
                raise RuntimeError(f"{words[0]} ended with {code}")

        ours, theirs = best_times(
            lambda: call(medtl, "predict", str(scan), "--model", str(run)),
            lambda: call(sys.executable, "-c", f"import {package}"),
            repeats=REPEATS,
        )
    return [Measured("`medtl predict scan.dcm` in a new process", ours, f"python -c 'import {package}'", theirs, goal)]
