"""The sentences about an answer in reports and pictures: short, and without anything that names a person."""

from __future__ import annotations

from medtl.task import TASK
from shared.prediction.answer import HUMAN, NOT_RELIABLE, Answer
from shared.prediction.predictor import SYNTHETIC_NOTE
from shared.prediction.text import raw_suspicion, undecided_score
from shared.runs.record import ModelRecord

WARNING = "RESEARCH USE ONLY - NOT FOR DIAGNOSIS"
MAX_SHOWN = 3
"""Number of slices that are pointed out, the most suspicious ones."""
DECISIONS = {"positive": "Tumour suspected", "negative": "No tumour suspected"}
UNASSESSED, UNDECIDED = "Not assessed", "Not decided"
"""First words of the finding where there is no decision."""


def finding(answer: Answer) -> str:
    """Writes the finding as a sentence, with its tumour probability, or with the reason why nothing was assessed.

    Of an input that was not assessed the raw probability is told too, lest a suspicion be hidden; of a series that was
    not decided its score, and how many of its slices are positive.
    """
    if answer.status == "refused":
        return f"{UNASSESSED}: {answer.reason}"
    if answer.status == "not decided":
        return f"{UNDECIDED}, {HUMAN}: {undecided_score(answer, str(TASK.positive_name))}. Reason: {answer.reason}"
    if answer.decision is None:
        return f"{UNASSESSED}, {HUMAN}: {_raw(answer)}. The input {answer.reason}"
    return f"{DECISIONS[answer.decision]}: {_probability(answer)}"


def most_suspicious(answer: Answer) -> list[int]:
    """Lists the numbers, from 1, of up to three slices, the most suspicious first; empty for a refused answer."""
    ordered = sorted(answer.slices, key=lambda one: -(one.positive_probability or 0.0))
    return [one.number for one in ordered[:MAX_SHOWN]]


def remarks(answer: Answer, record: ModelRecord) -> list[str]:
    """Writes what a reader must know besides the finding, one line of text for each remark.

    Args:
        answer: The answer, assessed or not.
        record: Record of the model that answered.

    Returns:
        Warning and disclaimers; likeliest class, slices and, where a finding was made, operating point; the series that
        was judged; the model with its training; the notes.
    """
    lines = [WARNING, *TASK.disclaimers, *([f"Model fit for: {answer.verdict}"] if answer.verdict else [])]
    if answer.caution is not None:
        lines += [f"Caution: {answer.caution}", *_scores(answer, "Raw: " if answer.status == "not assessed" else "")]
    elif answer.decision is not None:
        lines += _details(answer, record)
    lines += [*_judged(answer), _model(answer)]
    return lines + [f"Note: {note}" for note in answer.notes]


def _probability(answer: Answer) -> str:
    rule = "" if answer.series_rule is None else f" ({answer.series_rule})"
    return f"tumour probability {answer.positive_probability:.3f}{rule}, suspected from {answer.threshold:.3f}"


def _raw(answer: Answer) -> str:
    return raw_suspicion(answer.positive_probability or 0.0, answer.threshold or 0.0, str(TASK.positive_name))


def _scores(answer: Answer, kind: str) -> list[str]:
    """The likeliest class and the most suspicious slices; `kind` stands before each line."""
    label = answer.label or ""
    lines = [f"{kind}Likeliest class: {label} ({(answer.probabilities or {})[label]:.3f})"]
    if len(answer.slices) > 1:
        listed = (f"{n} ({answer.slices[n - 1].positive_probability:.3f})" for n in most_suspicious(answer))
        where = f"Most suspicious of {len(answer.slices)} slices, by number in the order of the series"
        lines.append(f"{kind}{where}: {', '.join(listed)}")
    return lines


def _details(answer: Answer, record: ModelRecord) -> list[str]:
    lines = _scores(answer, "")
    if answer.certified_sensitivity is None:
        lines.append("No sensitivity is certified for this input")
    elif record.operating_point is not None:
        lines.append(f"Operating point: {record.operating_point['statement']}")
    return lines


def _judged(answer: Answer) -> list[str]:
    """What was judged: number of slices, plane and series number, as far as they are known; no file name."""
    series = answer.series
    if not series:
        return []
    plane = [f"plane {series['plane']}"] if "plane" in series else []
    number = [f"series number {series['series_number']}"] if "series_number" in series else []
    count = f"{series['slices']} slices of {series['files']} images"
    return [f"Read from the series: {', '.join([count, *plane, *number])}"]


def _model(answer: Answer) -> str:
    """Which model answered, and when and on what it was trained."""
    return f"Model {answer.model}" + (f", {answer.provenance.words}" if answer.provenance is not None else "")


def captions(answer: Answer, record: ModelRecord, number: int, towards: str | None) -> list[str]:
    """Writes the lines of text below the picture of one slice.

    Args:
        answer: The answer about the whole series; it must not be refused.
        record: Record of the model that answered.
        number: Number of the slice, from 1.
        towards: The class whose score the overlay explains; None where the picture has no overlay.

    Returns:
        Finding, probabilities of series and slice, warnings where they apply, and last the model.
    """
    one, place = answer.slices[number - 1], f"Slice {number} of {len(answer.slices)}"
    if answer.status == "not decided":
        lines = [
            f"{UNDECIDED}: {HUMAN}",
            f"Whole input: {undecided_score(answer, str(TASK.positive_name))}",
            f"{place}: tumour probability {one.positive_probability:.3f}, {one.decision} alone",
        ]
    elif answer.decision is None:
        lines = [
            f"{UNASSESSED}: {HUMAN}",
            f"Raw scores, {NOT_RELIABLE}: tumour probability {answer.positive_probability:.3f}",
            f"{place}: raw tumour probability {one.positive_probability:.3f}",
        ]
    else:
        lines = [
            DECISIONS[answer.decision],
            f"Whole input: {_probability(answer)}",
            f"{place}: tumour probability {one.positive_probability:.3f}",
        ]
    if answer.ood_threshold is not None and one.ood_score > answer.ood_threshold:
        lines.append("This slice is unlike the images that the model was trained on")
    if towards is not None:
        lines.append(attribution(towards))
    if answer.synthetic_model:
        lines.append(f"Note: {SYNTHETIC_NOTE}")
    return [*lines, f"Model {answer.model}, weights {record.weights_hash[:12]}"]


def attribution(towards: str) -> str:
    """Writes the caption of an attribution map, which says that it is not a localisation.

    Args:
        towards: The class whose score the map explains.
    """
    return f"Attribution to {towards} (not a localisation)"
