"""Answers explained: for the slices that matter the attribution as a picture and as raw numbers, with its checks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.artifacts import write_array, write_bytes
from shared.errors import UsageError
from shared.explain import attribute, methods_for, usual_method
from shared.figures import explanation
from shared.predictor import Answer, SliceAnswer
from shared.saliency_checks import Verdict, check_map
from shared.task import Item, Task
from shared.trained import load_trained

NOT_BELIEVED = "not to be believed"


@dataclass(frozen=True)
class Explanation:
    """One slice explained.

    Attributes:
        slice: Its number in the series, from 1.
        label: The class whose score is explained.
        probability: Of that class on this slice.
        method: Of attribution.
        attribution: float32 [size, size], signed, on the grid that the network sees.
        verdict: Of the checks; None where they were left out.
        picture: File of the overlay.
        raw: File of the attribution, as NumPy writes it.
    """

    slice: int
    label: str
    probability: float
    method: str
    attribution: NDArray[np.float32]
    verdict: Verdict | None
    picture: Path
    raw: Path

    def to_json(self) -> dict[str, Any]:
        """Plain data beside an answer; the files by their names alone."""
        checks = None if self.verdict is None else {**asdict(self.verdict), "believable": self.verdict.believable}
        return {
            "slice": self.slice,
            "label": self.label,
            "probability": self.probability,
            "method": self.method,
            "checks": checks,
            "picture": self.picture.name,
            "raw": self.raw.name,
        }

    def in_words(self, task: Task) -> str:
        """One line for a person."""
        if self.verdict is None:
            judged = "unchecked"
        elif self.verdict.believable:
            judged = "passed its checks"
        else:
            judged = f"{NOT_BELIEVED}: {'; '.join(self.verdict.faults)}"
        explained = f"{self.method}, slice {self.slice}, {task.say(self.label)} {self.probability:.2f}"
        return f"  {explained}: {judged}; {self.picture}"


class Explainer:
    """Explains answers of one run and writes the pictures into a folder.

    Args:
        task: The application.
        run: A finished run.
        out: Where pictures and maps go; it exists.
        method: One of `shared.explain.methods_for`; None: the usual one of the run's network.
        target: The class to explain; None: the likeliest, and where the answer is positive the likeliest positive one.
        slices: Of a series, how many are explained, the most suspicious (or surest) first.
        checks: Whether each map is checked.

    Raises:
        UsageError: No such class, or no such method for the run's network.
        RunError: The run is damaged.
    """

    def __init__(
        self,
        task: Task,
        run: Path,
        out: Path,
        *,
        method: str | None = None,
        target: str | None = None,
        slices: int = 3,
        checks: bool = True,
    ) -> None:
        task.register()
        self.task, self.out, self.slices, self.checks = task, out, slices, checks
        self.network, self.record = load_trained(run)
        self.method = method or usual_method(self.network)
        if self.method not in (defined := methods_for(self.network)):
            name = self.network.backbone.record.name
            raise UsageError(f"no method {self.method!r} for {name}; allowed are {', '.join(defined)}")
        if target is not None and target not in self.record.classes:
            raise UsageError(f"no class {target!r} in this run; it has {', '.join(self.record.classes)}")
        self.target = target
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network.to(self.device)
        self.count = 0

    def explain(self, item: Item, answer: Answer) -> list[Explanation]:
        """Explains one answer; one that was not assessed has no slices, and nothing to be explained."""
        self.count += 1
        if not answer.slices:
            return []
        target = self.target or self._likeliest(answer)
        chosen = sorted(answer.slices, key=lambda one: -self._weight(one, target))[: self.slices]
        return [self._slice(item, one, target) for one in sorted(chosen, key=lambda one: one.number)]

    def _likeliest(self, answer: Answer) -> str:
        among = answer.probabilities or {}
        if answer.decision == "positive":
            dangerous = dict(zip(self.record.classes, self.record.positive, strict=True))
            among = {name: value for name, value in among.items() if dangerous[name]}
        return max(among, key=lambda name: among[name])

    def _weight(self, one: SliceAnswer, target: str) -> float:
        suspicion = one.positive_probability
        return one.probabilities[target] if suspicion is None or self.target else suspicion

    def _slice(self, item: Item, one: SliceAnswer, target: str) -> Explanation:
        image = self.task.preprocess(item.slices[one.number - 1], self.record.preprocessing)
        index = self.record.classes.index(target)
        found = attribute(self.network, image[None], np.array([index]), self.device, self.method)[0]
        verdict = None
        if self.checks:
            verdict = check_map(self.network, self.record, image, index, found, self.method, self.device)
        stem = f"{self.count:03d}-slice{one.number:03d}-{self.method}"
        explained = Explanation(
            slice=one.number,
            label=target,
            probability=one.probabilities[target],
            method=self.method,
            attribution=found,
            verdict=verdict,
            picture=self.out / f"{stem}.png",
            raw=self.out / f"{stem}.npy",
        )
        write_bytes(explained.picture, self._picture(image, explained))
        write_array(explained.raw, found)
        return explained

    def _picture(self, image: NDArray[np.float32], explained: Explanation) -> bytes:
        verdict = explained.verdict
        title = f"{explained.label} {explained.probability:.2f}, slice {explained.slice}, {explained.method}"
        if verdict is None:
            return explanation(image.mean(axis=0), explained.attribution, title, None, "unchecked")
        warning = None if verdict.believable else f"{NOT_BELIEVED}: " + "\n".join(verdict.faults)
        return explanation(image.mean(axis=0), explained.attribution, title, verdict.curves, warning)
