"""The evaluation of a run: its own test, or one on other data, which is kept in the run."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.api.metrics import Metrics
from shared.api.results import Result

if TYPE_CHECKING:
    from shared.api.run import Run
    from shared.config.schema import Config
    from shared.progress import Progress

MEANINGS = ("data.classes", "data.folders_above")
"""Keys of a configuration that say what folders and labels mean."""


@dataclass(frozen=True, repr=False)
class Evaluation(Result):
    """An evaluation of a run. `data` holds `verdict`, `summary`, `notes`, `test`, and what the command writes."""

    @property
    def metrics(self) -> Metrics:
        """Its measures by name, each with `value`, `low`, `high` (95% interval) and `n`."""
        return Metrics(self.data.get("test") or {})

    def _repr_html_(self) -> str:
        from shared.api.notebook import evaluation_html

        return evaluation_html(self)


def settings_on(data: Path, words: Sequence[str], allowed: Sequence[str]) -> Config:
    """Makes the configuration of a study that is given its data as an argument, and few settings.

    Args:
        data: The dataset.
        words: `key.sub=value` words.
        allowed: Keys that may be set, each with all that is within it.

    Raises:
        UsageError: The data do not exist, or another key is set.
        ConfigError: A value is not allowed.
    """
    from shared.config.read import COMMAND_LINE, apply_override, validate
    from shared.config.schema import Config
    from shared.errors import UsageError
    from shared.io.archives import require_paths

    require_paths([data], "a folder, zip or manifest")
    tree: dict[str, Any] = {}
    for word in words:
        key = word.partition("=")[0]
        if not any(f"{key}.".startswith(f"{one}.") for one in allowed):
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"{word!r}: no such setting can be given here; {hint}allowed are {', '.join(allowed)}")
        apply_override(tree, word)
    tree["data"] = {**tree.get("data", {}), "source": str(data)}
    return validate(Config, tree, origin=COMMAND_LINE)


def check_purpose(data: Path | None, versus: Path | None, words: Sequence[str], stated: Sequence[str]) -> None:
    """Checks that what is asked of an evaluation can act: on other data, or on the run's own test.

    Args:
        data: Other data; None: the run's own test.
        versus: A run to compare with; None: none.
        words: `key=value` words that say what folders or labels mean.
        stated: Names of given arguments that are about other data.

    Raises:
        UsageError: Something is about data that were not given, or about the own test where data were given; or the
            data do not exist.
    """
    from shared.errors import UsageError
    from shared.io.archives import require_paths

    if data is not None:
        if versus is not None:
            raise UsageError("--versus compares on the test sets of the runs; give it without DATA")
        require_paths([data], "a folder, zip or manifest")
        return
    inert = [f"--{name.replace('_', '-')}" for name in stated] + [repr(word) for word in words]
    if inert:
        need = "needs" if len(inert) == 1 else "need"
        raise UsageError(f"{' and '.join(inert)} {need} DATA; the run's own test set is not evaluated again")


def written(found: Evaluation, out: Path | None) -> Evaluation:
    """Writes an evaluation as `evaluation.json` into an existing folder, and returns it; None: writes nothing."""
    if out is not None:
        from shared.io.atomic import write_json

        write_json(out / "evaluation.json", found.to_json())
    return found


def own_test(run: Run, versus: Path | None) -> Evaluation:
    """Gives what a run's report says of its test set, with the verdict of today.

    Args:
        run: The run.
        versus: A run, by folder or name, to compare with on the test images that both share; None: none.

    Raises:
        UsageError: The runs share no test images.
        RunError: A run is damaged.
    """
    from shared.runs.verdict import read_verdict

    tree = run.to_json() | {"verdict": list(read_verdict(run.folder).lines)}
    if versus is not None:
        from shared.experiments.comparison.pairwise import compare_runs
        from shared.runs.named import find_named

        tree["versus"] = compare_runs(run.folder, find_named(run.root, versus, run.task.name))
    return Evaluation(tree, _lines(tree))


def evaluate_on(
    run: Run, data: Path, words: Sequence[str], stated: Mapping[str, float], *, known_only: bool, progress: Progress
) -> Evaluation:
    """Evaluates a run on other data, and keeps the result in the run.

    Args:
        run: The run.
        data: Folder, zip or manifest of labelled images.
        words: `key=value` words that say what folders or labels mean.
        stated: Arguments of `shared.evaluation.cases.UsageContext` by name.
        known_only: Whether images of classes that the run does not know are left out.
        progress: Called with (what, done, total, note).

    Raises:
        MedtlError: The data cannot be evaluated; see `shared.prediction.external.assess_data`.
    """
    from shared.evaluation.cases import UsageContext
    from shared.prediction.external import assess_data

    tree = assess_data(
        run.task,
        run.folder,
        data,
        usage=UsageContext(**stated),
        progress=progress,
        known_only=known_only,
        meanings=settings_on(data, words, MEANINGS).data.meanings,
    )
    tree["notes"].append(_keep(run.folder, data, tree))
    return Evaluation(tree, _lines(tree))


def _keep(run: Path, data: Path, tree: Mapping[str, Any]) -> str:
    """Adds an evaluation on other data to the run; returns one sentence that says so, or why not."""
    from datetime import UTC, datetime

    from shared.runs.folder import is_released
    from shared.runs.outside_tests import OUTSIDE_TESTS, add_outside_test, kept_of

    if is_released(run):
        return "Not kept: the model comes with the package, which is read-only."
    if tree["data_hash"] is None:
        return "These are the data of the run: this is no outside test, and the run keeps nothing of it."
    counts = tree["coverage"]
    entry = {
        "data": data.name,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "synthetic": tree["synthetic"],
        "left_out": counts["seen_in_training"] + counts["group_seen_in_training"],
        "negative_series": tree["negative_series"],
        "test": kept_of(tree["test"]),
    }
    try:
        add_outside_test(run, tree["data_hash"], entry)
    except OSError as error:
        return f"Not kept in the run, which cannot be written ({type(error).__name__}): its verdict will not name it."
    return f"Kept in {run / OUTSIDE_TESTS}: the verdict on the run names this test from now on."


def _lines(tree: Mapping[str, Any]) -> tuple[str, ...]:
    parts = (tree, tree.get("versus", {}))
    return tuple(line for part in parts for key in ("verdict", "summary", "notes") for line in part.get(key, ()))
