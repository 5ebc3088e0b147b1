from __future__ import annotations

import pytest

from shared.runs.acquisition import Difference, describe, describe_seen, differences, seen_in
from shared.samples import Sample

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


def test_an_input_is_described_in_one_line() -> None:
    assert describe({"plane": "axial", "spacing": 0.9375}) == "plane axial, spacing 0.94"
    assert describe({}) == ""


def test_pictures_that_state_nothing_are_alike() -> None:
    assert differences(seen_in([Sample("a", "")]), {}) == []
