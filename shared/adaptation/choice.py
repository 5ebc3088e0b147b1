"""The choice among adapted runs without target labels: one rule chooses, and an unlike one must agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shared.adaptation.criteria import CLUSTER_RULE, REVERSE_RULE, Run, bootstrap_gain, score_run, setting_rules
from shared.adaptation.reverse_validation import REVERSE
from shared.evaluation.statistics.intervals import LEVEL
from shared.training.selection import LABEL_FREE

AUTO = "auto"
"""The default rule: reverse validation where all runs have it (a training is cheap), else mutual information."""
CHECKPOINT_RULE = "mutual_information"
"""Rule that chooses among the epochs of an adapted run, unless a label-free one is named."""


@dataclass(frozen=True)
class Opinion:
    """What a rule says of a run, compared with the source alone.

    Attributes:
        rule: Name of the rule.
        gain: Value of the run under the rule, less that of the source alone.
        interval: Interval of the gain, at the level of `level_of_each`; None where there are too few independent units.
    """

    rule: str
    gain: float
    interval: tuple[float, float] | None

    @property
    def prefers(self) -> bool:
        """Whether the rule prefers the run to the source alone: the interval of the gain lies above 0."""
        return self.interval is not None and self.interval[0] > 0

    def __str__(self) -> str:
        """Writes the opinion as a clause, such as "mutual information prefers it (+0.100 [+0.050, +0.150])"."""
        name = self.rule.replace("_", " ")
        if self.interval is None:
            return f"{name} has too few independent images to say ({self.gain:+.3f})"
        word = "prefers it" if self.prefers else "does not"
        return f"{name} {word} ({self.gain:+.3f} [{self.interval[0]:+.3f}, {self.interval[1]:+.3f}])"


@dataclass(frozen=True)
class Choice:
    """The run that a rule chose without target labels, and the run that is kept.

    Attributes:
        chosen: Adapted run with the highest value under the first rule.
        kept: `chosen` where both rules prefer it to the source alone, else the run on the source alone.
        values: Value of every run under each of the two rules, by the names of rule and run.
        statement: Which run is kept, and what either rule says, in a sentence.
    """

    chosen: Run
    kept: Run
    values: dict[str, dict[str, float]]
    statement: str


def choice_rules() -> list[str]:
    """Lists the names of all rules that `choose` takes, the default first."""
    return [AUTO, *setting_rules()]


def unlike_rules(rule: str, runs: Sequence[Run]) -> tuple[str, str]:
    """Finds the rule that chooses among runs, and the unlike one that must agree with it.

    Mutual information looks at how sure and how varied the answers on the target are. The others look at something
    else: reverse validation at labels of the source, the agreement with clusters at the features.

    Args:
        rule: Name of a rule of `choice_rules`.
        runs: All runs, the one on the source alone among them.
    """
    other = REVERSE_RULE if all((run.path / REVERSE).is_file() for run in runs) else CLUSTER_RULE
    if rule == AUTO:
        rule = other if other == REVERSE_RULE else CHECKPOINT_RULE
    return rule, other if rule in LABEL_FREE else CHECKPOINT_RULE


def choose(source: Run, adapted: Sequence[Run], rule: str = AUTO) -> Choice:
    """Chooses among adapted runs without target labels; keeps the source alone unless two unlike rules agree.

    Args:
        source: The run on the source alone.
        adapted: The adapted runs, at least one.
        rule: Name of the rule that chooses, from `choice_rules`.

    Raises:
        UnknownNameError: There is no such rule.
    """
    rules = unlike_rules(rule, (source, *adapted))
    values = {name: {run.name: score_run(run, name) for run in (source, *adapted)} for name in rules}
    chosen = max(adapted, key=lambda run: values[rules[0]][run.name])
    level = level_of_each(len(adapted))
    opinions = [Opinion(name, *bootstrap_gain(chosen, source, name, level=level)) for name in rules]
    kept = chosen if all(opinion.prefers for opinion in opinions) else source
    return Choice(chosen, kept, values, statement(chosen.name, opinions, level))


def level_of_each(choices: int) -> float:
    """Computes the confidence level of either rule's interval, so that both together are as sure as one at 95%.

    Where adapting changes nothing, an interval at 95% lies above 0 in 2.5% of cases. Two independent ones do so
    together in 2.5% of cases where either does in 16%, which is a level of 68%. To ask for 95% of each refuses gains:
    a few hundred images of the source tell reverse validation too little (docs/lab-log.md, "Rules that choose without
    labels"). Reverse validation is judged on images of the source and mutual information on those of the target, so
    that their errors are independent; mutual information and clusters share images, and are less sure together.

    Args:
        choices: Number of settings among which one was chosen, at least 1; they share the chance (Bonferroni).
    """
    return 1.0 - 2.0 * math.sqrt((1.0 - LEVEL) / 2.0 / choices)


def statement(chosen: str, opinions: Sequence[Opinion], level: float) -> str:
    """Writes in a sentence which run is kept, and why: the adapted one where all rules prefer it, else the source.

    Args:
        chosen: Name of the adapted run.
        opinions: What each rule says of it.
        level: Confidence level of their intervals.
    """
    said = f"{' and '.join(map(str, opinions))}; intervals at {level:.0%} each, together as sure as one at {LEVEL:.0%}"
    if all(opinion.prefers for opinion in opinions):
        return f"{chosen} is kept: compared with source only, {said}."
    return f"NEGATIVE TRANSFER ALARM: source only is kept. Two rules must prefer {chosen} to it: {said}."
