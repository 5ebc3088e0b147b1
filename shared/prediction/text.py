"""An answer of `predict` as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.prediction.answer import HUMAN, NOT_RELIABLE
from shared.runs.acquisition import describe

if TYPE_CHECKING:
    from shared.prediction.answer import Answer, SliceAnswer
    from shared.runs.record import ModelRecord
    from shared.task import Task

SLICES_A_LINE = 4


def answer_text(answer: Answer, task: Task) -> str:
    """Writes an answer as text for a terminal: decision, likeliest classes, slices, acquisition, notes.

    Args:
        answer: The answer to one input.
        task: The application, which names classes and the positive event.

    Returns:
        Several lines, joined by line breaks. Where the input was refused, status and reason in one line, and the notes;
        where it was not assessed, also the raw scores, which are said to be not reliable; where it was not decided, the
        score of the series and the decisions on its slices.
    """
    name, notes = printable(answer.input), [f"  note: {note}" for note in answer.notes]
    if answer.status == "refused":
        return "\n".join([f"{name}: refused: {answer.reason}", *notes])
    if answer.status == "not assessed":
        told = [*_raw_lines(answer, task), *_source_lines(answer), *notes]
        return "\n".join([f"{name}: not assessed, {HUMAN}: {answer.reason}", *told])
    if answer.status == "not decided":
        told = [
            f"  {undecided_score(answer, str(task.positive_name))}",
            *_slice_lines(answer, task),
            *_source_lines(answer),
        ]
        return "\n".join([f"{name}: not decided, {HUMAN}: {answer.reason}", *told, *notes])
    probabilities = answer.probabilities or {}
    label = answer.label or ""
    likeliest = f"{task.display_name(label)} ({probabilities[label]:.3f})"
    if answer.positive_probability is None:
        doubt = "rejected, likeliest class " if answer.decision == "rejected" else ""
        top = ", ".join(f"{task.display_name(class_name)} {value:.3f}" for class_name, value in answer.likeliest())
        lines = [f"{name}: {doubt}{likeliest}", f"  likeliest: {top}"]
    else:
        value, certified = answer.positive_probability, answer.certified_sensitivity
        by_rule = "" if answer.series_rule is None else f" ({answer.series_rule})"
        known = "none" if certified is None else f"{certified:.2f}"
        if (answer.chosen_among or 1) > 1:
            known += f", allowing for a choice among {answer.chosen_among} models"
        lines = [
            f"{name}: {answer.decision}, likeliest class {likeliest}",
            f"  {task.positive_name} probability {value:.3f}{by_rule}, positive from {answer.threshold:.3f}; "
            f"sensitivity certified at this threshold: {known}",
        ]
    if len(answer.slices) > 1:
        lines += _slice_lines(answer, task)
    for task_name, shares in answer.auxiliary.items():
        best = max(shares, key=lambda name: shares[name])
        lines.append(f"  {task_name}: {best} ({shares[best]:.3f})")
    lines += _source_lines(answer)
    if answer.acquisition:
        lines.append(f"  acquired: {describe(answer.acquisition)}")
    lines.append(f"  out-of-distribution score {answer.ood_score:.3f}; up to {answer.ood_threshold:.3f} is assessed")
    return "\n".join(lines + notes)


def raw_suspicion(value: float, threshold: float, positive_name: str) -> str:
    """Writes the raw probability of the positive event of an input that was not assessed, and what it does not mean.

    Args:
        value: The probability, 0 to 1.
        threshold: Value from which an assessed input is called positive.
        positive_name: Name of the positive event.
    """
    if value >= threshold:
        meaning = f"suspicious: an assessed input is positive from {threshold:.3f}"
    else:
        meaning = f"below {threshold:.3f}, which here excludes no {positive_name}"
    return f"raw {positive_name} probability {value:.3f} ({meaning}), {NOT_RELIABLE}"


def undecided_score(answer: Answer, positive_name: str) -> str:
    """Writes the score of a series that was not decided, and how many of its slices are positive on their own.

    Args:
        answer: The answer; its status is "not decided".
        positive_name: Name of the positive event.

    Returns:
        One line, such as "tumour score of the series 0.312 (highest slice), no decision; 2 of 176 slices alone would be
        positive".
    """
    alone = sum(one.decision == "positive" for one in answer.slices)
    return (
        f"{positive_name} score of the series {answer.positive_probability:.3f} ({answer.series_rule}), no decision; "
        f"{alone} of {len(answer.slices)} slices alone would be positive"
    )


def _raw_lines(answer: Answer, task: Task) -> list[str]:
    """The scores of an input that was not assessed, as a whole and by slice."""
    top = ", ".join(f"{task.display_name(name)} {value:.3f}" for name, value in answer.likeliest())
    lines = [f"  raw guesses, {NOT_RELIABLE}: {top}"]
    if answer.positive_probability is not None and answer.threshold is not None:
        said = raw_suspicion(answer.positive_probability, answer.threshold, str(task.positive_name))
        lines = [f"  {said}", *lines]
    return lines + (_slice_lines(answer, task) if len(answer.slices) > 1 else [])


def acceptance(record: ModelRecord) -> str:
    """Writes what validation found of accepted answers, without a certificate.

    A certificate is of images like validation's own, and where an input of `predict` comes from is not known.

    Args:
        record: Record of a model without a positive class.

    Returns:
        One sentence without a full stop, such as "980 of 1000 images of validation (98.0%) are accepted, 3 of them
        wrong; nothing is certified for an image of unknown origin".
    """
    rejection = record.rejection or {}
    if record.certified_error is None:
        return str(rejection["statement"])
    accepted, images = rejection["accepted"], rejection["images"]
    return (
        f"{accepted} of {images} images of validation ({accepted / images:.1%}) are accepted, {rejection['wrong']} of "
        "them wrong; nothing is certified for an image of unknown origin"
    )


def printable(name: str) -> str:
    """Escapes the control characters of a name: names in an archive may hold line breaks or terminal commands.

    Args:
        name: A file name from outside.

    Returns:
        The name on one line, with `\\n` and the like in place of characters that cannot be printed.
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in name)


def _source_lines(answer: Answer) -> list[str]:
    """A line on the files of a series; none where they are the input itself and say nothing more of it.

    None of a refused one either: its reason is enough, and names of files may be those of patients.
    """
    stated = dict(answer.series)
    count, first = stated.pop("files", 0), str(stated.pop("first_file", ""))
    slices = stated.pop("slices", 0)
    numbers = [f"{name.replace('_', ' ')} {value}" for name, value in stated.items() if isinstance(value, int)]
    if not count or answer.status == "refused" or (first == answer.input and not numbers):
        return []
    files = f"{count} files, the first {printable(first)}" if count != 1 else printable(first)
    return [f"  read from: {slices} slice{'s' if slices != 1 else ''} of {'; '.join([files, *numbers])}"]


def _slice_lines(answer: Answer, task: Task) -> list[str]:
    """A heading, then several slices a line."""
    if answer.status == "not assessed":
        known = "" if task.positive_name is None else f"{task.positive_name} "
        heading = f"number, raw {known}probability, likeliest class, {NOT_RELIABLE}"
    elif answer.positive_probability is None:
        heading = "number, probability (? where rejected) and name of the likeliest class"
    else:
        heading = f"number, {task.positive_name} probability (+ where positive), likeliest class"
    words = [_slice_text(one, task) + "~" * _is_strange(one, answer) for one in answer.slices]
    width = max(map(len, words))
    rows = [words[start : start + SLICES_A_LINE] for start in range(0, len(words), SLICES_A_LINE)]
    return [f"  by slice: {heading}", *("    " + "  ".join(word.ljust(width) for word in row).rstrip() for row in rows)]


def _is_strange(one: SliceAnswer, answer: Answer) -> bool:
    return answer.ood_threshold is not None and one.ood_score > answer.ood_threshold


def _slice_text(one: SliceAnswer, task: Task) -> str:
    if one.positive_probability is None:
        mark = "?" if one.decision == "rejected" else " "
        return f"{one.number:3d} {one.probabilities[one.label]:.2f}{mark} {task.display_name(one.label)}"
    mark = "+" if one.decision == "positive" else " "
    return f"{one.number:3d} {one.positive_probability:.2f}{mark} {task.display_name(one.label)}"
