"""Answers to inputs, in order, with what belongs to each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

if TYPE_CHECKING:
    from shared.prediction.answer import Answer
    from shared.reporting.explainer import Explanation
    from shared.runs.record import ModelRecord
    from shared.task import Item, Task

Extend: TypeAlias = "Callable[[Item, Answer, ModelRecord, Sequence[Explanation]], tuple[dict[str, Any], list[str]]]"
"""Takes one answer; gives plain data to add to its JSON, and lines for a person."""


@dataclass(frozen=True)
class Judged:
    """One input that was judged.

    Attributes:
        answer: The answer to it.
        explanations: Attribution maps of its slices; empty where none were asked for.
        more: Plain data that were added to the answer's own.
        lines: Lines for a person, in addition to those of the answer.
    """

    answer: Answer
    explanations: tuple[Explanation, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    def to_json(self, task: Task) -> dict[str, Any]:
        """Makes the plain data that `predict --json` prints.

        Args:
            task: The application, which names the positive event.
        """
        return {**self.answer.to_json(task), **self.more}

    def text(self, task: Task) -> str:
        """Writes it as text for a terminal, several lines.

        Args:
            task: The application, which names classes and the positive event.
        """
        from shared.prediction.text import answer_text

        return "\n".join([answer_text(self.answer, task), *self.lines])


class Answers(Sequence["Answer"]):
    """The answers of a run to inputs, in their order; each is a `shared.prediction.answer.Answer`.

    Args:
        task: The application.
        model: Name of the run.
        judged: The inputs with their answers.

    Attributes:
        judged: The inputs with their answers, explanations and what was added to them.
    """

    def __init__(self, task: Task, model: str, judged: Sequence[Judged]) -> None:
        self.task, self.model, self.judged = task, model, tuple(judged)

    @overload
    def __getitem__(self, index: int) -> Answer: ...

    @overload
    def __getitem__(self, index: slice) -> Answers: ...

    def __getitem__(self, index: int | slice) -> Answer | Answers:
        if isinstance(index, slice):
            return Answers(self.task, self.model, self.judged[index])
        return self.judged[index].answer

    def __len__(self) -> int:
        return len(self.judged)

    def __iter__(self) -> Iterator[Answer]:
        return (one.answer for one in self.judged)

    @property
    def explanations(self) -> list[tuple[Explanation, ...]]:
        """Explanations of each answer, in the order of the answers; empty ones where none were asked for."""
        return [one.explanations for one in self.judged]

    def to_json(self) -> list[dict[str, Any]]:
        """Returns one dictionary of plain data for each answer, equal to what `predict --json` prints."""
        return [json.loads(json_line(one.to_json(self.task))) for one in self.judged]

    def __repr__(self) -> str:
        return "\n".join(one.text(self.task) for one in self.judged)

    def _repr_html_(self) -> str:
        from shared.api.notebook import answers_html

        return answers_html(self)


def json_line(tree: Mapping[str, Any]) -> str:
    """Writes one answer as JSON text in a single line, without a line break at its end.

    Args:
        tree: The answer as plain data; NaN and infinity are not allowed.
    """
    line = json.dumps(tree, ensure_ascii=False, allow_nan=False)
    return line.encode("utf-8", "backslashreplace").decode()  # a file name need not be UTF-8; JSON knows \udcff


def write_predictions(out: Path | None, trees: Sequence[Mapping[str, Any]]) -> None:
    """Writes `predictions.jsonl` into a folder.

    Args:
        out: The folder, which exists; None: nothing is written.
        trees: The answers as plain data, one a line.
    """
    from shared.io.atomic import write_text

    if out is not None:
        write_text(out / "predictions.jsonl", "".join(f"{json_line(tree)}\n" for tree in trees))
