"""What is missed, in a run's report: by the size of the finding, by property of the acquisition, and by group."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shared.evaluation.missed import DOMAIN
from shared.evaluation.missed_text import missed_lines, property_tables, shown_bins, size_rows, size_unit
from shared.reporting.figures.curves import size_curve

INTERVAL = re.compile(r"\[([\d.]+), ([\d.]+)\]")
COUNTED = {
    "positive": {"none": "none", "under_half": "under half", "half_or_more": "half or more", "all": "all"},
    "negative": {"several": "several", "one": "one", "none": "none"},
}
"""Words for the numbers of groups of both kinds, by their keys in `report.json`, the worst first."""


def missed_section(test: Mapping[str, Any], unit: str, positive_name: str | None) -> dict[str, Any] | None:
    """Collects what the section of the report on what is missed shows.

    Args:
        test: Measures of the test, with `missed` where a class is positive.
        unit: What a group of images is, in a word: "patient".
        positive_name: Name of the positive event.

    Returns:
        `lines` (sentences), `sizes` (rows of the table by size), `size_unit`, `curve` (a PNG as a data address; None
        with fewer than two sizes, which make no curve), `properties` (a table of each but the domain, which has one
        elsewhere) and `groups` (numbers of groups in words, a list of pairs for each kind, empty where there is no
        group of it; or None); None where nothing of it is known.
    """
    tree = test.get("missed")
    if tree is None:
        return None
    lines = missed_lines(test, unit, positive_name)
    if not lines:
        return None
    sizes, groups = tree["sizes"], tree["groups"]
    return {
        "lines": [_typeset(f"{line[0].upper()}{line[1:]}.") for line in lines],
        "sizes": [{key: _typeset(text) for key, text in row.items()} for row in size_rows(sizes)],
        "size_unit": _typeset(size_unit(sizes)),
        "curve": _curve(sizes),
        "properties": [
            {**table, "rows": [{key: _typeset(text) for key, text in row.items()} for row in table["rows"]]}
            for table in property_tables({name: rows for name, rows in tree["properties"].items() if name != DOMAIN})
        ],
        "groups": None if groups is None else {name: _counts(groups[name], words) for name, words in COUNTED.items()},
    }


def _typeset(text: str) -> str:
    """The text as a page shows it: no line ends within an interval, and square millimetres have their sign."""
    return INTERVAL.sub("[\\1,\u00a0\\2]", text).replace("mm2", "mm\u00b2")


def _counts(counts: Mapping[str, int], words: Mapping[str, str]) -> list[tuple[str, int]]:
    return [(word, counts[key]) for key, word in words.items()] if any(counts.values()) else []


def _curve(sizes: Mapping[str, Any]) -> str | None:
    bins = shown_bins(sizes)
    if len(bins) < 2:
        return None
    scale = 1.0 if size_unit(sizes) == "mm2" else 100.0
    scaled = [{**one, "from": scale * one["from"], "median": scale * one["median"]} for one in bins]
    return size_curve(scaled, _typeset(size_unit(sizes)))
