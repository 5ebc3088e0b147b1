from __future__ import annotations

import pytest

from shared.runs.acquisition import Difference, describe, describe_seen, differences, not_covered, seen_in
from shared.samples import NOT_STATED, Sample

AXIAL = [
    Sample("a", "", acquisition={"plane": "axial", "spacing": 0.9}),
    Sample("b", "", acquisition={"plane": "axial"}),
]


def test_values_are_collected_with_what_is_not_stated() -> None:
    assert seen_in(AXIAL) == {
        "plane": {"texts": ["axial"], "range": None, "unstated": False},
        "spacing": {"texts": [], "range": [0.9, 0.9], "unstated": True},
    }
    assert describe_seen(seen_in(AXIAL)) == "plane: axial; spacing: 0.9 or not stated"
    assert describe_seen({}) == "not stated"


@pytest.mark.parametrize(
    ("acquired", "expected"),
    [
        ({"plane": "axial", "spacing": 0.5}, []),
        ({"plane": "axial"}, []),
        ({"plane": "coronal", "spacing": 0.9}, [Difference("plane", "axial", "coronal")]),
        ({"spacing": 0.9}, [Difference("plane", "axial", "not stated")]),
        ({"plane": "axial", "spacing": 2.0}, [Difference("spacing", "0.9 or not stated", "2")]),
        ({"plane": "axial", "field": 3.0}, [Difference("field", "not stated", "3")]),
    ],
)
def test_differences_are_named(acquired: dict[str, str | float], expected: list[Difference]) -> None:
    assert differences(seen_in(AXIAL), acquired) == expected


@pytest.mark.parametrize(
    ("acquired", "names"),
    [
        ({"plane": "axial", "spacing": 0.5}, []),
        ({"plane": "axial"}, ["spacing"]),
        ({"plane": NOT_STATED, "spacing": 0.9}, ["plane"]),
        ({"plane": "axial", "spacing": 0.9, "field": NOT_STATED}, ["field"]),
        ({"plane": "coronal", "spacing": 2.0}, ["plane", "spacing"]),
    ],
)
def test_a_certificate_covers_nothing_that_is_not_stated(acquired: dict[str, str | float], names: list[str]) -> None:
    """Not even where an image that was counted did not state it either."""
    assert [one.name for one in not_covered(seen_in(AXIAL), acquired)] == names


def test_what_says_not_stated_is_not_stated() -> None:
    assert seen_in([Sample("a", "", acquisition={"field": NOT_STATED})])["field"]["unstated"]
    assert differences(seen_in(AXIAL), {"plane": NOT_STATED}) == [Difference("plane", "axial", "not stated")]


def test_an_input_is_described_in_one_line() -> None:
    assert describe({"plane": "axial", "spacing": 0.9375}) == "plane axial, spacing 0.94"
    assert describe({}) == ""


def test_pictures_that_state_nothing_are_alike() -> None:
    assert differences(seen_in([Sample("a", "")]), {}) == []
