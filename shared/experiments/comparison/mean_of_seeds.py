"""The mean of the seeds of a row: what `ensemble` would make of its runs, by the predictions that they store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared.config.read import validate
from shared.errors import UsageError
from shared.evaluation.calibration import fit_temperature, softmax
from shared.evaluation.decision.decide import Decision, decide
from shared.evaluation.decision.operating_point import OperatingPoint
from shared.evaluation.evaluate import evaluate
from shared.evaluation.unjudged import silenced
from shared.experiments.comparison.plan import Cell
from shared.runs.members import Member, models_in_all, read_members
from shared.runs.predictions import Predictions
from shared.runs.record import ModelRecord

if TYPE_CHECKING:
    from shared.task import Task

LEAST = float(np.finfo(np.float64).tiny)
"""In place of a probability of 0, which has no logarithm."""


@dataclass(frozen=True)
class SeedMean:
    """The mean of the answers of runs that differ in their seed.

    Attributes:
        seeds: Seeds of the runs.
        record: The record of the first run with the decision rule and the certificate of the mean.
        predictions: What the mean says of the images of the test.
        validation: Measures of validation, as `shared.evaluation.evaluate.evaluate` gives them.
        test: The same of the test.
    """

    seeds: tuple[int, ...]
    record: ModelRecord
    predictions: Predictions
    validation: Mapping[str, Any]
    test: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name in the table, such as "mean of 3 seeds"."""
        return f"mean of {len(self.seeds)} seeds"


def mean_of_seeds(task: Task, cells: Sequence[Cell], finished: Mapping[Cell, Path]) -> SeedMean | str | None:
    """Averages the calibrated logits of the runs of a row, and calibrates and decides anew on validation.

    No network runs: the folders of the runs hold their answers on validation and test. The certificate counts every
    combination of the models among which validation chose the runs.

    Args:
        task: The application.
        cells: The cells of the row, one a seed.
        finished: Run folders of the cells that are finished.

    Returns:
        The mean; why there is none, a sentence; None where fewer than two runs are finished.

    Raises:
        RunError: A run is damaged.
    """
    done = [cell for cell in cells if cell in finished]
    if len(done) < 2:
        return None
    data = done[0].config.data
    if len({cell.config.split_seed for cell in done}) > 1:
        return (
            "No mean of the seeds is shown, for each of them divides the data in its own way; with data.split.seed in "
            "the base they share one division."
        )
    if data.by_folds:
        return f"No mean of the seeds is shown where runs kept no image for validation: {data.keeps_none}."
    try:
        members = read_members(task.name, [finished[cell] for cell in done])
    except UsageError as error:
        return f"{done[0].backbone} x {done[0].strategy}: no mean of the seeds is shown, for {error}."
    return _mean(task, tuple(cell.seed for cell in done), members)


def _mean(task: Task, seeds: tuple[int, ...], members: Sequence[Member]) -> SeedMean:
    validation, test = (_averaged([one.predictions(split) for one in members]) for split in ("validation", "test"))
    record = members[0].record
    judged = ~np.array(validation.grouping.unjudged, dtype=np.bool_)
    labels = _labels(validation, record)
    temperature = fit_temperature(np.log(validation.probabilities[judged]), labels[judged])
    validation, test = (_calibrated(one, record, temperature) for one in (validation, test))
    decision = _decide(task, members, validation)
    record = replace(_with_rule(members, decision), temperature=temperature)
    return SeedMean(seeds, record, test, _evaluated(validation, record), _evaluated(test, record))


def _averaged(found: Sequence[Predictions]) -> Predictions:
    """The mean of the calibrated logits, whose logarithms of probabilities differ from them by a constant an image."""
    logits = np.mean([np.log(np.maximum(one.probabilities, LEAST)) for one in found], axis=0)
    return replace(found[0], probabilities=np.maximum(softmax(logits), LEAST))


def _calibrated(mean: Predictions, record: ModelRecord, temperature: float) -> Predictions:
    """The mean at its temperature; a positive image that `predict` leaves out counts as missed."""
    probabilities = softmax(np.log(mean.probabilities) / temperature)
    probabilities = silenced(probabilities, _labels(mean, record), record.positive, mean.grouping)
    likeliest = tuple(record.classes[place] for place in probabilities.argmax(axis=1))
    return replace(mean, probabilities=probabilities, predicted=likeliest)


def _decide(task: Task, members: Sequence[Member], validation: Predictions) -> Decision:
    from shared.pipeline.decision import decision_targets  # brings torch, as the next one does
    from shared.pipeline.preflight import decision_kinds

    first = members[0]
    rule: Any = validate(decision_kinds(task)[0], first.config.decision, origin="decision")
    return decide(
        validation.probabilities,
        _labels(validation, first.record),
        validation.grouping,
        np.array(first.record.positive, dtype=np.bool_),
        choices=models_in_all(members),
        group_name=task.group_name,
        **decision_targets(rule),
    )


def _with_rule(members: Sequence[Member], decision: Decision) -> ModelRecord:
    """The record of the first member with the rule of the mean; not certified where validation was seen before."""
    from shared.pipeline.origin import NOT_CERTIFIED  # brings torch

    record, chosen = members[0].record, decision.chosen
    screening = isinstance(chosen, OperatingPoint)
    rules = [one.record.operating_point or one.record.rejection or {} for one in members]
    unsound = any(rule.get("statement") == NOT_CERTIFIED for rule in rules)
    certified = None if unsound else chosen.certified
    statement = NOT_CERTIFIED if unsound else chosen.statement
    point = {**rules[0], **asdict(chosen), "certified": certified, "statement": statement}
    return replace(
        record,
        threshold=chosen.threshold,
        of_images=decision.of_images,
        operating_point=point if screening else None,
        rejection=None if screening else point,
        aggregation=decision.aggregation,
        aggregation_reason=decision.reason,
        certified_sensitivity=certified if screening else None,
        certified_error=None if screening else certified,
    )


def _evaluated(found: Predictions, record: ModelRecord) -> dict[str, Any]:
    return evaluate(found.probabilities, _labels(found, record), record, grouping=found.grouping, domains=found.domains)


def _labels(found: Predictions, record: ModelRecord) -> NDArray[np.int64]:
    places = {name: place for place, name in enumerate(record.classes)}
    return np.array([places[label] for label in found.labels], dtype=np.int64)
