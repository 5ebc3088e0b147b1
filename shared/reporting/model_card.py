"""The model card: what a run knows about itself, by the fields that reviewers ask for; the rest is said to be unknown.

Fields after CLAIM 2024 (Tejani et al., Radiology: Artificial Intelligence 6:e240300, 2024) and TRIPOD+AI (Collins et
al., BMJ 385:e078378, 2024), those that a model can answer or must admit not to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.evaluation.text import MANY_CLASSES
from shared.runs.record import ModelRecord

UNKNOWN = "Unknown: the run does not record it."
UNKNOWN_FIELDS = {
    "Study and people": (
        "Registration, protocol and ethics approval",
        "Funding and conflicts of interest",
        "Involvement of patients and the public",
    ),
    "Data": (
        "Eligibility: who was included and left out before the data were given, where and when",
        "Age, sex, ethnicity and severity of disease",
        "Acquisition: sequences, fields, contrast agent",
        "Reference standard: who labelled the images, by what evidence, and how far readers agree",
        "Missing data before the data were given",
        "Sample size: how it was decided",
    ),
    "Evaluation": (
        "Fairness: results by age, sex or ethnicity",
        "Comparison with readers or with current care",
        "Results on sites and populations other than those of the test: not measured by this run",
    ),
}
"""What nothing in the data says. A person who knows may write it in."""


def model_card(
    *,
    name: str,
    title: str,
    disclaimers: Sequence[str],
    record: ModelRecord,
    config: str,
    splits: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    by_group: Sequence[Mapping[str, str]],
    facts: Sequence[tuple[str, Any]],
    misses: int | None,
) -> str:
    """The card as Markdown.

    Args:
        name: Of the run.
        title: Of the application.
        disclaimers: Sentences that must stand before every result.
        record: The run's model record.
        config: The resolved configuration, YAML.
        splits: A row a split: `split`, `images`, `groups`, `counts` by class.
        notes: Sentences about the data.
        rows: As `shared.evaluation.text.rows_of` gives them, by image.
        by_group: The same by group; empty where there are none.
        facts: Names and values of model and environment.
        misses: Positive test images below the threshold; None without a positive class.
    """
    sections = {
        "Study and people": _unknown("Study and people"),
        "Intended use": _use(record, disclaimers),
        "Data": [*_data(record, splits, notes), *_unknown("Data")],
        "Model": [f"- {key}: {value}" for key, value in facts],
        "Training": ["The whole configuration:", "", "```yaml", config.rstrip(), "```"],
        "Evaluation": [*_evaluation(record, rows, by_group, misses), "", *_unknown("Evaluation")],
    }
    lines = [f"# {name}", "", title]
    for heading, content in sections.items():
        lines += ["", f"## {heading}", "", *content]
    return "\n".join([*lines, ""])


def _unknown(section: str) -> list[str]:
    return [f"- {field}. {UNKNOWN}" for field in UNKNOWN_FIELDS[section]]


def _use(record: ModelRecord, disclaimers: Sequence[str]) -> Iterator[str]:
    for disclaimer in disclaimers:
        yield f"- {disclaimer}"
    yield f"- Input: one image or series, brought to {record.preprocessing.size} x {record.preprocessing.size} pixels."
    yield f"- Output: probabilities of {', '.join(record.classes)}."
    if any(record.positive):
        names = [name for name, positive in zip(record.classes, record.positive, strict=True) if positive]
        yield f"- Must not be missed: {', '.join(names)}; positive from a probability of {record.threshold:.4f}."
    if record.rejection is not None:
        yield f"- Rejected: answers whose likeliest class has a probability below {record.threshold:.4f}."


def _data(record: ModelRecord, splits: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> Iterator[str]:
    many = len(record.classes) > MANY_CLASSES
    columns = ["fewest of a class", "most of a class"] if many else record.classes
    yield f"| split | images | groups | {' | '.join(columns)} |"
    yield "|---" * (3 + len(columns)) + "|"
    for split in splits:
        counts = [min(split["counts"]), max(split["counts"])] if many else split["counts"]
        yield f"| {split['split']} | {split['images']} | {split['groups']} | {' | '.join(map(str, counts))} |"
    yield ""
    yield f"- Domains in training: {', '.join(record.domains)}."
    yield "- Patients are known by keyed pseudonyms only; no identifier is in the run."
    for note in notes:
        yield f"- {note}"


def _evaluation(
    record: ModelRecord,
    rows: Sequence[Mapping[str, str]],
    by_group: Sequence[Mapping[str, str]],
    misses: int | None,
) -> Iterator[str]:
    yield "Whatever was chosen (checkpoint, temperature, aggregation, threshold) was chosen on validation; the test was"
    yield "used once, after. In brackets: 95% intervals."
    for unit, table in (("by image", rows), ("by patient or other group", by_group)):
        if table:
            yield from ("", f"| {unit} | validation | test |", "|---|---|---|")
            yield from (f"| {row['measure']} | {row['validation']} | {row['test']} |" for row in table)
    yield ""
    if (chosen := record.operating_point or record.rejection) is not None:
        yield f"- {chosen['statement']}."
    if misses is not None:
        yield f"- Failures: {misses} positive test images lie below the threshold; the report shows them."
