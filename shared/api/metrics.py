"""The measures of a test, by name: value, 95% interval and number of cases."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import UnknownNameError


class NoSuchMeasure(UnknownNameError, KeyError):
    """A test has no measure of that name; the message lists those that it has."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Metric:
    """One measure of a test.

    Attributes:
        value: The measure; None where it is not defined, for example without a positive image.
        low: Lower end of the 95% interval; None where there is no interval.
        high: Upper end of the 95% interval; None where there is no interval.
        n: Number of cases that it is computed on.
        interval: How the interval was made, or why there is none.
        title: Name of the measure for people.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    interval: str = ""
    title: str = ""

    def __float__(self) -> float:
        if self.value is None:
            raise TypeError(f"{self.title or 'the measure'} is not defined: {self.interval}")
        return self.value

    def __str__(self) -> str:
        if self.value is None:
            return f"not defined ({self.interval})"
        ends = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{number_text(self.value)}{ends} (n={self.n})"


def number_text(value: float) -> str:
    """Writes a measure with three decimals, and a count without any.

    Args:
        value: The measure; a count is an `int`.
    """
    return str(value) if isinstance(value, int) else f"{value:.3f}"


class Metrics(Mapping[str, Metric]):
    """The measures of a test by name (`auc`, `sensitivity`), those of images; empty where nothing was tested.

    Args:
        test: A result of `shared.evaluation.evaluate.evaluate`.

    Attributes:
        by_group: The same by group (patient, writer); empty where groups are not judged.
        domains: The same for each domain (scanner, collection) of the test.
    """

    def __init__(self, test: Mapping[str, Any]) -> None:
        self._found = _measures(test)
        inner = test.get("by_group") or {}
        self.by_group: Mapping[str, Metric] = Metrics(inner) if inner else {}
        self.domains: Mapping[str, Metrics] = {name: Metrics(one) for name, one in (test.get("domains") or {}).items()}

    def __getitem__(self, name: str) -> Metric:
        if name in self._found:
            return self._found[name]
        near = difflib.get_close_matches(str(name), self._found, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise NoSuchMeasure(f"no measure {name!r}; {hint}this test has {', '.join(self._found) or 'none'}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {metric}" for name, metric in self.items()) or "no test"

    def _repr_html_(self) -> str:
        from shared.api.notebook import metrics_page

        return metrics_page(self)


def _measures(test: Mapping[str, Any]) -> dict[str, Metric]:
    """The registered measures among the entries of a test, in its order."""
    from shared.evaluation.measure import MEASURES

    titles = {name: MEASURES.get(name).title for name in MEASURES}
    return {
        name: _metric(entry, titles[name], int(test.get("n", 0)))
        for name, entry in test.items()
        if name in titles and (isinstance(entry, (int, float)) or (isinstance(entry, dict) and "value" in entry))
    }


def _metric(entry: Any, title: str, n: int) -> Metric:
    if not isinstance(entry, dict):
        return Metric(entry, None, None, n, "a plain number without an interval", title)
    value, low, high = (None if entry.get(key) is None else float(entry[key]) for key in ("value", "low", "high"))
    said = entry.get("interval") or entry.get("interval_reason") or entry.get("reason") or ""
    return Metric(value, low, high, int(entry.get("n", n)), str(said), title)
