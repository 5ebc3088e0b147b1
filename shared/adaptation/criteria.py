"""What speaks for one of several runs that adapt to a target, without a label of it; and what its labels would say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.adaptation.reverse_validation import REVERSE
from shared.adaptation.target import EpochScores, read_epochs
from shared.evaluation.calibration import softmax
from shared.evaluation.statistics.intervals import LEVEL, Weights, bootstrap
from shared.io.atomic import read_json
from shared.training.selection import LABEL_FREE, RULES

REVERSE_RULE = "reverse_validation"
DRAWS = 200
"""Resamples of a difference between two runs, for each that was tried; a rule over all pairs of images takes
milliseconds for each.
"""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """A finished run with a target.

    Attributes:
        name: Of the setting ("dann weight=0.3").
        path: Its folder.
        history: Rows of `metrics.jsonl`, one an epoch; without those of what was tried before training.
    """

    name: str
    path: Path
    history: tuple[dict[str, Any], ...]

    @classmethod
    def read(cls, name: str, path: Path) -> Run:
        """Reads the history of a finished run."""
        lines = (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        return cls(name, path, tuple(row for row in rows if "phase" in row))

    @cached_property
    def validation(self) -> EpochScores:
        """Labelled validation of what it learned from."""
        return read_epochs(self.path, "validation")

    @cached_property
    def target(self) -> EpochScores:
        """Validation of the target; its labels are for the oracle alone."""
        return read_epochs(self.path, "target")

    @cached_property
    def test(self) -> EpochScores:
        """The test, both domains."""
        return read_epochs(self.path, "test")

    @property
    def kept(self) -> int:
        """The epoch, from 0, whose weights the run kept: the last one written where something followed on training."""
        if len(self.validation.scores) > len(self.history):
            return len(self.validation.scores) - 1
        return int(np.argmax([row["validation_score"] for row in self.history]))


def setting_rules() -> list[str]:
    """Names of all rules by which settings can be chosen without target labels."""
    return [REVERSE_RULE, *LABEL_FREE, *RULES]


def score_run(run: Run, rule: str) -> float:
    """What the rule says of the kept weights; higher is better.

    Raises:
        UnknownNameError: No such rule.
    """
    judge, units = _judge(run, rule)
    return judge(np.arange(len(units)))


def bootstrap_gain(
    run: Run, reference: Run, rule: str, *, choices: int = 1
) -> tuple[float, tuple[float, float] | None]:
    """By how much the rule prefers `run`, and the 95 % interval of that over the units of what it looks at.

    Where there are too few units for an interval it is None.

    Args:
        run: What is judged.
        reference: What it is compared with.
        rule: Of `setting_rules`.
        choices: Among how many runs the rule chose this one; the interval is as much wider (Bonferroni), or the
            luckiest of many settings that are worth nothing would seem to be worth something.
    """
    (judge, units), (of_reference, _) = _judge(run, rule), _judge(reference, rule)

    def differences(weights: Weights) -> Values:
        drawn = [np.repeat(np.arange(len(units)), row.astype(np.int64)) for row in weights]
        return np.array([judge(chosen) - of_reference(chosen) for chosen in drawn])

    every = np.arange(len(units))
    return judge(every) - of_reference(every), bootstrap(
        units, differences, level=1.0 - (1.0 - LEVEL) / choices, draws=DRAWS * choices
    )


def oracle_epoch(run: Run, rule: str) -> tuple[int, float]:
    """The epoch that the labels of the target's validation prefer, and what they say of it."""
    values = [RULES.get(rule)(softmax(scores), run.target.labels) for scores in run.target.scores]
    best = int(np.argmax(values))
    return best, values[best]


def oracle_note(run: Run, rule: str, domain: str) -> str:
    """What the target's labels would have kept of one run, beside what was kept without them, in a sentence.

    Args:
        run: That has ended; `history` may stand for its `metrics.jsonl`.
        rule: By which it chose its checkpoint.
        domain: The target.
    """
    best, value = oracle_epoch(run, "balanced_accuracy")
    kept = RULES.get("balanced_accuracy")(softmax(run.target.scores[run.kept]), run.target.labels)
    return (
        f"Target {domain}: {rule} kept epoch {run.kept + 1} without its labels; these, as an oracle, would have kept "
        f"epoch {best + 1} (balanced accuracy on its validation {value:.3f}, of the kept epoch {kept:.3f})."
    )


def _judge(run: Run, rule: str) -> tuple[Callable[[NDArray[np.int64]], float], tuple[int, ...]]:
    """The rule's value on chosen images of what it looks at, and the units of those images."""
    if rule == REVERSE_RULE:
        hits = np.array(read_json(run.path / REVERSE)["hits"], dtype=np.float64)
        return lambda chosen: float(hits[chosen].mean()), run.validation.belonging.units
    if rule in LABEL_FREE:
        of_target = softmax(run.target.scores[run.kept])
        return lambda chosen: LABEL_FREE.get(rule)(of_target[chosen]), run.target.belonging.units
    judge, labels = RULES.get(rule), run.validation.labels
    probabilities = softmax(run.validation.scores[run.kept])
    return lambda chosen: judge(probabilities[chosen], labels[chosen]), run.validation.belonging.units
