"""Checks what a `model.json` states before anything is done with it: the file may come from elsewhere."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

MAX_SIDE = 4096
"""Largest side of the network's input: one image then has 64 MB as numbers."""
MAX_CLASSES, MAX_NAME = 10_000, 200
"""Most classes, and most characters of a name."""
JOINERS = dict.fromkeys((0x200C, 0x200D))
"""Signs that are not seen, by which Devanagari and other scripts choose how letters join: names have them too."""


def fault_of(tree: Mapping[str, Any]) -> str | None:
    """Finds the first field of a model record that is not what it must be.

    Args:
        tree: The content of `model.json`, of the format of this version.

    Returns:
        The field, its value and what is allowed, in a few words; None where all fields are sound.
    """
    missing = sorted(set(CHECKS) - set(tree))
    if missing:
        return f"has no {missing[0]}"
    for name, (is_sound, allowed) in CHECKS.items():
        if not is_sound(tree[name]):
            return f"states {name} {_shown(tree[name])}; allowed is {allowed}"
    return _contradiction(tree)


def _contradiction(tree: Mapping[str, Any]) -> str | None:
    classes, pooled = tree["classes"], tree["aggregation"]
    if len(set(classes)) < len(classes):
        return "states a class twice"
    if len(tree["positive"]) != len(classes):
        return f"states {len(tree['positive'])} values of positive for {len(classes)} classes"
    if len(pooled["pools"]) != len(pooled["weights"]):
        return f"states {len(pooled['weights'])} weights for {len(pooled['pools'])} pools"
    return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _is_number(value: object, low: float = -math.inf, high: float = math.inf) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value) and low <= value <= high
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _is_share(value: object) -> bool:
    return _is_number(value, 0.0, 1.0)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not any(unicodedata.category(sign) == "Cc" for sign in value)


def _is_name(value: object) -> bool:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        return False
    return value.translate(JOINERS).isprintable()


def _are(check: Callable[[Any], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _or_none(check: Callable[[Any], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or check(value)


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict)


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _is_preprocessing(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) <= {"size", "channels", "options"}
        and isinstance(value.get("size"), int)
        and _is_number(value["size"], 1, MAX_SIDE)
        and value.get("channels", 1) in (1, 3)
        and _is_mapping(value.get("options", {}))
    )


def _is_aggregation(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"pools", "weights", "bias"}
        and _are(_is_name)(value["pools"])
        and _are(_is_number)(value["weights"])
        and _is_number(value["bias"])
    )


def _is_ood(value: object) -> bool:
    return isinstance(value, dict) and _is_number(value.get("threshold"))


def _is_copy_rule(value: object) -> bool:
    return isinstance(value, dict) and {"mirrored", "altered"} <= set(value) and all(map(_is_truth, value.values()))


def _are_classes(value: object) -> bool:
    return isinstance(value, list) and 1 < len(value) <= MAX_CLASSES and all(map(_is_name, value))


def _are_answers(value: object) -> bool:
    return isinstance(value, dict) and all(_is_name(name) and _are_classes(found) for name, found in value.items())


NUMBER, SHARE, NAMES = "a finite number", "a number from 0 to 1", "a list of names"
CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "task": (_is_name, "the name of an application"),
    "classes": (_are_classes, f"a list of 2 to {MAX_CLASSES} names that can be printed"),
    "positive": (_are(_is_truth), "a list of true and false"),
    "preprocessing": (_is_preprocessing, f"size 1 to {MAX_SIDE}, channels 1 or 3, and options"),
    "threshold": (_is_share, SHARE),
    "operating_point": (_or_none(_is_mapping), "null or fields"),
    "rejection": (_or_none(_is_mapping), "null or fields"),
    "aggregation": (_is_aggregation, "pools, as many weights, and a bias"),
    "certified_sensitivity": (_or_none(_is_share), f"null or {SHARE}"),
    "certified_error": (_or_none(_is_share), f"null or {SHARE}"),
    "ood": (_is_ood, "fields with a finite threshold"),
    "temperature": (lambda value: _is_number(value, 0.0) and value > 0, "a number above 0"),
    "backbone": (_is_mapping, "fields"),
    "domains": (_are(_is_text), NAMES),
    "acquisition": (lambda value: _is_mapping(value) and all(map(_is_mapping, value.values())), "fields of fields"),
    "synthetic": (_is_truth, "true or false"),
    "data_hash": (_is_text, "a text"),
    "weights_hash": (_is_text, "a text"),
    "copy_rule": (_is_copy_rule, "mirrored and altered, true or false"),
    "auxiliary": (_are_answers, "names of answers by task"),
    "data_names": (_are(_is_text), NAMES),
    "aggregation_reason": (_is_text, "a text"),
    "of_images": (_or_none(_is_share), f"null or {SHARE}"),
    "negative_series": (_is_mapping, "fields"),
}
"""For each field of a model record, the check of its value, and what is allowed in words."""
