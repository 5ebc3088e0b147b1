"""Criteria that choose among adapted runs without target labels (validators), and the oracle, which uses the labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.adaptation.clusters import cluster_agreement, feature_clusters
from shared.adaptation.reverse_validation import REVERSE
from shared.adaptation.target import EpochScores, read_epochs
from shared.evaluation.calibration import fit_temperature, softmax
from shared.evaluation.statistics.intervals import LEVEL, Weights, bootstrap
from shared.io.atomic import read_json
from shared.training.selection import LABEL_FREE, RULES

REVERSE_RULE = "reverse_validation"
"""Name of the rule that scores a run by `shared.adaptation.reverse_validation`."""
CLUSTER_RULE = "cluster_agreement"
"""Name of the rule that scores a run by `shared.adaptation.clusters`."""
DRAWS = 200
"""Bootstrap resamples of a difference between two runs.

A rule over all pairs of images takes milliseconds for each.
"""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """A finished training with a target, with what it recorded of each epoch.

    Attributes:
        name: Name of the setting, such as "dann weight=0.3".
        path: The run folder.
        history: Rows of `metrics.jsonl`, one an epoch; those of a layer search or a linear probe are left out.
    """

    name: str
    path: Path
    history: tuple[dict[str, Any], ...]

    @classmethod
    def read(cls, name: str, path: Path) -> Run:
        """Reads the history of a finished run.

        Args:
            name: Name of the setting, for reports.
            path: The run folder, with `metrics.jsonl`.
        """
        lines = (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        return cls(name, path, tuple(row for row in rows if "phase" in row))

    @cached_property
    def validation(self) -> EpochScores:
        """Scores and truth of the source's validation split, which is labelled."""
        return read_epochs(self.path, "validation")

    @cached_property
    def target(self) -> EpochScores:
        """Scores and truth of the target's validation split; only the oracle may use its labels."""
        return read_epochs(self.path, "target")

    @cached_property
    def test(self) -> EpochScores:
        """Scores and truth of the test split, with images of source and target."""
        return read_epochs(self.path, "test")

    @property
    def kept(self) -> int:
        """The epoch, from 0, whose weights the run kept: the best one, or what a strategy recorded after training."""
        if len(self.validation.scores) > len(self.history):
            return len(self.validation.scores) - 1
        return int(np.argmax([row["validation_score"] for row in self.history]))

    @cached_property
    def temperature(self) -> float:
        """Temperature of the kept weights, by the source's validation: without it an over-confident run would win."""
        return fit_temperature(self.validation.scores[self.kept], self.validation.labels)

    @cached_property
    def clusters(self) -> NDArray[np.int64]:
        """Cluster of each validation image of the target, by its features, int64 [N]."""
        assert self.target.features is not None  # a finished run has them of every split but the test
        return feature_clusters(self.target.features, self.target.scores[self.kept].shape[1])


def setting_rules() -> list[str]:
    """Lists the names of all rules that choose among settings without target labels."""
    return [REVERSE_RULE, CLUSTER_RULE, *LABEL_FREE, *RULES]


def score_run(run: Run, rule: str) -> float:
    """Scores the kept weights of a run by a rule; higher is better.

    Args:
        run: A finished run.
        rule: Name of a rule of `setting_rules`.

    Raises:
        UnknownNameError: There is no such rule.
    """
    score, units = _scorer(run, rule)
    return score(np.arange(len(units)))


def bootstrap_gain(
    run: Run, reference: Run, rule: str, *, level: float = LEVEL
) -> tuple[float, tuple[float, float] | None]:
    """Computes by how much a rule scores `run` above `reference`, with a bootstrap interval over independent units.

    Args:
        run: The run to compare.
        reference: The run that it is compared with.
        rule: Name of a rule of `setting_rules`.
        level: Confidence level of the interval.

    Returns:
        The difference of the scores, and its interval (low, high); None in place of the interval where there are too
        few units for one.

    Raises:
        UnknownNameError: There is no such rule.
    """
    (score, units), (reference_score, _) = _scorer(run, rule), _scorer(reference, rule)

    def differences(weights: Weights) -> Values:
        drawn = [np.repeat(np.arange(len(units)), row.astype(np.int64)) for row in weights]
        return np.array([score(chosen) - reference_score(chosen) for chosen in drawn])

    every = np.arange(len(units))
    interval = bootstrap(units, differences, level=level, draws=DRAWS)
    return score(every) - reference_score(every), interval


def oracle_epoch(run: Run, rule: str) -> tuple[int, float]:
    """Finds the epoch that a rule prefers on the labelled validation images of the target.

    Args:
        run: A finished run, with the labels of its target.
        rule: Name of a rule of `shared.training.selection.RULES`.

    Returns:
        Number of the epoch, from 0, and its score under the rule.

    Raises:
        UnknownNameError: There is no such rule.
    """
    values = [RULES.get(rule)(softmax(scores), run.target.labels) for scores in run.target.scores]
    best = int(np.argmax(values))
    return best, values[best]


def oracle_note(run: Run, rule: str, domain: str) -> str:
    """Writes a sentence for the report that compares the kept epoch with the one that target labels would have kept.

    Args:
        run: The run, after training.
        rule: Name of the rule by which it chose its checkpoint.
        domain: Name of the target domain.
    """
    best, value = oracle_epoch(run, "balanced_accuracy")
    kept = RULES.get("balanced_accuracy")(softmax(run.target.scores[run.kept]), run.target.labels)
    return (
        f"Target {domain}: {rule} kept epoch {run.kept + 1} without its labels; these, as an oracle, would have kept "
        f"epoch {best + 1} (balanced accuracy on its validation {value:.3f}, of the kept epoch {kept:.3f})."
    )


def _scorer(run: Run, rule: str) -> tuple[Callable[[NDArray[np.int64]], float], tuple[int, ...]]:
    """Gives the rule's score as a function of indices of the images that it uses, and the units of these images."""
    units = run.validation.grouping.units
    if rule == REVERSE_RULE:
        hits = np.array(read_json(run.path / REVERSE)["hits"], dtype=np.float64)
        return lambda chosen: float(hits[chosen].mean()), units
    on_target = run.target.scores[run.kept]
    if rule == CLUSTER_RULE:
        answers, clusters = on_target.argmax(axis=1), run.clusters
        return lambda chosen: cluster_agreement(answers[chosen], clusters[chosen]), run.target.grouping.units
    if rule in LABEL_FREE:
        temperature = run.temperature
        return lambda chosen: LABEL_FREE.get(rule)(on_target[chosen], temperature), run.target.grouping.units
    score, labels = RULES.get(rule), run.validation.labels
    probabilities = softmax(run.validation.scores[run.kept])
    return lambda chosen: score(probabilities[chosen], labels[chosen]), units
