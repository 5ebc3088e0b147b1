"""Prediction from a run folder by ONNX Runtime. Nothing here imports torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from shared.aggregation import aggregate
from shared.artifacts import check_finished, read_model_record, read_seen
from shared.errors import DataError, InputRefused, UsageError
from shared.samples import image_digest
from shared.task import Image, Item, Preprocessing, Task

BATCH = 16
LENGTH_FACTOR = 2
"""A series up to so much shorter or longer than those of validation counts as one of their kind."""
LIKELIEST = 5
"""Classes that are told of one answer, where there are many."""
SYNTHETIC_NOTE = "this model was trained on synthetic images only; its answer on a real one means nothing"

Preprocess = Callable[[NDArray[np.float32], Preprocessing], Image]


@dataclass(frozen=True)
class SliceAnswer:
    """What was found on one slice."""

    number: int
    """In the order of the series, from 1."""
    label: str
    probabilities: dict[str, float]
    positive_probability: float | None
    decision: str
    """That of the slice as if it had been given alone."""


@dataclass(frozen=True)
class Answer:
    """One answer of `predict`.

    Attributes:
        input: As the person named it.
        model: Name of the run that answers.
        status: "assessed", or "refused" with `reason`.
        reason: One line, without identifiers; None when assessed.
        label: The most probable class.
        decision: At the threshold: "positive" or "negative"; where the task has no positive class, "accepted" or
            "rejected" (too unsure to be relied on). None when refused.
        probabilities: By class, for the whole input.
        positive_probability: Probability of the positive event; None where the task has none.
        threshold: From which `positive_probability` means "positive", or the probability of `label` "accepted".
        certified_sensitivity: What validation certifies at this threshold; None where nothing was certified.
        slices: One answer a slice, in the order of the series.
        notes: What to know beside the answer.
        synthetic_model: Whether the model has only ever seen synthetic images.
    """

    input: str
    model: str
    status: Literal["assessed", "refused"]
    reason: str | None = None
    label: str | None = None
    decision: str | None = None
    probabilities: dict[str, float] | None = None
    positive_probability: float | None = None
    threshold: float | None = None
    certified_sensitivity: float | None = None
    slices: tuple[SliceAnswer, ...] = ()
    notes: tuple[str, ...] = field(default=())
    synthetic_model: bool = False

    def likeliest(self) -> list[tuple[str, float]]:
        """The likeliest classes with their probabilities, from the top; none when refused."""
        return sorted((self.probabilities or {}).items(), key=lambda entry: -entry[1])[:LIKELIEST]

    def to_json(self, task: Task) -> dict[str, Any]:
        """Plain data for `--json`: the fields, with the positive event under its own name (`tumour_probability`).

        Where the task has none, `top` lists the likeliest classes, as `label`, as people are told it and with its
        `probability`.
        """
        tree = asdict(self)
        for node in (tree, *tree["slices"]):
            value = node.pop("positive_probability")
            if task.positive_name is not None:
                node[f"{task.positive_name}_probability"] = value
        if task.positive_name is None:
            tree["top"] = [
                {"label": label, "said": task.say(label), "probability": value} for label, value in self.likeliest()
            ]
        return tree


class Predictor:
    """A finished run, ready to judge.

    Args:
        run: A finished run folder; its files are checked against the hashes in `done`.
        task: The application that asks; a run of another one is refused.
        preprocess: The application's deterministic preprocessing.

    Raises:
        UsageError: The run is unfinished or belongs to another application.
        RunError: The run is damaged.
    """

    def __init__(self, run: Path, task: str, preprocess: Preprocess) -> None:
        check_finished(run)
        self.run, self.name = run, run.resolve().name
        self.record = read_model_record(run)
        if self.record.task != task:
            raise UsageError(f"{run} is a run of {self.record.task}; `{task}` cannot use it")
        self.seen = read_seen(run)
        self.preprocess = preprocess
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
        self.session = onnxruntime.InferenceSession(
            str(run / "model.onnx"), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, slices: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
        """Class probabilities, float64 [slices, classes], of raw images."""
        return self.of_images([self.preprocess(pixels, self.record.preprocessing) for pixels in slices])

    def each(self, slices: Sequence[NDArray[np.float32]]) -> tuple[SliceAnswer, ...]:
        """What is found on each of some raw images, every one taken for itself.

        Raises:
            DataError: One cannot be judged.
        """
        return self._slices(self.probabilities(slices))

    def of_images(self, images: Sequence[Image]) -> NDArray[np.float64]:
        """Class probabilities, float64 [images, classes], of preprocessed images."""
        rows: list[NDArray[np.float32]] = [
            self.session.run(["probabilities"], {"images": np.stack(images[start : start + BATCH])})[0]
            for start in range(0, len(images), BATCH)
        ]
        return np.concatenate(rows).astype(np.float64)

    def assess(self, item: Item) -> Answer:
        """Judges one item; what cannot be judged comes back as refused."""
        if item.refusal is not None:
            return self._refused(item, item.refusal)
        if not item.slices:
            return self._refused(item, "holds no image")
        try:
            images = [self.preprocess(pixels, self.record.preprocessing) for pixels in item.slices]
            rows = self.of_images(images)
        except (InputRefused, DataError) as error:
            return self._refused(item, str(error))
        if not np.isfinite(rows).all():
            return self._refused(item, "the network gave no finite probability")
        return self._assessed(item, rows, self._acquainted(images))

    def _refused(self, item: Item, reason: str) -> Answer:
        return Answer(
            item.name, self.name, "refused", reason, notes=self._notes(item), synthetic_model=self.record.synthetic
        )

    def _assessed(self, item: Item, rows: NDArray[np.float64], notes: tuple[str, ...]) -> Answer:
        flags = np.array(self.record.positive, dtype=bool)
        whole = aggregate(rows, flags, self.record.aggregation)
        positive = self.record.aggregation.probability(rows[:, flags].sum(axis=1)) if flags.any() else None
        doubts = self._doubts(item) if flags.any() else []
        slices = self._slices(rows)
        return Answer(
            item.name,
            self.name,
            "assessed",
            label=self._label(whole),
            decision=self._decision(float(whole.max()) if positive is None else positive),
            probabilities=self._by_class(whole),
            positive_probability=positive,
            threshold=self.record.threshold,
            certified_sensitivity=None if doubts else self.record.certified_sensitivity,
            slices=slices,
            notes=(*self._notes(item), *notes, *doubts),
            synthetic_model=self.record.synthetic,
        )

    def _slices(self, rows: NDArray[np.float64]) -> tuple[SliceAnswer, ...]:
        return tuple(
            SliceAnswer(number, self._label(row), self._by_class(row), self._positive(row), self._alone(row))
            for number, row in enumerate(rows, start=1)
        )

    def _notes(self, item: Item) -> tuple[str, ...]:
        return (*item.notes, SYNTHETIC_NOTE) if self.record.synthetic else item.notes

    def _acquainted(self, images: Sequence[Image]) -> tuple[str, ...]:
        again = sum(image_digest(image) in self.seen for image in images)
        return (f"{again} of {len(images)} image(s) stood in training or validation of this model",) if again else ()

    def _doubts(self, item: Item) -> list[str]:
        """Why what was certified on validation says nothing of this item; empty where it does."""
        point, doubts = self.record.operating_point, []
        if point is None or self.record.certified_sensitivity is None:
            return ["no sensitivity was certified for this model"]
        count, (shortest, longest) = len(item.slices), point["lengths"]
        lowest = 1 if shortest == 1 else max(2, shortest / LENGTH_FACTOR)
        if not lowest <= count <= (1 if longest == 1 else longest * LENGTH_FACTOR):
            usual = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
            doubts.append(
                f"the sensitivity was certified for inputs of {usual} image(s) and says nothing of one of {count}"
            )
        if strange := sorted(set(item.domains) - set(point["domains"])):
            doubts.append(
                f"the sensitivity was certified for {', '.join(point['domains'])} and says nothing of "
                f"{', '.join(strange)}"
            )
        return doubts

    def _decision(self, value: float) -> str:
        """Of the positive probability; without a positive class, of that of the likeliest class."""
        yes, no = ("positive", "negative") if any(self.record.positive) else ("accepted", "rejected")
        return yes if value >= self.record.threshold else no

    def _alone(self, row: NDArray[np.float64]) -> str:
        value = self._positive(row)
        if value is None:
            return self._decision(float(row.max()))
        return self._decision(float(self.record.aggregation.each(np.array([value]))[0]))

    def _label(self, row: NDArray[np.float64]) -> str:
        return self.record.classes[int(row.argmax())]

    def _by_class(self, row: NDArray[np.float64]) -> dict[str, float]:
        return {name: float(value) for name, value in zip(self.record.classes, row, strict=True)}

    def _positive(self, row: NDArray[np.float64]) -> float | None:
        if not any(self.record.positive):
            return None
        return float(row[np.array(self.record.positive)].sum())
