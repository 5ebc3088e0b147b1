"""Judges inputs with an opened run, one after the other, and writes what belongs to the answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.api.answers import Answers, Extend, Judged, write_predictions
from shared.api.arguments import AnyPath
from shared.io.writes import Writes, make_folder
from shared.prediction.answer import renamed

if TYPE_CHECKING:
    from shared.prediction.answer import Answer
    from shared.prediction.predictor import Predictor
    from shared.progress import Progress
    from shared.reporting.explainer import Explainer
    from shared.task import Item, Task


@dataclass(frozen=True)
class Request:
    """Inputs to judge, and what is made of the answers.

    Attributes:
        paths: Files, folders and archives.
        out: Existing or new folder for `predictions.jsonl` and attribution maps; None: nothing is written.
        explaining: Options of `shared.reporting.explainer.Explainer`; None: answers are not explained.
        extend: Adds to each answer; None: nothing is added.
        each: Called with each input as soon as it was judged; None: not at all.
        names: What answers say in place of some folders, such as those of copies that are deleted; None: all are named.
    """

    paths: Sequence[Path]
    out: Path | None = None
    explaining: Mapping[str, Any] | None = None
    extend: Extend | None = None
    each: Callable[[Judged], object] | None = None
    names: Mapping[AnyPath, str] | None = None

    def named(self, text: str) -> str:
        """Puts the names in the place of their folders."""
        for folder, name in (self.names or {}).items():
            text = text.replace(os.fspath(folder), name)
        return text


def judge(task: Task, predictor: Predictor, request: Request, progress: Progress) -> Answers:
    """Judges inputs, and writes what belongs to the answers.

    Args:
        task: The application.
        predictor: The opened run.
        request: The inputs, and what is made of the answers.
        progress: Called with (what, done, total, note).

    Returns:
        The answers, in the order of the inputs.

    Raises:
        UsageError: A path does not exist, or a class or method to explain is not known.
        OSError: The answers could not be written; each was given to `Request.each` before.
    """
    from shared.prediction.ahead import assessed
    from shared.prediction.tracked import tracked

    items = task.read_inputs(request.paths)
    explainer = None
    if request.explaining is not None and request.out is not None:
        from shared.reporting.explainer import Explainer

        explainer = Explainer(task, predictor.run, request.out, progress=progress, **request.explaining)
    make_folder(request.out)
    writes, found = Writes(), list[Judged]()
    for item, answer in assessed(tracked(items, request.paths, progress), predictor.assess):
        judged = _judged(predictor, item, answer, explainer, request, writes)
        found.append(judged)
        if request.each is not None:
            request.each(judged)
    answers = Answers(task, predictor.name, found)
    if request.out is not None:
        writes.call(write_predictions, request.out, answers.to_json())
    writes.check()
    return answers


def _judged(
    predictor: Predictor, item: Item, answer: Answer, explainer: Explainer | None, request: Request, writes: Writes
) -> Judged:
    """One answer with its explanations and what is added to it; without these where the system refuses to write."""
    if request.names:
        answer = renamed(answer, request.named)

    def written() -> Judged:
        explanations = () if explainer is None else tuple(explainer.explain(item, answer))
        more: dict[str, Any] = {} if explainer is None else {"explanations": [one.to_json() for one in explanations]}
        lines = [] if explainer is None else [one.line(explainer.task) for one in explanations]
        if request.extend is not None:
            added, said = request.extend(item, answer, predictor.record, explanations)
            more, lines = more | added, lines + said
        return Judged(answer, explanations, more, tuple(lines))

    return writes.call(written) or Judged(answer)
