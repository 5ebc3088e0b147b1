"""Reads pages: cuts them into characters, and judges each with a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from handwriting.inputs import read_inputs
from handwriting.labels import CHARACTERS
from handwriting.page.page import Character, Page, draw_boxes, read_page
from shared.api.answers import write_predictions
from shared.errors import DataError
from shared.io.atomic import write_bytes
from shared.io.writes import Writes, make_folder
from shared.prediction.answer import CAUTION, HUMAN, NOT_RELIABLE
from shared.prediction.predictor import NOT_SYNTHETIC, SYNTHETIC_NOTE, Predictor
from shared.prediction.text import printable
from shared.prediction.tracked import tracked
from shared.progress import Progress
from shared.task import Item

UNREAD = "▢"
"""Replaces a character that was rejected or not assessed."""
NOT_ASSESSED, PARTLY_ASSESSED = "not assessed", "partly assessed"
GUESSES = 3
"""Likeliest classes that are listed with each character."""
MAX_LISTED = 20
"""Most characters of a page whose guesses are printed; JSON has all of them."""


@dataclass(frozen=True)
class Guess:
    """One of the likeliest classes of a character.

    Attributes:
        label: The class.
        symbol: The character in Unicode; the label where no known character has it.
        probability: Probability of the class. Where the character was not assessed it is a raw score, not to be relied
            on.
    """

    label: str
    symbol: str
    probability: float


@dataclass(frozen=True)
class Reading:
    """One character of a page, as a run judged it.

    Attributes:
        number: Number in reading order, from 1, as on the drawing.
        line: Number of the line, from 1.
        word: Number of the word in its line, from 1.
        box: row0, column0, row1, column1 on the deskewed page, in pixels.
        label: The most probable class.
        symbol: The character in Unicode; the label where no known character has it.
        probability: Probability of the class.
        decision: "accepted", "rejected", or "not assessed": unlike the training images, such as a blot, with more ink
            than a bare letter, or not known to be synthetic where the model is one of synthetic images.
        has_sign: Whether it has more ink than a bare letter, as one with a vowel sign.
        ood_score: Out-of-distribution score: the larger, the less like the training images.
        guesses: The likeliest classes, the likeliest first.
    """

    number: int
    line: int
    word: int
    box: tuple[int, int, int, int]
    label: str
    symbol: str
    probability: float
    decision: str
    ood_score: float
    has_sign: bool = False
    guesses: tuple[Guess, ...] = ()


def read_pages(
    predictor: Predictor,
    paths: Sequence[Path],
    out: Path | None,
    each: Callable[[dict[str, Any]], object] | None,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Reads photographs of pages, and writes what belongs to them where a folder is named.

    Args:
        predictor: The opened run that judges the characters.
        paths: Pictures, folders and zips of them.
        out: Folder for `predictions.jsonl` and a drawing of each page; None: neither is written.
        each: Called with each page as soon as it was read; None: not at all.
        progress: Called with (what, done, total, note).

    Returns:
        Plain data of each page, as `read_item` gives it.

    Raises:
        UsageError: A path does not exist.
        OSError: The results could not be written; each was given to `each` before.
    """
    pictures = read_inputs(paths)
    make_folder(out)
    trees, writes = list[dict[str, Any]](), Writes()
    for count, item in enumerate(tracked(pictures, paths, progress), start=1):
        tree, page = read_item(item, predictor)
        trees.append(tree)
        if each is not None:
            each(tree)
        if page is not None and out is not None:
            writes.call(write_bytes, out / f"page-{count}.png", draw_boxes(page))
    writes.call(write_predictions, out, trees)
    writes.check()
    return trees


def read_item(item: Item, predictor: Predictor) -> tuple[dict[str, Any], Page | None]:
    """Reads one page.

    Args:
        item: The page as a picture, or its refusal.
        predictor: The opened run that judges the characters.

    Returns:
        Plain data for `--json`, and the page that was cut. The dict has `input`, `model`, `verdict`, `provenance`
        (fields of `shared.runs.provenance.Provenance`) and `status`: "assessed", "partly assessed" and "not assessed"
        where all, some and none of the characters were, or "refused". A read page also has `text`, `angle_degrees`,
        `notes`, `not_assessed` (number of characters), `caution` (as in `shared.prediction.answer.Answer`),
        `characters` (fields of `Reading`) and `synthetic_model`. A refused one has `reason` instead, and None for the
        page.
    """
    tree: dict[str, Any] = {
        "input": item.name,
        "model": predictor.name,
        "verdict": predictor.verdict,
        "provenance": asdict(predictor.provenance),
    }
    try:
        page = _cut(item)
        readings = read_characters(page, predictor, synthetic=item.synthetic)
    except DataError as error:
        return tree | {"status": "refused", "reason": str(error)}, None
    strange = sum(one.decision == NOT_ASSESSED for one in readings)
    tree |= {
        "status": NOT_ASSESSED if strange == len(readings) else PARTLY_ASSESSED if strange else "assessed",
        "not_assessed": strange,
        "caution": CAUTION if strange else None,
        "text": as_text(readings),
        "angle_degrees": page.angle_degrees,
        "notes": [*_undecided(predictor, item.synthetic), *_notes(page, readings)],
        "characters": [asdict(one) for one in readings],
        "synthetic_model": predictor.record.synthetic,
    }
    return tree, page


def read_characters(page: Page, predictor: Predictor, *, synthetic: bool = False) -> list[Reading]:
    """Judges every character of a page.

    Args:
        page: The page that was cut.
        predictor: The opened run that judges. One that was trained on synthetic images decides on no other page.
        synthetic: Whether the page is known to be synthetic.

    Returns:
        A reading for each character, in reading order.

    Raises:
        DataError: A character cannot be judged.
    """
    places = [
        (row, column, character)
        for row, line in enumerate(page.lines, start=1)
        for column, word in enumerate(line, start=1)
        for character in word.characters
    ]
    answers = predictor.each([character.pixels for *_, character in places])
    # above no score of an image: a model of fonts decides on nothing that a hand may have written
    highest = -1.0 if _undecided(predictor, synthetic) else predictor.record.ood["threshold"]
    return [
        Reading(
            number,
            row,
            column,
            character.box,
            answer.label,
            _symbol(answer.label),
            answer.probabilities[answer.label],
            NOT_ASSESSED if answer.ood_score > highest or _has_sign(character, answer.label) else str(answer.decision),
            answer.ood_score,
            _has_sign(character, answer.label),
            _guesses(answer.probabilities),
        )
        for number, ((row, column, character), answer) in enumerate(zip(places, answers, strict=True), start=1)
    ]


def as_text(readings: Sequence[Reading]) -> str:
    """Writes the text of a page in Unicode, one line of text for each line of the page.

    Words have a blank between them. `UNREAD` stands for each character that was not accepted.

    Args:
        readings: The characters in reading order; none give an empty text.
    """
    lines: dict[int, dict[int, str]] = {}
    for one in readings:
        words = lines.setdefault(one.line, {})
        words[one.word] = words.get(one.word, "") + (one.symbol if one.decision == "accepted" else UNREAD)
    return "\n".join(" ".join(words.values()) for words in lines.values())


def _undecided(predictor: Predictor, synthetic: bool) -> list[str]:
    """Why no character of a page is decided on, in one sentence; none where they are."""
    return [f"the page {NOT_SYNTHETIC}"] if predictor.record.synthetic and not synthetic else []


def _symbol(label: str) -> str:
    return CHARACTERS[label].symbol if label in CHARACTERS else label


def _guesses(probabilities: Mapping[str, float]) -> tuple[Guess, ...]:
    likeliest = sorted(probabilities.items(), key=lambda entry: -entry[1])[:GUESSES]
    return tuple(Guess(label, _symbol(label), value) for label, value in likeliest)


def _has_sign(character: Character, label: str) -> bool:
    """Whether a character has a sign; the strokes of digits only look so."""
    return character.has_sign and not (label in CHARACTERS and CHARACTERS[label].kind == "digit")


def _notes(page: Page, readings: Sequence[Reading]) -> list[str]:
    """What the user must know of a page, one sentence each."""
    notes = list(page.notes)
    if count := sum(one.has_sign for one in readings):
        has = "character has" if count == 1 else "characters have"
        notes.append(f"{count} {has} more ink than a letter, as vowel signs: signs are not read, nor the letters alone")
    return notes


def _cut(item: Item) -> Page:
    if item.refusal is not None:
        raise DataError(item.refusal)
    return read_page(item.slices[0])


def page_text(tree: Mapping[str, Any]) -> str:
    """Writes what was read of a page as text for a terminal.

    Args:
        tree: Plain data of a page, as `read_item` gives it.
    """
    name = tree["input"]
    if tree["status"] == "refused":
        return f"{printable(name)}: refused: {tree['reason']}"
    characters = tree["characters"]
    counts = Counter(one["decision"] for one in characters)
    unread = [f"{counts[decision]} {decision}" for decision in ("rejected", NOT_ASSESSED) if counts[decision]]
    head = f"{printable(name)}: {len(characters)} {'character' if len(characters) == 1 else 'characters'}"
    if unread:
        head += f", {', '.join(unread)} ({UNREAD})"
    notes = [*tree["notes"], *([SYNTHETIC_NOTE] if tree["synthetic_model"] else [])]
    text = [*tree["text"].splitlines(), *_unread_lines(characters)]
    return "\n".join([head, *(f"  {line}" for line in text), *(f"  note: {one}" for one in notes)])


def _unread_lines(characters: Sequence[dict[str, Any]]) -> list[str]:
    """The raw guesses at the characters that were not assessed."""
    unread = [one for one in characters if one["decision"] == NOT_ASSESSED]
    if not unread:
        return []
    lines = [f"not assessed, {HUMAN}; number in reading order and raw guesses, {NOT_RELIABLE}:"]
    for one in unread[:MAX_LISTED]:
        guesses = ", ".join(f"{guess['symbol']} {guess['probability']:.2f}" for guess in one["guesses"])
        lines.append(f"  {one['number']:3d}: ? {guesses}")
    if len(unread) > MAX_LISTED:
        lines.append(f"  and {len(unread) - MAX_LISTED} more, which --json lists")
    return lines
