"""Kinds of series: of which negative ones were judged, and whether a series is of a kind that gets a decision.

A threshold that was chosen without one negative series of a kind says nothing of how often such a series is called
positive: whatever the pool, the scores of many slices of a strange kind lie where they lie. So a series of a kind, or
of a length, of which no negative one was judged gets no decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.decision.places import count_places
from shared.evaluation.decision.remainders import negative_remainder
from shared.evaluation.decision.series import slices_of
from shared.samples import NOT_STATED, Sample

LENGTH_FACTOR = 2
"""Factor by which a series may be shorter or longer than those that were judged to be like them."""

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
        `remainders` (number of negative remainders of positive series) and `lengths` (slices of the shortest and of the
        longest of both; slices at one position count once).
    """
    held = np.array([i for i, sample in enumerate(samples) if sample.series is not None], dtype=np.int64)
    found: dict[Kind, list[tuple[int, bool]]] = {}
    for chosen in slices_of([samples[i].series for i in held]) if len(held) else ():
        rows = held[chosen]
        marked = truth[rows]
        positions = [samples[i].position for i in rows]
        if marked.any():
            left = negative_remainder(marked, positions)
            rows, positions = rows[left], [positions[i] for i in left]
        length = count_places(len(rows), positions) if len(rows) else 0
        if length > 1:
            kind = _kind_of([samples[i].acquisition for i in rows], properties)
            found.setdefault(kind, []).append((length, bool(marked.any())))
    return [_entry(kind, found[kind], properties) for kind in sorted(found)]


def why_undecided(
    judged: Sequence[Mapping[str, Any]],
    acquired: Mapping[str, str | float],
    count: int,
    *,
    properties: Sequence[str],
    name: str = "negative",
) -> str | None:
    """Tells why a series gets no decision; None where it gets one.

    Args:
        judged: What `judged_kinds` listed, of validation and of tests on other data.
        acquired: How the series was acquired. A property that it does not state is like one that was not stated there.
        count: Number of its slices, at least 2; those at one position count once.
        properties: Names of the properties that make the kind.
        name: What a negative series is called.

    Returns:
        One line, such as "no tumour-free series of this kind was in validation (T1, sagittal, 176 slices)".
    """
    kind = dict(zip(properties, _kind_of([acquired], properties), strict=True))
    alike = [one["lengths"] for one in judged if one["kind"] == kind]
    if any(low / LENGTH_FACTOR <= count <= high * LENGTH_FACTOR for low, high in alike):
        return None
    said = [f"{key} {NOT_STATED}" if value == NOT_STATED else value for key, value in kind.items()]
    words = ", ".join([*said, f"{count} slices"])
    if not judged:
        return f"no {name} series of several slices was in validation ({words})"
    if not alike:
        return f"no {name} series of this kind was in validation ({words})"
    lengths = ", ".join(_range(low, high) for low, high in alike)
    return f"no {name} series of this kind and length was in validation ({words}; there they had {lengths})"


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
    said = [f"{key} {NOT_STATED}" if value == NOT_STATED else value for key, value in one["kind"].items()]
    return f"{', '.join(said)}: {' and '.join(counts)}, of {_range(*one['lengths'])} slices"


def _range(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def _kind_of(acquired: Sequence[Mapping[str, str | float]], properties: Sequence[str]) -> Kind:
    """The kind of a series; a property in which its slices differ is not stated."""
    values = ({str(one.get(name, NOT_STATED)) for one in acquired} for name in properties)
    return tuple(found.pop() if len(found) == 1 else NOT_STATED for found in values)


def _entry(kind: Kind, found: Sequence[tuple[int, bool]], properties: Sequence[str]) -> dict[str, Any]:
    lengths = [length for length, _ in found]
    remainders = sum(of_positive for _, of_positive in found)
    return {
        "kind": dict(zip(properties, kind, strict=True)),
        "series": len(found) - remainders,
        "remainders": remainders,
        "lengths": [min(lengths), max(lengths)],
    }
