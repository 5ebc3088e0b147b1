"""The choice among adapted runs without target labels: one rule chooses, and an unlike one must agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.adaptation.criteria import CLUSTER_RULE, REVERSE_RULE, Run, bootstrap_gain, score_run, setting_rules
from shared.adaptation.reverse_validation import REVERSE
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
        interval: 95% interval of the gain; None where there are too few independent units for one.
    """

    rule: str
    gain: float
    interval: tuple[float, float] | None

    @property
    def is_sure(self) -> bool:
        """Whether the rule prefers the run to the source alone, and its interval lies above 0."""
        return self.interval is not None and self.interval[0] > 0

    def __str__(self) -> str:
        """Writes the opinion as a clause, such as "mutual information prefers it (+0.100 [+0.050, +0.150])"."""
        name = self.rule.replace("_", " ")
        if self.interval is None:
            return f"{name} has too few independent images to say ({self.gain:+.3f})"
        word = "does not prefer it" if self.gain <= 0 else "surely prefers it" if self.is_sure else "prefers it"
        return f"{name} {word} ({self.gain:+.3f} [{self.interval[0]:+.3f}, {self.interval[1]:+.3f}])"


@dataclass(frozen=True)
class Choice:
    """The run that a rule chose without target labels, and the run that is kept.

    Attributes:
        chosen: Adapted run with the highest value under the first rule.
        kept: `chosen` where `agree` says so, else the run on the source alone.
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
    opinions = [Opinion(name, *bootstrap_gain(chosen, source, name, choices=len(adapted))) for name in rules]
    kept = chosen if agree(opinions) else source
    return Choice(chosen, kept, values, statement(chosen.name, opinions))


def agree(opinions: Sequence[Opinion]) -> bool:
    """Whether rules agree that a run is better than the source alone: all prefer it, and one of them surely.

    To ask for an interval above 0 of each refuses gains: a few hundred images of the source tell reverse validation too
    little (docs/lab-log.md, "Rules that choose without labels").

    Args:
        opinions: What each rule says of the run.
    """
    return all(opinion.gain > 0 for opinion in opinions) and any(opinion.is_sure for opinion in opinions)


def statement(chosen: str, opinions: Sequence[Opinion]) -> str:
    """Writes in a sentence which run is kept, and why: the adapted one where the rules agree, else the source alone.

    Args:
        chosen: Name of the adapted run.
        opinions: What each rule says of it.
    """
    said = " and ".join(map(str, opinions))
    if agree(opinions):
        return f"{chosen} is kept: compared with source only, {said}."
    return f"NEGATIVE TRANSFER ALARM: source only is kept. Two rules must prefer {chosen}, and one surely: {said}."
