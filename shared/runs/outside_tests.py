"""The tests of a finished run on other data, which `evaluate RUN DATA` adds to the run folder.

A run's own test says nothing of data from elsewhere. So each evaluation on other data is kept in one file of the run
folder, the only one that is written after `done`: results of another day must not be lost, the bad ones least of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.errors import RunError
from shared.io.atomic import read_json, write_json

OUTSIDE_TESTS = "outside_tests.json"
KEPT = ("n", "auc", "sensitivity", "specificity", "accuracy", "coverage", "selective_error", "confusion")
"""Keys of a result that are kept: what `shared.evaluation.verdict` reads."""


def read_outside_tests(run: Path) -> dict[str, dict[str, Any]]:
    """Reads the tests on other data, by the hash of the data, in the order in which they were made.

    Args:
        run: The run folder.

    Returns:
        For each data set `data` (name of the file or folder), `date`, `synthetic`, `left_out` (images that the run had
        seen), `negative_series` (those judged, by kind, as `shared.evaluation.decision.kinds.judged_kinds` lists them)
        and `test`, the main measures; empty where there was none.

    Raises:
        RunError: The file is damaged.
    """
    path = run / OUTSIDE_TESTS
    if not path.is_file():
        return {}
    found = read_json(path)
    if not all(isinstance(one, dict) and {"data", "test"} <= set(one) for one in found.values()):
        raise RunError(f"{path} is damaged; delete it, and evaluate the run on other data again")
    return found


def kept_of(test: Mapping[str, Any]) -> dict[str, Any]:
    """Picks from a result what is kept of it, by image and by group.

    Args:
        test: A result of `shared.evaluation.evaluate.evaluate`.
    """
    kept: dict[str, Any] = {key: test[key] for key in KEPT if key in test}
    if "by_group" in test:
        kept["by_group"] = {key: test["by_group"][key] for key in KEPT if key in test["by_group"]}
    return kept


def add_outside_test(run: Path, data_hash: str, entry: Mapping[str, Any]) -> None:
    """Adds a test on other data to a run; a later one on the same data takes the place of the first.

    Args:
        run: The run folder.
        data_hash: Hash of the data, with labels.
        entry: As `read_outside_tests` gives it.

    Raises:
        OSError: The folder cannot be written.
        RunError: The file is damaged.
    """
    write_json(run / OUTSIDE_TESTS, read_outside_tests(run) | {data_hash: dict(entry)})
