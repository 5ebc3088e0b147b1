"""Evaluates a run without and with the copies of its training images: `python -m benchmarks.flattery RUN DATA`."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from medtl.task import TASK
from shared.evaluation.cases import UsageContext
from shared.prediction.external import assess_data
from shared.runs.folder import finish
from shared.runs.record import read_model_record
from shared.runs.seen import Seen


def evaluated(run: Path, data: Path) -> dict[str, Any]:
    """Evaluates a run as `medtl evaluate RUN DATA` does."""
    return assess_data(TASK, run, data, usage=UsageContext(), progress=lambda *_: None)


def main() -> None:
    """Prints both evaluations: the run's own, and that of a copy of the run that remembers nothing."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("run", type=Path)
    options.add_argument("data", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        forgetful = Path(folder) / given.run.name
        shutil.copytree(given.run, forgetful)
        Seen.none(read_model_record(given.run).copy_rule).write(forgetful)
        finish(forgetful, TASK.name)
        for name, run in (("without copies", given.run), ("with copies", forgetful)):
            tree = evaluated(run, given.data)
            print(f"{name}: {tree['coverage']}")
            for line in tree["summary"]:
                print(f"  {line}")


if __name__ == "__main__":
    main()
