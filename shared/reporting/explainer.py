"""Explanations of answers: attribution maps of the most important slices, as pictures and as arrays, with checks."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.errors import UsageError
from shared.explanation.attribution import DEFAULT_METHOD, METHODS, methods_for
from shared.explanation.sanity_checks import Explained, Verdict, cascade, check_map
from shared.io.atomic import write_array, write_bytes
from shared.models.restore import load_trained
from shared.prediction.answer import CAUTION, NOT_RELIABLE, UNDECIDED, Answer
from shared.progress import Progress
from shared.registry import check_names
from shared.reporting.figures.sheets import explanation_picture
from shared.task import Item, Task

NOT_BELIEVED = "not to be believed"
WORDS_WIDE = 110
"""Most characters of a warning on one line of a picture."""


@dataclass(frozen=True)
class Explanation:
    """The explanation of one slice.

    Attributes:
        slice: Number of the slice in the series, from 1.
        label: The class whose score is explained.
        status: Status of the answer. Where it is "not assessed", the probability is a raw score, not to be relied on;
            where it is "not decided", nothing was decided of the series.
        probability: Probability of that class on this slice.
        method: Attribution method.
        attribution: float32 [size, size], signed, on the grid of the network's input.
        verdict: Result of the checks; None where they were left out.
        picture: File of the overlay, PNG.
        raw: File of the attribution, NumPy's `.npy`.
        cascade: Result of `shared.explanation.sanity_checks.cascade`; None where it was not asked for.
    """

    slice: int
    label: str
    status: str
    probability: float
    method: str
    attribution: NDArray[np.float32]
    verdict: Verdict | None
    picture: Path
    raw: Path
    cascade: tuple[tuple[str, float], ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Makes plain data to add to an answer in JSON.

        Returns:
            `slice`, `label`, `status`, `probability` and `method` as in the attributes; `caution` as in `Answer`;
            `checks`, the fields of the verdict with `believable`, or None without checks; `cascade`, a list of
            `random_from`, the earliest stage with random weights, and `similarity`, or None where it was not asked for;
            `picture` and `raw`, names of files without folders.
        """
        checks = None if self.verdict is None else {**asdict(self.verdict), "believable": self.verdict.believable}
        return {
            "slice": self.slice,
            "label": self.label,
            "status": self.status,
            "caution": {"assessed": None, "not decided": UNDECIDED}.get(self.status, CAUTION),
            "probability": self.probability,
            "method": self.method,
            "checks": checks,
            "cascade": None
            if self.cascade is None
            else [{"random_from": name, "similarity": value} for name, value in self.cascade],
            "picture": self.picture.name,
            "raw": self.raw.name,
        }

    def line(self, task: Task) -> str:
        """Writes one line of text for a terminal: method, slice, class, result of the checks, path of the picture.

        Args:
            task: The application, which names the class.
        """
        if self.status != "assessed":
            checked = f"raw, {NOT_RELIABLE}: {self.status}; shows what the network looks at, not a finding"
        elif self.verdict is None:
            checked = "unchecked"
        elif self.verdict.believable:
            checked = "passed its checks"
        else:
            checked = f"{NOT_BELIEVED}: {'; '.join(self.verdict.faults)}"
        explained = f"{self.method}{_place(self, task)}, {task.display_name(self.label)} {self.probability:.2f}"
        if self.cascade is not None:
            checked += "; likeness where weights are random from " + ", ".join(
                f"{name} on {value:.2f}" if value >= 0 else f"{name} on: no map" for name, value in self.cascade
            )
        return f"  {explained}: {checked}; {self.picture}"


def _place(explained: Explanation, task: Task) -> str:
    """Which slice is explained, with a comma before it; nothing where inputs are single images."""
    return f", slice {explained.slice}" if task.series_kinds else ""


class Explainer:
    """Explains answers of one run and writes the pictures into a folder.

    Args:
        task: The application.
        run: A finished run.
        out: Existing folder for pictures and maps.
        method: One of `shared.explanation.attribution.methods_for`; None: the default.
        target: The class to explain; None: the likeliest, or the likeliest positive one where the answer is positive.
        slices: Number of slices of a series to explain, those with the highest probability first.
        checks: Whether each map is checked.
        cascade: Whether each map is compared with those of the network made random stage by stage.
        progress: Called with (what, done, total, note).

    Raises:
        UsageError: No such class, no such method for the run's network, or no slice is to be explained.
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
        cascade: bool = False,
        progress: Progress = lambda *_: None,
    ) -> None:
        if method is not None:
            check_names("--method", [method], list(METHODS))
        task.register_backbones()
        if slices < 1:
            raise UsageError(f"--slices is {slices}; give a whole number from 1 on")
        self.task, self.out, self.slices, self.checks, self.cascade = task, out, slices, checks, cascade
        self.network, self.record = load_trained(run)
        self.method = method or DEFAULT_METHOD
        if self.method not in (defined := methods_for(self.network)):
            name = self.record.backbone["name"]
            raise UsageError(f"no method {self.method!r} for {name}; allowed are {', '.join(defined)}")
        if target is not None and target not in self.record.classes:
            raise UsageError(f"no class {target!r} in this run; it has {', '.join(self.record.classes)}")
        self.target = target
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network.to(self.device)
        self.count, self.progress = 0, progress

    def explain(self, item: Item, answer: Answer) -> list[Explanation]:
        """Explains one answer, and writes a picture and a map for each slice that is explained.

        Args:
            item: The input.
            answer: The answer to it. A refused one has no explanation; one that was not assessed is explained, and
                says so: the maps may show what misleads the network.

        Returns:
            An explanation for each explained slice, in the order of the series; empty where the answer was refused.
        """
        self.count += 1
        if answer.status == "refused":
            return []
        rows = self._rows(answer)
        target = self._target(rows, answer)
        weights = rows[:, target] if self.target or not any(self.record.positive) else self._suspicion(rows)
        chosen = np.sort(np.argsort(-weights, kind="stable")[: self.slices]).tolist()
        found = []
        for done, number in enumerate(chosen):
            self.progress(self.activity, done, len(chosen), f"input {self.count}")
            found.append(self._slice(number, self._image(item, number), rows[number], target, answer))
        self.progress(self.activity, len(chosen), len(chosen), f"input {self.count}")
        return found

    @property
    def activity(self) -> str:
        """What the explainer does, for its progress."""
        return "explaining and checking, maps" if self.checks else "explaining, maps"

    def _image(self, item: Item, number: int) -> NDArray[np.float32]:
        return self.task.preprocess(item.slices[number], self.record.preprocessing)

    def _rows(self, answer: Answer) -> NDArray[np.float64]:
        """Class probabilities of the slices, float64 [slices, classes]."""
        return np.array([[one.probabilities[name] for name in self.record.classes] for one in answer.slices])

    def _target(self, rows: NDArray[np.float64], answer: Answer) -> int:
        if self.target is not None:
            return self.record.classes.index(self.target)
        by_class = answer.probabilities
        whole = rows.mean(axis=0) if by_class is None else np.array([by_class[name] for name in self.record.classes])
        if answer.decision == "positive":
            whole = np.where(self.record.positive, whole, -1.0)
        return int(whole.argmax())

    def _suspicion(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(rows[:, np.array(self.record.positive)].sum(axis=1))

    def _slice(
        self, number: int, image: NDArray[np.float32], row: NDArray[np.float64], index: int, answer: Answer
    ) -> Explanation:
        explained = Explained(self.network, self.record, image, index, self.method, self.device)
        found = explained.attribution(self.network)
        verdict = check_map(explained, found) if self.checks else None
        stem = f"{self.count:03d}-slice{number + 1:03d}-{self.method}"
        explanation = Explanation(
            slice=number + 1,
            label=self.record.classes[index],
            status=answer.status,
            probability=float(row[index]),
            method=self.method,
            attribution=found,
            verdict=verdict,
            picture=self.out / f"{stem}.png",
            raw=self.out / f"{stem}.npy",
            cascade=cascade(explained, found) if self.cascade else None,
        )
        write_bytes(explanation.picture, self._picture(image, explanation, answer))
        write_array(explanation.raw, found)
        return explanation

    def _picture(self, image: NDArray[np.float32], explained: Explanation, answer: Answer) -> bytes:
        verdict = explained.verdict
        value = f"{explained.probability:.2f}" if answer.caution is None else f"{explained.probability:.2f} (raw)"
        title = f"{self.task.name}: towards {explained.label} {value}{_place(explained, self.task)}, {explained.method}"
        refusal = "" if answer.caution is None else f"{answer.reason}: {answer.caution}"
        warnings = textwrap.wrap(refusal, WORDS_WIDE)
        if verdict is None:
            warnings.append("unchecked")
        elif not verdict.believable:
            warnings.append(f"{NOT_BELIEVED}: " + "\n".join(verdict.faults))
        curves = None if verdict is None else verdict.curves
        return explanation_picture(
            image.mean(axis=0), explained.attribution, title, curves, "\n".join(warnings) or None
        )
