"""The answer to one input: decision, probabilities, certified sensitivity, notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from shared.task import Item, Origin, Task

if TYPE_CHECKING:
    from shared.runs.provenance import Provenance


@dataclass(frozen=True)
class SliceAnswer:
    """The answer to one slice.

    Attributes:
        number: Place in the series, from 1.
        label: The most probable class.
        probabilities: Probability of each class.
        positive_probability: Probability of the positive event; None where the task has none.
        decision: The decision if the slice had been given alone, whatever its out-of-distribution score; None where the
            input was not assessed.
        ood_score: Out-of-distribution score, 0 to 2: high for a slice unlike the training images.
        origin: Where the slice was read from: `file`, and further numbers by name (`frame`, `instance_number`); empty
            where it is not known.
    """

    number: int
    label: str
    probabilities: dict[str, float]
    positive_probability: float | None
    decision: str | None
    ood_score: float
    origin: dict[str, str | int] = field(default_factory=dict)


NOT_RELIABLE = "not to be relied on"
HUMAN = "a human must look"
CAUTION = f"not assessed: the scores are raw and {NOT_RELIABLE}; {HUMAN}"
"""What an answer that is not assessed says of its scores."""
UNDECIDED = f"not decided: the score of the series decides nothing; {HUMAN}"
"""What an answer that is not decided says of its score."""


@dataclass(frozen=True)
class Answer:
    """One answer of `predict`.

    Attributes:
        input: The name of the input, as the user gave it.
        model: Name of the run that answers.
        status: "assessed"; "refused", where the input must not be judged; or "not assessed", where it is unlike the
            training images, or these were synthetic and it is not known to be; or "not decided", where it is a series
            of a kind or length of which no negative one was judged: its slices have decisions, the series has none.
        reason: Why it was not assessed or decided, in one line without identifiers; None when assessed.
        caution: `CAUTION` where the status is "not assessed": the label, probabilities and slices below are then raw
            scores, shown lest a suspicion be hidden, and must not be relied on. `UNDECIDED` where it is "not decided".
            None otherwise.
        label: The most probable class. This and the fields below are None, empty or without meaning when the status is
            "refused", except the notes.
        decision: At the threshold: "positive" or "negative"; where the task has no positive class, "accepted" or
            "rejected" (too unsure). None where the input was not assessed or not decided.
        probabilities: Probability of each class, for the whole input.
        positive_probability: Probability of the positive event; None where the task has none.
        threshold: Value from which `positive_probability` means "positive", or the probability of `label` "accepted".
        certified_sensitivity: Sensitivity that validation certifies at this threshold; None where nothing was certified
            or the certificate does not hold for this input.
        chosen_among: Number of models among which validation chose this one, for which the certified sensitivity
            allows; None where nothing is certified.
        ood_score: Out-of-distribution score of the input, 0 to 2, high for one unlike the training images; see
            `shared.evaluation.decision.ood`. None when refused.
        ood_threshold: Value of `ood_score` above which an input is not assessed.
        auxiliary: For each auxiliary task of the model, the probabilities of its answers, averaged over slices; they
            are not calibrated.
        slices: One answer for each slice, in the order of the series.
        acquisition: How the input was acquired, as in `shared.samples.Sample.acquisition`; empty when refused.
        notes: Sentences to read with the answer.
        synthetic_model: Whether the model was trained on synthetic images.
        verdict: What the model is fit for, in one line (`shared.evaluation.verdict.Verdict.short`).
        series_rule: How the probabilities of the slices became that of the series, in words; None for a single image
            and where the task has no positive event.
        provenance: When and on what the model was trained; None where it is not known.
        series: What the slices were read from: number of `slices` that are judged and of `files`, the `first_file`, and
            what the files say of the series (`format`, `plane`, `series_number`); empty where it is not known.
    """

    input: str
    model: str
    status: Literal["assessed", "refused", "not assessed", "not decided"]
    reason: str | None = None
    caution: str | None = None
    label: str | None = None
    decision: str | None = None
    probabilities: dict[str, float] | None = None
    positive_probability: float | None = None
    threshold: float | None = None
    certified_sensitivity: float | None = None
    chosen_among: int | None = None
    ood_score: float | None = None
    ood_threshold: float | None = None
    auxiliary: dict[str, dict[str, float]] = field(default_factory=dict)
    slices: tuple[SliceAnswer, ...] = ()
    acquisition: dict[str, str | float] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=())
    synthetic_model: bool = False
    verdict: str = ""
    series_rule: str | None = None
    provenance: Provenance | None = None
    series: dict[str, str | int] = field(default_factory=dict)

    def likeliest(self) -> list[tuple[str, float]]:
        """Lists the likeliest classes, at most `LIKELIEST` (5), with their probabilities, the highest first.

        Returns:
            Pairs of class name and probability; empty where the input was refused.
        """
        return sorted((self.probabilities or {}).items(), key=lambda entry: -entry[1])[:LIKELIEST]

    def to_json(self, task: Task) -> dict[str, Any]:
        """Makes plain data for `--json`: a dictionary of the fields, with the positive event under its own name.

        Args:
            task: The application; it names the positive event and the classes.

        Returns:
            All attributes by name, slices as dictionaries. `positive_probability` is called after the positive event
            (`tumour_probability`). Where the task has none, it is left out, and `top` lists the likeliest classes with
            `label`, `said` (its name for people) and `probability`.
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
"""Most classes that are listed with one answer."""


def with_origins(answer: Answer, item: Item) -> Answer:
    """Adds to an answer the files that its slices were read from.

    Args:
        answer: The answer about `item`; only that of an item with slices may have some itself.
        item: The item that was judged.

    Returns:
        The answer with `series` and with the `origin` of each slice; as it was where the item knows neither.
    """
    if not item.origins:
        return answer
    files = dict.fromkeys(origin.source for origin in item.origins)
    counts: dict[str, str | int] = {"slices": len(item.slices), "files": len(files), "first_file": next(iter(files))}
    slices = answer.slices and tuple(
        replace(one, origin=_facts(origin)) for one, origin in zip(answer.slices, item.origins, strict=True)
    )
    return replace(answer, slices=slices, series={**item.series, **counts})


def renamed(answer: Answer, name: Callable[[str], str]) -> Answer:
    """Names the input and the files of an answer otherwise, wherever it names them.

    Args:
        answer: The answer.
        name: Gives the text with other names for a text in which folders and files may be named.
    """

    def facts(tree: dict[str, str | int]) -> dict[str, str | int]:
        return {key: name(value) if isinstance(value, str) else value for key, value in tree.items()}

    return replace(
        answer,
        input=name(answer.input),
        reason=answer.reason and name(answer.reason),
        notes=tuple(map(name, answer.notes)),
        series=facts(answer.series),
        slices=tuple(replace(one, origin=facts(one.origin)) for one in answer.slices),
    )


def _facts(origin: Origin) -> dict[str, str | int]:
    return {"file": origin.source, **origin.numbers}
