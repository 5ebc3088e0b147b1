"""The worst of several tests beside the best: what a threshold does in one hospital says little of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCREENING_KEYS, CLASS_KEYS = ("auc", "sensitivity", "specificity"), ("accuracy", "coverage", "selective_error")
"""The measures that say what a test showed, with a positive class and without."""
NAMES = {"auc": "AUC", "selective_error": "error among accepted answers"}

Tests = Mapping[str, Mapping[str, Any]]


def worst_and_best(tests: Tests) -> str:
    """Writes the numbers of the worst test and of the best, at the run's own threshold, in one line.

    Where some tests have an AUC, those without (of tumours alone) cannot be ordered among them and are only counted.

    Args:
        tests: Measures by the name of the data or domain, at least one.
    """
    ordered = ranked(tests)
    left = len(tests) - len(ordered)
    without = f" ({left} of {len(tests)} have no AUC and are not among them)" if left else ""
    return f"worst {_numbers(ordered[0], tests)}; best {_numbers(ordered[-1], tests)}{without}"


def ranked(tests: Tests) -> list[str]:
    """Orders tests by name from the worst to the best: by AUC, else by sensitivity and specificity, else by accuracy.

    Args:
        tests: Measures by the name of the data or domain.

    Returns:
        The names; where some tests have an AUC, only theirs.
    """
    with_auc = [name for name, test in tests.items() if _is_defined(test.get("auc"))]
    return sorted(with_auc or tests, key=lambda name: (_quality(tests[name]), name))


def _quality(test: Mapping[str, Any]) -> float:
    keys = ("auc",) if _is_defined(test.get("auc")) else ("sensitivity", "specificity")
    known = [test[key]["value"] for key in keys if _is_defined(test.get(key))]
    if not known and _is_defined(test.get("accuracy")):
        known = [test["accuracy"]["value"]]
    return float(sum(known) / len(known)) if known else 0.0


def _numbers(name: str, tests: Tests) -> str:
    """The name of a test with the few measures that say what it showed."""
    test = tests[name]
    keys = SCREENING_KEYS if "sensitivity" in test else CLASS_KEYS
    return f"{name}: {', '.join(f'{NAMES.get(key, key)} {value_text(test[key])}' for key in keys if key in test)}"


def value_text(measure: Mapping[str, Any], digits: int = 2) -> str:
    """Writes a measure with its interval: `0.95 [0.80, 0.99]`; "not defined" where it is not.

    Args:
        measure: `value` and, where there is an interval, `low` and `high`.
        digits: Number of decimals.
    """
    if not _is_defined(measure):
        return "not defined"
    interval = "" if measure.get("low") is None else f" [{measure['low']:.{digits}f}, {measure['high']:.{digits}f}]"
    return f"{measure['value']:.{digits}f}{interval}"


def _is_defined(measure: Mapping[str, Any] | None) -> bool:
    return measure is not None and measure.get("value") is not None
