"""What a run chooses on validation once it is trained: the decision rule, and what gets no answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.config.schema import Config, Screening, Selective
from shared.data.split import Split
from shared.evaluation.decision.decide import Decision, decide, undecided
from shared.evaluation.decision.kinds import judged_kinds
from shared.evaluation.decision.ood import Reference
from shared.evaluation.decision.ood_threshold import choose_rule
from shared.pipeline.preflight import Experiment
from shared.pipeline.scores import familiar_by_class, familiar_scores, score_split, varied_split
from shared.pipeline.trained import Trained
from shared.task import positive_classes
from shared.training.selection import LAST


def choose_decision(
    experiment: Experiment, trained: Trained, probabilities: NDArray[np.float64] | None, choices: int
) -> Decision:
    """Chooses threshold, aggregation and certificate on validation; without it, takes the default.

    Args:
        experiment: The checked configuration.
        trained: The trained network with its data.
        probabilities: float64 [N, classes], 0 to 1, of the images of validation, as
            `shared.evaluation.unjudged.silenced` gives them; None: there is none.
        choices: Number of models among which validation chose the network.

    Raises:
        DataError: Validation lacks the images that the decision rule is chosen on.
    """
    validation, rule = trained.splits["validation"], experiment.decision
    positive = np.array(positive_classes(experiment.task, trained.job.classes))
    targets = decision_targets(rule)
    if probabilities is None:
        return undecided(positive, **targets)
    return decide(
        probabilities,
        validation.labels,
        validation.grouping,
        positive,
        choices=choices,
        group_name=experiment.task.group_name,
        **targets,
    )


def negative_series(experiment: Experiment, trained: Trained, *, judged: bool) -> dict[str, Any]:
    """Lists the negative series of validation by kind: a series of another kind gets no decision.

    Args:
        experiment: The checked configuration.
        trained: The trained network with its data.
        judged: Whether validation was judged.

    Returns:
        What `shared.runs.record.ModelRecord.negative_series` holds; empty without a positive class.
    """
    task, validation = experiment.task, trained.splits["validation"]
    positive = np.array(positive_classes(task, trained.job.classes))
    if not positive.any():
        return {}
    kinds = judged_kinds(validation.samples, positive[validation.labels], task.series_kinds) if judged else []
    return {"properties": list(task.series_kinds), "name": f"{task.positive_name}-free", "judged": kinds}


def decision_targets(rule: Screening | Selective) -> dict[str, Any]:
    """Translates a decision section into keyword arguments of `shared.evaluation.decision.decide.decide`.

    Args:
        rule: Either kind of section; keys of the other kind have their defaults.

    Returns:
        `target` (sensitivity), `error_rate` (largest selective risk) and `threshold`.
    """
    screening = rule if isinstance(rule, Screening) else Screening()
    selective = rule if isinstance(rule, Selective) else Selective()
    return {
        "target": screening.sensitivity,
        "error_rate": selective.max_selective_risk,
        "threshold": rule.threshold,
    }


def models_tried(config: Config, history: Sequence[Mapping[str, Any]]) -> int:
    """Counts the models among which validation chose, at least 1.

    Any candidate of a layer search may be followed by any head (L2 strength), and any head by any epoch: what
    validation chose in one step decides what it chooses from in the next, so the numbers are multiplied. Where the
    configuration says which epoch is kept, epochs are no choice.

    Args:
        config: The configuration, whose strategy states the selection rule.
        history: Rows of `metrics.jsonl`; rows of a layer search have "layers", rows of epochs have a "phase".
    """
    layers = sum("layers" in row for row in history)
    epochs = sum("phase" in row for row in history)
    heads = len(history) - layers - epochs
    if config.strategy.get("selection") == LAST or config.strategy.get("stop_after") is not None:
        epochs = 1
    return math.prod(max(1, count) for count in (layers, heads, epochs))


def choose_ood_rule(
    experiment: Experiment, trained: Trained, validation: NDArray[np.float64] | None, reference: Reference
) -> dict[str, Any]:
    """Chooses on validation the out-of-distribution score from which on an input gets no answer.

    Args:
        experiment: The checked configuration.
        trained: The trained network with its data.
        validation: float64 [N], out-of-distribution scores of the images of validation that `predict` judges; None:
            there is none.
        reference: Features of training images, with which a target's images are compared.

    Returns:
        The rule, as `shared.evaluation.decision.ood_threshold.choose_rule` gives it.
    """
    judged, rate = trained.splits["validation"].judged(), experiment.decision.ood_false_positive_rate
    rule = choose_rule(*_familiar(experiment, trained, judged, validation, reference), rate)
    if validation is None or not experiment.decision.ood_varied:
        return rule
    varied = varied_split(judged, trained.job)
    scores = score_split(experiment.strategy, trained.job, varied, reference).ood
    other = choose_rule(*_familiar(experiment, trained, varied, scores, reference), rate)
    return max(rule, other, key=lambda one: float(one["threshold"]))


def _familiar(
    experiment: Experiment,
    trained: Trained,
    judged: Split,
    scores: NDArray[np.float64] | None,
    reference: Reference,
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]], NDArray[np.float64] | None]:
    """Scores of independent inputs, of all of them, by class, and of positive ones; none where `scores` are None."""
    seed, target = experiment.config.seed, trained.job.target
    task, classes = experiment.task, trained.job.classes
    flags = positive_classes(task, classes)
    if scores is None:
        familiar, by_class = np.zeros(0), {name: np.zeros(0) for name in classes}
        positive = np.zeros(0) if any(flags) else None
    else:
        familiar = familiar_scores(scores, judged, seed)
        by_class, positive = familiar_by_class(scores, judged, seed, classes, flags)
    if target is not None:  # inputs of the domain adapted to are familiar too; that needs no labels
        target_scores = score_split(experiment.strategy, trained.job, target.validation, reference).ood
        familiar = np.concatenate([familiar, familiar_scores(target_scores, target.validation, seed)])
    return familiar, by_class, positive
