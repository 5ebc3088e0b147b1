"""The answer to one input: decision, probabilities, certificate, notes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from shared.task import Task


@dataclass(frozen=True)
class SliceAnswer:
    """What was found on one slice."""

    number: int
    """In the order of the series, from 1."""
    label: str
    probabilities: dict[str, float]
    positive_probability: float | None
    decision: str
    """That of the slice as if it had been given alone and lay within the distribution."""
    ood_score: float
    """How unlike the training images it is."""


@dataclass(frozen=True)
class Answer:
    """One answer of `predict`.

    Attributes:
        input: As the person named it.
        model: Name of the run that answers.
        status: "assessed"; "refused", where the input is none that may be judged; or "not assessed", where the model
            knows nothing like it.
        reason: One line, without identifiers; None when assessed.
        label: The most probable class.
        decision: At the threshold: "positive" or "negative"; where the task has no positive class, "accepted" or
            "rejected" (too unsure to be relied on). None, as what follows, when not assessed.
        probabilities: By class, for the whole input.
        positive_probability: Probability of the positive event; None where the task has none.
        threshold: From which `positive_probability` means "positive", or the probability of `label` "accepted".
        certified_sensitivity: What validation certifies at this threshold; None where nothing was certified.
        ood_score: How unlike the training images the input is, 0 to 2; see
            `shared.evaluation.decision.ood`. None when refused.
        ood_threshold: Above which it is not assessed.
        auxiliary: By auxiliary task that the model has learnt, the probabilities of its answers,
            averaged over slices; they were not calibrated.
        slices: One answer a slice, in the order of the series.
        notes: What to know beside the answer.
        synthetic_model: Whether the model has only ever seen synthetic images.
    """

    input: str
    model: str
    status: Literal["assessed", "refused", "not assessed"]
    reason: str | None = None
    label: str | None = None
    decision: str | None = None
    probabilities: dict[str, float] | None = None
    positive_probability: float | None = None
    threshold: float | None = None
    certified_sensitivity: float | None = None
    ood_score: float | None = None
    ood_threshold: float | None = None
    auxiliary: dict[str, dict[str, float]] = field(default_factory=dict)
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
                {"label": label, "said": task.display_name(label), "probability": value}
                for label, value in self.likeliest()
            ]
        return tree


LIKELIEST = 5
"""Classes that are told of one answer, where there are many."""
