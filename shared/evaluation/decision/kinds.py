"""Kinds of series: of which negative ones were judged, and whether a series is of a kind that gets a decision.

A threshold that was chosen without one negative series of a kind says nothing of how often such a series is called
positive: whatever the pool, the scores of many slices of a strange kind lie where they lie. So a series of a kind, or
of a length, of which no negative one was judged gets no decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.decision.length import Length, range_words, ranges_of
from shared.evaluation.decision.remainders import negative_remainder
from shared.evaluation.decision.series import slices_of
from shared.samples import NOT_STATED, Sample

Kind = tuple[str, ...]


def judged_kinds(
    samples: Sequence[Sample], truth: NDArray[np.bool_], properties: Sequence[str]
) -> list[dict[str, Any]]:
    """Lists by kind the negative series of several slices among images that were judged.

    Args:
        samples: N images; those without a series are judged alone and do not count.
        truth: bool [N], whether each is positive; a series is negative where none of its slices is positive.
        properties: Names of the properties of the acquisition that make the kind.

    Returns:
        For each kind, sorted, as plain data: `kind` (a text for each property), `series` (number of negative series),
        `remainders` (number of negative remainders of positive series), and the `lengths` in slices and `extents_mm` of
        both, as `shared.evaluation.decision.length.ranges_of` gives them.
    """
    held = np.array([i for i, sample in enumerate(samples) if sample.series is not None], dtype=np.int64)
    found: dict[Kind, list[tuple[Length, bool]]] = {}
    for chosen in slices_of([samples[i].series for i in held]) if len(held) else ():
        rows = held[chosen]
        marked = truth[rows]
        positions = [samples[i].position for i in rows]
        if marked.any():
            left = negative_remainder(marked, positions)
            rows, positions = rows[left], [positions[i] for i in left]
        if len(rows) and (length := Length.of(len(rows), positions)).slices > 1:
            kind = _kind_of([samples[i].acquisition for i in rows], properties)
            found.setdefault(kind, []).append((length, bool(marked.any())))
    return [_entry(kind, found[kind], properties) for kind in sorted(found)]


def why_undecided(
    judged: Sequence[Mapping[str, Any]],
    acquired: Mapping[str, str | float],
    length: Length,
    *,
    trained: Mapping[str, Sequence[str]],
    name: str = "negative",
) -> str | None:
    """Tells why a series gets no decision; None where it gets one.

    A property that the series does not state may be anything. So a negative series must have been judged of each value
    that the training images had of it.

    Args:
        judged: What `judged_kinds` listed, of validation and of tests on other data.
        acquired: How the series was acquired.
        length: Its length, at least 2 slices.
        trained: For each property that makes the kind, the values that training images state.
        name: What a negative series is called.

    Returns:
        One line, such as "no tumour-free series of this kind was in validation (T1, sagittal, 176 slices, 176 mm)".
    """
    kind = dict(zip(trained, _kind_of([acquired], list(trained)), strict=True))
    words = ", ".join([*(_said(key, value) for key, value in kind.items()), str(length)])
    if not judged:
        return f"no {name} series of several slices was in validation ({words})"
    if NOT_STATED in kind.values():
        return _why_of_unstated(judged, kind, length, trained, f"{name} series", words)
    alike = [one for one in judged if one["kind"] == kind]
    if any(length.is_like(one) for one in alike):
        return None
    if not alike:
        return f"no {name} series of this kind was in validation ({words})"
    ranges = (length.compared(one) for one in alike)
    there = ", ".join(f"{range_words(low, high)} {unit}" for _, low, high, unit in ranges)
    return f"no {name} series of this kind and length was in validation ({words}; there they had {there})"


def _why_of_unstated(
    judged: Sequence[Mapping[str, Any]],
    kind: Mapping[str, str],
    length: Length,
    trained: Mapping[str, Sequence[str]],
    series: str,
    words: str,
) -> str | None:
    """Why a series that does not state a property of its kind gets no decision; None where it gets one."""
    unstated = [key for key, value in kind.items() if value == NOT_STATED]
    said = f"{' and '.join(unstated)} {'is' if len(unstated) == 1 else 'are'} not stated"
    if unknown := [key for key in unstated if not trained[key]]:
        return f"{said}, and the training images do not state their {' and '.join(unknown)} either ({words})"
    lacking = [
        " ".join(values[key] for key in unstated)
        for values in _possible(kind, trained)
        if not any(one["kind"] == values and length.is_like(one) for one in judged)
    ]
    if not lacking:
        return None
    return f"{said}, and no {series} of this kind and length was in validation of: {', '.join(lacking)} ({words})"


def _possible(kind: Mapping[str, str], trained: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """The kinds that a series may be of: each property that is not stated has any value of the training images."""
    choices = [trained[key] if value == NOT_STATED else [value] for key, value in kind.items()]
    return (dict(zip(kind, values, strict=True)) for values in product(*choices))


def kinds_text(record: Mapping[str, Any]) -> str:
    """Writes in one line of which kinds validation judged negative series, without a full stop.

    Args:
        record: `ModelRecord.negative_series` of a model with a positive class.
    """
    judged, name = record.get("judged", []), record.get("name", "negative")
    if not judged:
        return f"no {name} series of several slices was in validation, so series get no decision"
    return "; ".join(_kind_text(one, name) for one in judged)


def _kind_text(one: Mapping[str, Any], name: str) -> str:
    """One kind: "T1, axial: 12 tumour-free series and 3 tumour-free remainders of series, of 10 to 24 slices"."""
    counts = [
        f"{number} {name} {words}"
        for number, words in ((one["series"], "series"), (one["remainders"], "remainders of series"))
        if number
    ]
    said = ", ".join(_said(key, value) for key, value in one["kind"].items())
    extents = one.get("extents_mm")
    mm = f" ({range_words(*extents)} mm)" if extents else ""
    return f"{said}: {' and '.join(counts)}, of {range_words(*one['lengths'])} slices{mm}"


def _said(key: str, value: str) -> str:
    return f"{key} {NOT_STATED}" if value == NOT_STATED else value


def _kind_of(acquired: Sequence[Mapping[str, str | float]], properties: Sequence[str]) -> Kind:
    """The kind of a series; a property in which its slices differ is not stated."""
    values = ({str(one.get(name, NOT_STATED)) for one in acquired} for name in properties)
    return tuple(found.pop() if len(found) == 1 else NOT_STATED for found in values)


def _entry(kind: Kind, found: Sequence[tuple[Length, bool]], properties: Sequence[str]) -> dict[str, Any]:
    remainders = sum(of_positive for _, of_positive in found)
    return {
        "kind": dict(zip(properties, kind, strict=True)),
        "series": len(found) - remainders,
        "remainders": remainders,
        **ranges_of([length for length, _ in found]),
    }
