"""The section of the report on what is missed: a curve where there is one, and text that breaks where it may."""

from __future__ import annotations

from typing import Any

from shared.reporting.missed_report import missed_section


def _rate(value: float, n: int) -> dict[str, Any]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "interval": "Wilson", "n": n}


def _test(*medians: float) -> dict[str, Any]:
    """Measures of a test with a bin of ten images for each size in mm2."""
    bins = [
        {"from": 0.0 if i == 0 else 100.0 * i, "to": None, "median": one, "groups": 5, "sensitivity": _rate(0.5, 10)}
        for i, one in enumerate(medians)
    ]
    sizes = {"known": 10 * len(bins), "unknown": 0, "unreadable": 0, "share": bins, "mm2": bins}
    counts = {"positive": {"none": 1, "under_half": 2, "half_or_more": 3, "all": 4}}
    groups = {**counts, "negative": {"several": 0, "one": 0, "none": 0}}
    row = {"value": "FLAIR", "groups": 5, "sensitivity": _rate(0.5, 10), "specificity": _rate(0.6, 10)}
    return {"missed": {"sizes": sizes, "properties": {"contrast": [row, row]}, "groups": groups}}


def test_a_curve_is_drawn_of_two_sizes_and_none_of_one() -> None:
    one, two = missed_section(_test(50.0), "patient", "tumour"), missed_section(_test(50.0, 150.0), "patient", "tumour")
    assert one is not None
    assert one["curve"] is None
    assert len(one["sizes"]) == 1
    assert two is not None
    assert two["curve"].startswith("data:image/png;base64,")


def test_no_line_ends_within_an_interval_and_square_millimetres_have_their_sign() -> None:
    section = missed_section(_test(50.0, 150.0), "patient", "tumour")
    assert section is not None
    assert section["size_unit"] == "mm\u00b2"
    assert section["lines"][0].startswith("Sensitivity by area of the mask (mm\u00b2): ")
    assert section["sizes"][0]["sensitivity"] == "0.500 [0.400,\u00a00.600]"
    (table,) = section["properties"]
    assert table["rows"][0]["specificity"] == "0.600 [0.500,\u00a00.700] of 10"


def test_groups_are_told_the_worst_first_and_not_where_there_are_none() -> None:
    section = missed_section(_test(50.0, 150.0), "patient", "tumour")
    assert section is not None
    assert section["groups"] == {
        "positive": [("none", 1), ("under half", 2), ("half or more", 3), ("all", 4)],
        "negative": [],
    }
