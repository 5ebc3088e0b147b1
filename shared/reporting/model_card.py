"""The model card of a run: the fields that reviewers ask for, with "unknown" where the run does not record the answer.

The fields follow CLAIM 2024 (Tejani et al., Radiology: Artificial Intelligence 6:e240300, 2024) and TRIPOD+AI (Collins
et al., BMJ 385:e078378, 2024).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.evaluation.decision.kinds import kinds_text
from shared.evaluation.text import MANY_CLASSES
from shared.runs.acquisition import describe_seen
from shared.runs.record import ModelRecord

UNKNOWN = "Unknown: the run does not record it."
UNKNOWN_FIELDS = {
    "Study and people": (
        "Registration, protocol and ethics approval",
        "Funding and conflicts of interest",
        "Involvement of the public and of those whom it concerns",
    ),
    "Data": (
        "Eligibility: who was included and excluded before the data were handed over, where and when",
        "Age, sex, ethnicity and severity of disease",
        "Acquisition: what is not listed above, such as the parameters of pulse sequences",
        "Reference standard: who labelled the images, on what evidence, and how well readers agree",
        "Missing data before the data were handed over",
        "Sample size: how it was determined",
    ),
    "Evaluation": (
        "Fairness: results by age, sex or ethnicity",
        "Comparison with readers or with current care",
        "Results on sites and populations other than those of the test: not measured by this run",
    ),
}
"""Fields that the data do not answer, where groups are patients. A person who knows the answer may fill them in."""
UNKNOWN_OF_OTHERS = {
    "Study and people": ("Funding and conflicts of interest",),
    "Data": (
        "Origin: who collected the data, where and when, and what was left out before they were handed over",
        "Labels: who gave them, on what evidence, and how well people agree on them",
        "Sample size: how it was determined",
    ),
    "Evaluation": ("Results on data of other origin than those of the test: not measured by this run",),
}
"""The same of other data."""
PATIENT = "patient"
"""`Task.group_name` of clinical data."""


def model_card(record: ModelRecord, context: Mapping[str, Any]) -> str:
    """Writes the model card of a run.

    Args:
        record: The run's model record.
        context: Result of `shared.reporting.run_report.report_context`.

    Returns:
        The card as Markdown text; fields that the run does not record say "Unknown".
    """
    tables = (context["rows"], context["by_group"])
    evaluation = [*_evaluation(record, context["choice"], tables, context["false_negatives"])]
    evaluation += [line for table in context["by_domain"] for line in _by_domain(table)]
    if context["missed"] is not None:
        evaluation += [f"- {line}" for line in context["missed"]["lines"]]
    evaluation += _abstention(context["abstention"])
    fields = UNKNOWN_FIELDS if context["group_name"] == PATIENT else UNKNOWN_OF_OTHERS
    sections = {
        "Study and people": _unknown(fields["Study and people"]),
        "Intended use": _use(record, context["disclaimers"]),
        "Data": [*_data(record, context["data"], context["notes"]), *_unknown(fields["Data"])],
        "Model": [f"- {key}: {value}" for key, value in context["facts"]],
        "Training": ["The whole configuration:", "", "```yaml", context["config"].rstrip(), "```"],
        "Evaluation": [*evaluation, "", *_unknown(fields["Evaluation"])],
    }
    lines = [f"# {context['name']}", "", context["title"], "", "## Verdict", ""]
    lines += [f"- {line[0].upper()}{line[1:]}." for line in context["verdict"]]
    for heading, content in sections.items():
        lines += ["", f"## {heading}", "", *content]
    return "\n".join([*lines, ""])


def _unknown(fields: Sequence[str]) -> list[str]:
    return [f"- {field}. {UNKNOWN}" for field in fields]


def _use(record: ModelRecord, disclaimers: Sequence[str]) -> Iterator[str]:
    for disclaimer in disclaimers:
        yield f"- {disclaimer}"
    has_series = bool(record.negative_series.get("properties"))
    one, side = "one image or series" if has_series else "one image", record.preprocessing.size
    yield f"- Input: {one}, resized to {side} x {side} pixels."
    yield f"- Output: probabilities of {', '.join(record.classes)}."
    if any(record.positive):
        names = [name for name, positive in zip(record.classes, record.positive, strict=True) if positive]
        yield f"- Must not be missed: {', '.join(names)}; positive from a probability of {record.threshold:.4f}."
    if has_series:
        yield f"- A series is judged by one rule: {record.aggregation.rule}; {record.aggregation_reason}."
        yield f"- Series that get a decision, by those of validation: {kinds_text(record.negative_series)}."
    if record.rejection is not None:
        yield f"- Rejected: answers whose likeliest class has a probability below {record.threshold:.4f}."


def _by_domain(table: Mapping[str, Any]) -> Iterator[str]:
    extremes = f", at the run's own threshold: {table['extremes']}" if table["extremes"] else ""
    yield f"- {table['heading']}{extremes}."
    yield from ("", f"| domain | images | {' | '.join(table['columns'])} |", "|---" * (2 + len(table["columns"])) + "|")
    yield from (f"| {_cell(row['domain'])} | {row['n']} | {' | '.join(row['cells'])} |" for row in table["rows"])
    yield ""


def _cell(text: str) -> str:
    """A text for a cell of a Markdown table."""
    return text.replace("|", "\\|")


def _abstention(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"- Not assessed: {found['text']}. The threshold was {found['rule']}."
    if found["rows"]:
        yield from ("", "| class | inputs of the test | not assessed | share |", "|---|---|---|---|")
        for row in found["rows"]:
            yield f"| {row['class']} | {row['inputs']} | {row['not_assessed']} | {row['share']} |"


def _data(record: ModelRecord, splits: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> Iterator[str]:
    many = len(record.classes) > MANY_CLASSES
    columns = ["fewest of a class", "most of a class"] if many else record.classes
    yield f"| split | images | groups | {' | '.join(columns)} |"
    yield "|---" * (3 + len(columns)) + "|"
    for split in splits:
        counts = [min(split["counts"]), max(split["counts"])] if many else split["counts"]
        yield f"| {split['split']} | {split['images']} | {split['groups']} | {' | '.join(map(str, counts))} |"
    yield ""
    yield f"- Training domains: {', '.join(record.domains)}."
    yield f"- Acquisition: {describe_seen(record.acquisition)}."
    yield "- Groups are stored as keyed pseudonyms only; the run holds no identifier."
    for note in notes:
        yield f"- {note}"


def _evaluation(
    record: ModelRecord, choice: str, tables: Sequence[Sequence[Mapping[str, str]]], misses: int | None
) -> Iterator[str]:
    yield choice
    yield "The test was used once, after that. In brackets: 95% intervals."
    for unit, table in zip(("by image", "by group"), tables, strict=True):
        if table:
            yield from ("", f"| {unit} | validation | test |", "|---|---|---|")
            yield from (f"| {row['measure']} | {row.get('validation', 'none')} | {row['test']} |" for row in table)
    yield ""
    if (chosen := record.operating_point or record.rejection) is not None:
        yield f"- {chosen['statement']}."
    if misses is not None:
        yield f"- Failures: {misses} positive test images lie below the threshold; the report shows them."
