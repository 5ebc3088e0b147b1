"""The verdict on a finished run, from what its folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.evaluation.verdict import Labels, Verdict, verdict
from shared.io.atomic import read_json
from shared.runs.outside_tests import read_outside_tests
from shared.runs.record import ModelRecord, read_model_record
from shared.samples import UNKNOWN_DOMAIN


def read_verdict(run: Path, record: ModelRecord | None = None) -> Verdict:
    """Says what a finished run is fit for.

    Args:
        run: The run folder.
        record: Its model record; None: it is read.

    Returns:
        The verdict; a run without a report, or whose report has no test, is not tested.

    Raises:
        RunError: A file is damaged.
    """
    record = read_model_record(run) if record is None else record
    report = read_json(run / "report.json") if (run / "report.json").is_file() else {}
    return verdict_of(record, report, read_outside_tests(run))


def verdict_of(
    record: ModelRecord, report: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]] | None = None
) -> Verdict:
    """Says what a run is fit for, from its record and the content of its `report.json`.

    Args:
        record: The run's model record.
        report: Content of `report.json`; of it `test` and `fewest_labels` count where they are there.
        others: Tests on other data, as `shared.runs.outside_tests.read_outside_tests` gives them.
    """
    test, fewest = report.get("test", {}), report.get("fewest_labels")
    outside = {_name(one): one["test"] for one in (others or {}).values()}
    if (left_out := _left_out(record, test)) is not None:
        outside = {left_out: test, **outside}
    return verdict(record, test, fewest=None if fewest is None else Labels(**fewest), outside=outside)


def _name(entry: Mapping[str, Any]) -> str:
    """The name of other data, with what they were and how many images were left out of them."""
    left_out = f", {entry['left_out']} seen images left out" if entry.get("left_out") else ""
    kind = "synthetic images" if entry.get("synthetic") else "images"
    return f"{entry['data']} ({entry['test']['n']} {kind}{left_out})"


def _left_out(record: ModelRecord, test: Mapping[str, Any]) -> str | None:
    """The domains of a test that shares none with training and validation; None where it shares one."""
    chosen = record.operating_point or record.rejection or {}
    known = {*record.domains, *chosen.get("domains", ())}
    tested = set(test.get("domains", {}))
    strange = tested and known and not tested & known and UNKNOWN_DOMAIN not in tested | known
    return f"{', '.join(sorted(tested))} (left out of training)" if strange else None
