"""Lists finished runs with the summaries of their reports, and compares two of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.errors import MedtlError
from shared.evaluation.text import measure_rows
from shared.io.atomic import read_json
from shared.runs.listing import list_runs, read_run
from shared.runs.outside_tests import read_outside_tests
from shared.runs.provenance import Provenance
from shared.runs.record import ModelRecord
from shared.runs.siblings import restated_among_siblings
from shared.runs.verdict import verdict_of

REPORT = "report.html"
MAX_RUNS = 500
"""Largest number of runs that are listed, the newest first."""


@dataclass(frozen=True)
class RunEntry:
    """One finished run.

    Attributes:
        name: Name of the run's folder.
        folder: The run's folder.
        record: The run's model record, its certificate restated for a choice among the runs beside it.
        provenance: When and on what it was trained.
        verdict: What the run is fit for, in up to three lines.
        summary: First sentences of its report.
    """

    name: str
    folder: Path
    record: ModelRecord
    provenance: Provenance
    verdict: tuple[str, ...]
    summary: tuple[str, ...]

    @property
    def has_report(self) -> bool:
        """Whether the run has a report as a page."""
        return (self.folder / REPORT).is_file()

    @property
    def finished(self) -> datetime:
        """Time at which its training ended, UTC."""
        return datetime.fromisoformat(self.provenance.finished)


def find_runs(root: Path, task: str, also: Path) -> dict[str, RunEntry]:
    """Finds the finished runs of an application; unreadable ones are left out.

    Args:
        root: Folder of runs; it need not exist.
        task: Name of the application.
        also: Folder of a run that may be elsewhere: the one that answers.

    Returns:
        At most `MAX_RUNS` runs by the name of their folder, the newest first.
    """
    runs = {run.folder.name: run for run in list_runs(root, task).finished}
    with suppress(MedtlError):
        runs[also.name] = read_run(also)
    found = []
    for run in restated_among_siblings([*runs.values()], root):
        with suppress(MedtlError):
            report = read_json(run.folder / "report.json")
            fit_for = verdict_of(run.record, report, read_outside_tests(run.folder)).lines
            said = tuple(map(str, report.get("summary", ())))
            found.append(RunEntry(run.folder.name, run.folder, run.record, run.provenance, fit_for, said))
    found.sort(key=lambda entry: entry.finished, reverse=True)
    return {entry.name: entry for entry in found[:MAX_RUNS]}


def compare_runs(left: RunEntry, right: RunEntry) -> list[dict[str, str]]:
    """Compares two runs: the facts of their training, then their test results.

    Args:
        left: The run of the left column.
        right: The run of the right column.

    Returns:
        Rows of texts for a table, each with the keys `measure`, `left` and `right`.
    """
    facts = [
        {"measure": name, "left": a, "right": b} for (name, a), (_, b) in zip(_facts(left), _facts(right), strict=True)
    ]
    tests = {side: _test(entry) for side, entry in (("left", left), ("right", right))}
    return facts + [{key: row[key] for key in ("measure", "left", "right")} for row in measure_rows(tests)]


def _test(entry: RunEntry) -> Mapping[str, Any]:
    test = read_json(entry.folder / "report.json").get("test", {})
    return test if isinstance(test, dict) else {}


def _facts(entry: RunEntry) -> list[tuple[str, str]]:
    record = entry.record
    certified = "none" if record.certified_sensitivity is None else f"{record.certified_sensitivity:.3f}"
    if record.rejection is not None:
        point, certified = record.rejection["statement"], "none"
        if record.certified_error is not None:
            certified = f"error {record.certified_error:.3f}"
    else:
        point = (record.operating_point or {}).get("statement", "none")
    return [
        *zip(("verdict", "certificate", "outside test"), entry.verdict, strict=True),
        ("finished", f"{entry.finished:%Y-%m-%d %H:%M} UTC"),
        ("classes", ", ".join(record.classes) if len(record.classes) <= 8 else f"{len(record.classes)}"),
        ("backbone", str(record.backbone.get("name", "unknown"))),
        ("input side in pixels", str(record.preprocessing.size)),
        ("trained on", entry.provenance.data_words),
        ("data", f"SHA-256 {record.data_hash[:12]}"),
        ("threshold", f"{record.threshold:.4f}"),
        ("operating point", str(point)),
        ("certified at it", certified),
    ]
