"""The audit of data as training would take them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from shared.api.evaluating import settings_on
from shared.api.studies import Audit
from shared.errors import DataError, MeaningError
from shared.io.writes import make_folder

if TYPE_CHECKING:
    from shared.config.schema import Config
    from shared.data.audit import AuditResult
    from shared.progress import Progress
    from shared.samples import Dataset
    from shared.task import Task

    FurtherSearch: TypeAlias = Callable[[Dataset, Path | None, Progress], Iterable[str]]

REFUSED = "training would refuse"
SETTINGS = (
    "data.classes",
    "data.folders_above",
    "data.domains",
    "data.leaks",
    "data.split",
    "data.options",
    "seed",
)
"""Keys of a configuration that decide whether training takes the data."""


def audit(
    task: Task,
    data: Path,
    words: Sequence[str],
    out: Path | None,
    root: Path,
    search_further: FurtherSearch | None,
    progress: Progress,
) -> Audit:
    """Audits a dataset, and writes the findings where a folder is named.

    Args:
        task: The application.
        data: The dataset.
        words: `key=value` words; only `SETTINGS` may be set.
        out: Folder for the findings; None: nothing is written.
        root: Folder of runs, for synthetic data.
        search_further: Searches more; None: nothing more is searched.
        progress: Called with (what, done, total, note).

    Raises:
        UsageError: The data do not exist, or another key is set.
        ConfigError: A value is not allowed.
    """
    from shared.data.loading import load_all
    from shared.prediction.text import printable
    from shared.reporting import audit_report
    from shared.task import Preprocessing

    settings = settings_on(data, words, SETTINGS)
    make_folder(out)
    spec = Preprocessing(settings.backbone.size, options={**task.default_options, **settings.data.options})
    try:
        dataset = load_all(task, settings.data, spec, root, progress)
    except (DataError, MeaningError) as error:
        return Audit({"refusals": [str(error)]}, (printable(f"{REFUSED}: {error}"),), refusals=(str(error),))
    dataset, result, refusals = _compared(task, settings, dataset, progress)
    tree = audit_report.findings(dataset, result, refusals)
    lines = ["Synthetic data: these images were made by a program."] if dataset.synthetic else []
    lines += [*dataset.notes, *audit_report.audit_lines(tree)]
    if search_further is not None:
        lines += search_further(dataset, out, progress)
    if out is not None:
        audit_report.write_audit(task, dataset, result, tree, out)
        lines.append(f"report: {out / 'audit.html'}")
        lines.append(f"written: {out}; its tables name files as they lie: keep them with the data")
    return Audit(tree, tuple(printable(line) for line in lines), refusals=tuple(refusals))


def _compared(
    task: Task, settings: Config, dataset: Dataset, progress: Progress
) -> tuple[Dataset, AuditResult, list[str]]:
    """Compares the images that training would take, and splits them as it would.

    Returns:
        The dataset as training would take it, or whole where it would take none; the audit of its samples; and the
        reasons for which training would refuse it.
    """
    from shared.data.loading import as_asked
    from shared.data.partition import audited, split_audited

    refusals = []
    try:
        dataset = as_asked(task, settings.data, dataset)
    except (DataError, MeaningError) as error:
        refusals.append(str(error))
    result = audited(task, dataset, progress)
    if not refusals:
        try:
            split_audited(settings.data, dataset, result, seed=settings.seed)
        except DataError as error:
            refusals.append(str(error))
    return dataset, result, refusals
