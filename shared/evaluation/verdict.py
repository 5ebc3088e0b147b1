"""The verdict on a run: what it is fit for, in one to three lines that stand before every number of it.

A value is never read without its 95% interval: a specificity of 0.1 on ten images may be chance. Nothing here reads a
file; `shared.runs.verdict` reads what a run folder holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shared.evaluation.worst_and_best import value_text, worst_and_best
from shared.samples import UNKNOWN_DOMAIN

FEW_CASES = 20
"""Test cases of a kind below which nothing is said: with 19 and none of them wrong, Wilson's interval still reaches
down to 0.83 (n / (n + 1.96^2))."""
FEW_LABELS = 20
"""Most labels of a class that count as few: up to 20 the seeds of one setting differ in AUC by a standard deviation of
up to 0.10, at 100 of at most 0.02 (docs/lab-log.md, "Frozen, chosen layer or fine-tuned")."""
HALF = 0.5
MAX_NAMED = 3
"""Most domains that a certificate names; of more it gives the number."""
NO_OUTSIDE = "outside test: none"
UNTESTED = "not tested: no result of a test is recorded"
NO_REAL = "synthetic: no decision on real images"
TOO_FEW = "too few to say"


class JudgedRecord(Protocol):
    """What a verdict needs of a model record."""

    @property
    def positive(self) -> Sequence[bool]:
        """For each class, whether it is the event that must not be missed."""

    @property
    def synthetic(self) -> bool:
        """Whether it was trained on synthetic images."""

    @property
    def operating_point(self) -> Mapping[str, Any] | None:
        """The threshold with its certificate, where a class is positive."""

    @property
    def rejection(self) -> Mapping[str, Any] | None:
        """The threshold with its certificate, where none is."""

    @property
    def certified_sensitivity(self) -> float | None:
        """The sensitivity that is certified, or None."""

    @property
    def certified_error(self) -> float | None:
        """The error among accepted answers that is certified, or None."""


@dataclass(frozen=True)
class Finding:
    """What one test says of a run.

    Attributes:
        severity: 0 where nothing speaks against it, 1 where the test is too small to say, 2 where it fails on more than
            half of one kind, 3 where it is not usable.
        headline: The finding in a few words, for a cell of a table.
        reason: The finding in one clause; empty where nothing speaks against the run.
        numbers: What was measured; empty where `reason` has it.
    """

    severity: int
    headline: str
    reason: str
    numbers: str = ""

    @property
    def text(self) -> str:
        """The finding with the numbers behind it."""
        return "; ".join(part for part in (self.reason, self.numbers) if part)


@dataclass(frozen=True)
class Verdict:
    """What a run is fit for.

    Attributes:
        warnings: That it is synthetic, and that its labels were few, where so.
        fitness: What its own test says.
        certificate: What is certified, and for what.
        outside: What tests on other data say, the worst beside the best; that there were none.
    """

    warnings: tuple[str, ...]
    fitness: Finding
    certificate: str
    outside: str

    @property
    def lines(self) -> tuple[str, ...]:
        """The verdict in three lines."""
        return (f"verdict: {'; '.join([*self.warnings, self.fitness.text])}", self.certificate, self.outside)

    @property
    def short(self) -> str:
        """The verdict in one line, to stand before a prediction; the certificate only where nothing is wrong."""
        return "; ".join([*self.warnings, self.fitness.reason or self.certificate, self.outside])

    def __str__(self) -> str:
        return self.short


@dataclass(frozen=True)
class Labels:
    """The class with the fewest labels in training.

    Attributes:
        name: The class.
        images: Number of its training images.
        units: Number of independent units (patients, copies of a picture) that they come from.
    """

    name: str
    images: int
    units: int


def verdict(
    record: JudgedRecord,
    test: Mapping[str, Any],
    *,
    fewest: Labels | None = None,
    outside: Mapping[str, Mapping[str, Any]] | None = None,
) -> Verdict:
    """Says what a run is fit for.

    Args:
        record: The run's model record.
        test: Measures of its test, as `shared.evaluation.evaluate.evaluate` gives them; empty where it was not tested.
        fewest: The class with the fewest labels in training; None: not known.
        outside: Measures of tests on other data, by the name of the data.
    """
    warnings = [NO_REAL] if record.synthetic else []
    if fewest is not None and min(fewest.images, fewest.units) <= FEW_LABELS:
        warnings.append(f"few labels: {fewest.name} has {fewest.images} training images of {fewest.units} units")
    return Verdict(
        warnings=tuple(warnings),
        fitness=finding(test),
        certificate=_certificate(record, test),
        outside=outside_text(outside or {}),
    )


def worst_of(found: Sequence[Verdict]) -> str:
    """Names what the worst of several runs is fit for, with the number of runs of which that is said where not of all.

    Args:
        found: The verdicts, at least one.
    """
    worst = max(found, key=lambda one: one.fitness.severity).fitness.headline
    count = sum(one.fitness.headline == worst for one in found)
    return worst if count == len(found) else f"{worst} ({count} of {len(found)})"


def finding(test: Mapping[str, Any]) -> Finding:
    """Says what one test shows: whether the run calls everybody positive, is no better than chance, or what it reaches.

    Args:
        test: Measures, as `shared.evaluation.evaluate.evaluate` gives them; empty where there was no test.
    """
    if "reason" in test:  # a domain of too few images
        return Finding(1, TOO_FEW, f"{test['reason']}: {TOO_FEW}")
    if "sensitivity" in test:
        return _of_screening(test)
    if "coverage" in test:
        return _of_classes(test)
    return Finding(3, "not tested", UNTESTED)


def _of_screening(test: Mapping[str, Any]) -> Finding:
    """The finding where a class is positive, by group where groups of both kinds were tested, else by image."""
    unit, (sensitivity, specificity) = _decisions(test)
    auc = test.get("auc", {})
    numbers = f"sensitivity {value_text(sensitivity)}, specificity {value_text(specificity)} by {unit}"
    if specificity.get("value") == 0.0 and _lies_below_half(specificity):
        return _unusable("everybody positive", f"calls everybody positive: specificity {value_text(specificity)}")
    if sensitivity.get("value") == 0.0 and _lies_below_half(sensitivity):
        return _unusable("nobody positive", f"calls nobody positive: sensitivity {value_text(sensitivity)}")
    if (lack := _lack(test, sensitivity, specificity)) is not None:
        return Finding(1, TOO_FEW, f"{lack}: {TOO_FEW}", numbers)
    if auc.get("low") is not None and auc["low"] <= HALF:
        return _unusable("chance", f"no better than chance: AUC {value_text(auc)}", numbers)
    if youden_low(sensitivity, specificity) <= 0.0:
        return _unusable("chance at its threshold", "at its threshold no better than chance", numbers)
    if _lies_below_half(sensitivity):
        return Finding(2, "misses most", "misses more than half of the positive", numbers)
    if _lies_below_half(specificity):
        return Finding(2, "calls most positive", "calls more than half of the negative positive", numbers)
    return Finding(0, "above chance", "", numbers)


def _lack(test: Mapping[str, Any], positive: Mapping[str, Any], negative: Mapping[str, Any]) -> str | None:
    """Why a test is too small to say anything; None where it is not."""
    for kind, found in (("positive", positive), ("negative", negative)):
        if found.get("value") is None:
            return f"the test has no {kind} cases, or too few of them"
    if min(positive["n"], negative["n"]) < FEW_CASES:
        return f"the test has {positive['n']} positive and {negative['n']} negative cases"
    if any(_has_no_interval(one) for one in (positive, negative, test.get("auc", {}))):
        return "the test has too few units for an interval"
    return None


def _has_no_interval(measure: Mapping[str, Any]) -> bool:
    return measure.get("value") is not None and measure.get("low") is None


def _lies_below_half(rate: Mapping[str, Any]) -> bool:
    """Whether the whole interval of a rate lies below one half; False where there is none."""
    return rate.get("high") is not None and bool(rate["high"] < HALF)


def _decisions(test: Mapping[str, Any]) -> tuple[str, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Unit, sensitivity and specificity; by group where both are defined there."""
    by_group = test.get("by_group", {})
    keys = ("sensitivity", "specificity")
    grouped = all(by_group.get(key, {}).get("value") is not None for key in keys)
    block = by_group if grouped else test
    sensitivity, specificity = (block[key] for key in keys)
    return "group" if grouped else "image", (sensitivity, specificity)


def _of_classes(test: Mapping[str, Any]) -> Finding:
    """The finding where no class is positive: what is accepted, what of it is wrong, and whether it beats a guess."""
    accuracy, coverage, wrong = test["accuracy"], test["coverage"], test["selective_error"]
    numbers = (
        f"accuracy {value_text(accuracy)}, coverage {value_text(coverage)}, "
        f"error among accepted answers {value_text(wrong, 3)}"
    )
    if coverage.get("value") == 0.0 and _lies_below_half(coverage):
        return _unusable("rejects everything", f"rejects everything: coverage {value_text(coverage)}")
    if accuracy["n"] < FEW_CASES or _has_no_interval(accuracy):
        return Finding(1, TOO_FEW, f"the test has {accuracy['n']} images: {TOO_FEW}", numbers)
    if "confusion" in test and accuracy["low"] <= (guess := chance(test["confusion"])):
        return _unusable("chance", f"no better than chance ({guess:.3f}): accuracy {value_text(accuracy)}")
    if wrong.get("low") is not None and wrong["low"] > HALF:
        return Finding(2, "mostly wrong", "more than half of what it accepts is wrong", numbers)
    if _lies_below_half(coverage):
        return Finding(2, "rejects most", "rejects more than half", numbers)
    return Finding(0, "above chance", "", numbers)


def chance(confusion: Sequence[Sequence[int]]) -> float:
    """Computes the accuracy of the best constant guess: the share of the most frequent class, 0 to 1.

    Args:
        confusion: [classes][classes] numbers of images, rows by truth.
    """
    rows = [sum(row) for row in confusion]
    return max(rows) / sum(rows)


def youden_low(sensitivity: Mapping[str, Any], specificity: Mapping[str, Any]) -> float:
    """Computes the lower 95% bound of Youden's index, sensitivity + specificity - 1, from both intervals.

    Whoever calls the same share of sick and of healthy positive has an index of 0, be it all, none or every second.

    Args:
        sensitivity: Measure whose `value` and `low` are numbers.
        specificity: Measure whose `value` and `low` are numbers.

    Returns:
        -1 to 1.

    Source: Newcombe, Statistics in Medicine 17:873, 1998, method 10 (a difference of proportions from their intervals).
    """
    below = [float(one["value"] - one["low"]) for one in (sensitivity, specificity)]
    index = float(sensitivity["value"] + specificity["value"] - 1.0)
    return index - float((below[0] ** 2 + below[1] ** 2) ** 0.5)


def _unusable(headline: str, reason: str, numbers: str = "") -> Finding:
    return Finding(3, headline, f"{reason}: not usable", numbers)


def _certificate(record: JudgedRecord, test: Mapping[str, Any]) -> str:
    """What is certified and for what, in one line; that nothing is, or that the test contradicts it."""
    screening = any(record.positive)
    chosen = (record.operating_point if screening else record.rejection) or {}
    value = record.certified_sensitivity if screening else record.certified_error
    if value is None:
        said = str(chosen.get("statement", ""))
        return f"n{said[1:]}" if said.startswith("Nothing is certified") else "nothing is certified"
    what = f"sensitivity certified: {value:.2f}" if screening else f"error of accepted answers certified: {value:.4f}"
    target = chosen.get("target")
    missed = target is not None and (value < target if screening else value > target)
    asked = f" ({target:g} was asked for)" if missed else ""
    return f"{what}{asked}, {_held_for(chosen)}{_contradiction(value, test, screening=screening)}"


def _held_for(chosen: Mapping[str, Any]) -> str:
    """The domains and the acquisition for which a certificate was counted, in words; that it covers no input."""
    domains = list(chosen.get("domains", ()))
    known = [name for name in domains if name != UNKNOWN_DOMAIN]
    if not known:
        return "on images of unknown origin, so for no input of predict"
    named = ", ".join(known) if len(known) <= MAX_NAMED else f"{len(known)} domains"
    texts = [" or ".join(seen["texts"]) for seen in chosen.get("acquisition", {}).values() if seen["texts"]]
    return ", ".join([f"for {named}", *texts])


def _contradiction(value: float, test: Mapping[str, Any], *, screening: bool) -> str:
    """What to add where the interval of the test lies wholly on the wrong side of the certificate; else nothing."""
    if not test:
        return ""
    found = _decisions(test)[1][0] if screening and "sensitivity" in test else test.get("selective_error", {})
    end = found.get("high") if screening else found.get("low")
    if end is None or (end >= value if screening else end <= value):
        return ""
    return f"; the test contradicts it: {'sensitivity' if screening else 'error'} {value_text(found)}"


def outside_text(tests: Mapping[str, Mapping[str, Any]]) -> str:
    """Says in one line what tests on other data showed: the worst first, the best beside it.

    Args:
        tests: Measures by the name of the data, as `shared.evaluation.evaluate.evaluate` gives them.
    """
    if not tests:
        return NO_OUTSIDE
    if len(tests) == 1:
        ((name, test),) = tests.items()
        return f"outside test on {name}: {finding(test).text}"
    return f"{len(tests)} outside tests, {worst_and_best(tests)}"
