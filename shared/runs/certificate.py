"""Certificates of finished runs, restated where validation chose among more models than the run itself counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from shared.io.atomic import read_json, write_json, write_text
from shared.runs.folder import check_finished, finish, finished_at
from shared.runs.record import ModelRecord, read_model_record
from shared.runs.verdict import verdict_of

if TYPE_CHECKING:
    from shared.evaluation.decision.operating_point import OperatingPoint
    from shared.evaluation.decision.selective import Rejection

Certificate = TypeVar("Certificate", "OperatingPoint", "Rejection")

PAGES = ("report.html", "model_card.md")
"""Files that hold the statement of the certificate as text."""


def models_among(record: ModelRecord) -> int:
    """Returns the number of models among which the certificate of a run counts that validation chose.

    Args:
        record: The run's model record.
    """
    rule = record.operating_point or record.rejection or {}
    return int(rule.get("choices", 1))


def restated(record: ModelRecord, choices: int) -> ModelRecord:
    """Restates the certificate of a run for a choice among more models on the same validation.

    Only counts that stand in the record are needed: the bound is taken at 1 - 5% / `choices` (Bonferroni).

    Args:
        record: The run's model record.
        choices: Number of models among which validation chose, those that the run counted itself among them. A smaller
            number than the record's changes nothing.

    Returns:
        The record with its certificate at that level; unchanged where nothing is certified.
    """
    if choices <= models_among(record):
        return record
    # not at the top: predictions need them only here, and they load SciPy
    from shared.evaluation.decision.operating_point import OperatingPoint
    from shared.evaluation.decision.selective import Rejection

    if record.certified_sensitivity is not None and record.operating_point is not None:
        point = _read(OperatingPoint, record.operating_point).among(choices)
        return replace(
            record, certified_sensitivity=point.certified, operating_point=_updated(record.operating_point, point)
        )
    if record.certified_error is not None and record.rejection is not None:
        rejection = _read(Rejection, record.rejection).among(choices)
        return replace(record, certified_error=rejection.certified, rejection=_updated(record.rejection, rejection))
    return record


def certify_anew(run: Path, choices: int) -> None:
    """Restates the certificate of a finished run in all of its files: record, report, model card, and hashes in `done`.

    Args:
        run: The run folder.
        choices: Number of models among which validation chose, those that the run counted itself among them.

    Raises:
        RunError: The run is damaged.
    """
    check_finished(run)
    old = read_model_record(run)
    new = restated(old, choices)
    if new == old:
        return
    tree = read_json(run / "report.json")
    words = list(zip(_words(old, tree), _words(new, tree), strict=True))
    tree |= {"operating_point": new.operating_point} | ({"rejection": new.rejection} if new.rejection else {})
    for key in ("verdict", "summary"):
        tree[key] = [_replaced(line, words) for line in tree[key]]
    write_json(run / "report.json", tree)
    for name in PAGES:
        page = run / name
        write_text(page, _replaced(page.read_text(encoding="utf-8"), words))
    write_json(run / "model.json", new.to_json())
    finish(run, new.task, finished_at(run))


def certificate_text(record: ModelRecord) -> tuple[str, str]:
    """Writes what a run certifies: the name of the measure, and its bound, or that nothing is certified.

    Args:
        record: The run's model record.
    """
    screening = record.rejection is None
    value = record.certified_sensitivity if screening else record.certified_error
    name = "certified sensitivity" if screening else "certified error among accepted answers"
    if value is None:
        return name, "none: nothing is certified"
    bound = f"at least {value:.3f}" if screening else f"at most {value:.4f}"
    return name, f"{bound} with 95% confidence, for a choice among {models_among(record)} model(s)"


def _read(kind: type[Certificate], tree: Mapping[str, Any]) -> Certificate:
    """The certificate that a record holds as plain data."""
    values = {field.name: tree[field.name] for field in fields(kind)}
    if "evidence" in values:
        from shared.evaluation.statistics.intervals import Evidence

        values["evidence"] = Evidence(**values["evidence"])
    return kind(**values)


def _updated(tree: Mapping[str, Any], certificate: OperatingPoint | Rejection) -> dict[str, Any]:
    return {**tree, **asdict(certificate), "statement": certificate.statement}


def _words(record: ModelRecord, report: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts in which pages show a certificate; no other number is written in these words."""
    rule = record.operating_point or record.rejection or {}
    in_verdict = verdict_of(record, report).certificate[1:]  # pages begin a line with a capital
    return str(rule["statement"]), certificate_text(record)[1], in_verdict, escape(in_verdict)


def _replaced(text: str, words: Sequence[tuple[str, str]]) -> str:
    for old, new in words:
        text = text.replace(old, new)
    return text
