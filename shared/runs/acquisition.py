"""What a model has seen of how images were acquired, and where an input differs from it.

A threshold that was chosen on axial slices says nothing of sagittal ones. So a run records the properties of its images
(`shared.samples.Sample.acquisition`), and an input with other ones is told so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.samples import NOT_STATED, Sample

FACTOR = 2.0
"""Factor by which a number may lie below or above those that were seen and still count as alike."""

Acquired = Mapping[str, str | float]
Seen = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Difference:
    """A property in which an input differs from the images that were seen.

    Attributes:
        name: The property, such as "plane".
        seen: Its values among the images that were seen, in words.
        found: Its value of the input, in words.
    """

    name: str
    seen: str
    found: str


def seen_in(samples: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    """Collects how images were acquired, as plain data for the model record.

    Args:
        samples: The images; none of their pixels is read.

    Returns:
        For each property that any image has: `texts`, the sorted texts; `range`, the lowest and the highest number,
        or None without numbers; `unstated`, whether some image does not state it.
    """
    names = sorted({name for sample in samples for name in sample.acquisition})
    return {name: _values([_stated(sample.acquisition, name) for sample in samples]) for name in names}


def differences(seen: Seen, acquired: Acquired) -> list[Difference]:
    """Finds the properties in which an input differs from the images that were seen.

    Args:
        seen: What `seen_in` collected.
        acquired: How the input was acquired.

    Returns:
        The differences by name. A number that is at most `FACTOR` (2) times below or above the range is none.
    """
    names = sorted({*seen, *acquired})
    strange = (name for name in names if not _is_alike(seen.get(name), _stated(acquired, name)))
    return [Difference(name, _words(seen.get(name)), _shown(_stated(acquired, name))) for name in strange]


def not_covered(seen: Seen, acquired: Acquired) -> list[Difference]:
    """Finds the properties in which a certificate that was counted on images does not cover an input.

    These are the differences, and each property that the input does not state: what is not known of an input may be
    anything, also where some or all of the images did not state it either.

    Args:
        seen: What `seen_in` collected of the images that were counted.
        acquired: How the input was acquired.

    Returns:
        The properties by name.
    """
    unstated = [
        Difference(name, _words(seen.get(name)), NOT_STATED)
        for name in {*seen, *acquired}
        if _stated(acquired, name) is None
    ]
    found = {one.name: one for one in [*differences(seen, acquired), *unstated]}
    return [found[name] for name in sorted(found)]


def describe_seen(seen: Seen) -> str:
    """Describes in one line how the images that were seen were acquired: "plane: axial; pixel spacing in mm: 0.9 to 1".

    Args:
        seen: What `seen_in` collected.

    Returns:
        The line; "not stated" where no image states anything.
    """
    return "; ".join(f"{name}: {_words(values)}" for name, values in seen.items()) or NOT_STATED


def describe(acquired: Acquired) -> str:
    """Describes in one line how an input was acquired: "plane axial, pixel spacing in mm 0.94".

    Args:
        acquired: How the input was acquired.

    Returns:
        The line; empty where nothing is stated.
    """
    return ", ".join(f"{name} {_shown(value)}" for name, value in acquired.items())


def _stated(acquired: Acquired, name: str) -> str | float | None:
    """The value of a property; None where it is not stated."""
    value = acquired.get(name)
    return None if value == NOT_STATED else value


def _values(values: Sequence[str | float | None]) -> dict[str, Any]:
    numbers = [value for value in values if isinstance(value, (int, float))]
    return {
        "texts": sorted({value for value in values if isinstance(value, str)}),
        "range": [min(numbers), max(numbers)] if numbers else None,
        "unstated": any(value is None for value in values),
    }


def _is_alike(seen: Mapping[str, Any] | None, value: str | float | None) -> bool:
    if value is None:
        return seen is None or bool(seen["unstated"])
    if seen is None:
        return False
    if isinstance(value, str):
        return value in seen["texts"]
    return seen["range"] is not None and seen["range"][0] / FACTOR <= value <= seen["range"][1] * FACTOR


def _words(seen: Mapping[str, Any] | None) -> str:
    if seen is None:
        return NOT_STATED
    known = list(seen["texts"])
    if seen["range"] is not None:
        low, high = map(_shown, seen["range"])
        known.append(low if low == high else f"{low} to {high}")
    return " or ".join([*known, *([NOT_STATED] if seen["unstated"] else [])])


def _shown(value: str | float | None) -> str:
    return NOT_STATED if value is None else value if isinstance(value, str) else f"{value:.2g}"
