"""What is missed, as people read it: sentences for terminals, and rows for the tables of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.evaluation.text import measure_text

SHOWN_VALUES = 3
"""Values of a property that a sentence names, the worst first; tables show all."""
OF_THE_OBJECT = "% of the pixels that are not dark"
"""The unit of sizes where no spacing is stated: see `shared.evaluation.finding_size.FindingSize`."""


def missed_lines(result: Mapping[str, Any], unit: str, positive_name: str | None) -> list[str]:
    """Writes what is missed in a few sentences, the worst first, without full stops.

    Args:
        result: Measures of a test, with `missed` as `shared.evaluation.missed.missed` gives it, and `by_group`.
        unit: What a group of images is, in a word: "patient".
        positive_name: Name of the positive event.

    Returns:
        One sentence each on sizes, on properties, and on groups; none where there is nothing to say or no class is
        positive.
    """
    tree = result.get("missed")
    if tree is None:
        return []
    return [
        *_size_lines(tree["sizes"]),
        *_property_lines(tree["properties"]),
        *_group_lines(result, unit, positive_name),
    ]


def _size_lines(sizes: Mapping[str, Any]) -> list[str]:
    """The smallest and the largest bin, and the worst where it is another."""
    unknown = _unknown(sizes)
    if not sizes["share"]:
        return [] if not sizes["known"] else [f"too few sizes of findings are known for a curve: {unknown}"]
    rows = size_rows(sizes)
    values = [one["sensitivity"]["value"] for one in shown_bins(sizes)]
    worst = values.index(min(values))
    shown = "; ".join(
        f"{row['size']}{' (lowest)' if i == worst and len(rows) > 1 else ''}: {row['sensitivity']} "
        f"of {row['n']} images in {row['groups']} groups"
        for i, row in enumerate(rows)
        if i in (0, worst, len(rows) - 1)
    )
    return [f"sensitivity by area of the mask ({size_unit(sizes)}): {shown}; {unknown}"]


def _unknown(sizes: Mapping[str, Any]) -> str:
    total = sizes["known"] + sizes["unknown"]
    unreadable = f", {sizes['unreadable']} of them with a mask that cannot be read" if sizes["unreadable"] else ""
    return f"size unknown of {sizes['unknown']} of {total} positive images{unreadable}"


def _property_lines(properties: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    lines = []
    for name, rows in properties.items():
        known = [row for row in rows if row["sensitivity"]["value"] is not None]
        if known:
            shown = "; ".join(
                f"{row['value']} {measure_text(row['sensitivity'])} of {row['sensitivity']['n']} images"
                for row in known[:SHOWN_VALUES]
            )
            more = f"; {len(known) - SHOWN_VALUES} more" if len(known) > SHOWN_VALUES else ""
            few = f"; too few positive images in {len(rows) - len(known)}" if len(known) < len(rows) else ""
            lines.append(f"sensitivity by {name}, worst first: {shown}{more}{few}")
    return lines


def _group_lines(result: Mapping[str, Any], unit: str, positive_name: str | None) -> list[str]:
    measures = result.get("by_group", {})
    if not {"all_images_missed", "found_share", "false_alarm_images"} <= set(measures):
        return []
    missed, share, alarms = (measures[key] for key in ("all_images_missed", "found_share", "false_alarm_images"))
    lines = []
    if missed["value"] is not None:
        lines.append(
            f"by {unit} with a {positive_name}: not one positive image called in {missed['successes']} of "
            f"{missed['n']}, {measure_text(missed)}; share of the positive images called: median "
            f"{measure_text(share)}, lowest {share['lowest']:.3f}"
        )
    if alarms["value"] is not None:
        lines.append(
            f"by {unit} without a {positive_name}: {measure_text(alarms)} images called on average in "
            f"{alarms['n']}, at most {alarms['highest']}"
        )
    return lines


def size_unit(sizes: Mapping[str, Any]) -> str:
    """Names the unit in which sizes are shown: "mm2" where as many sizes are known in it as in shares."""
    return "mm2" if _in_mm2(sizes) else OF_THE_OBJECT


def size_rows(sizes: Mapping[str, Any]) -> list[dict[str, str]]:
    """Makes the rows of the table of sensitivity by size, from the smallest to the largest.

    Args:
        sizes: `sizes` of the result of `shared.evaluation.missed.missed`.

    Returns:
        Rows with `size` (in `size_unit`), `n` (images), `groups` and `sensitivity` with its interval.
    """
    return [
        {
            "size": _range(one, mm2=_in_mm2(sizes)),
            "n": str(one["sensitivity"]["n"]),
            "groups": str(one["groups"]),
            "sensitivity": measure_text(one["sensitivity"]),
        }
        for one in shown_bins(sizes)
    ]


def shown_bins(sizes: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the bins in the unit in which sizes are shown."""
    return list(sizes["mm2"] if _in_mm2(sizes) else sizes["share"])


def property_tables(properties: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Makes a table of each property: its `name`, and `rows` of texts, the lowest sensitivity first.

    Args:
        properties: `properties` of the result of `shared.evaluation.missed.missed`.
    """
    return [
        {
            "name": name,
            "rows": [
                {
                    "value": row["value"],
                    "groups": "" if row["groups"] is None else str(row["groups"]),
                    **{key: _rate_text(row[key]) for key in ("sensitivity", "specificity")},
                }
                for row in rows
            ],
        }
        for name, rows in properties.items()
    ]


def _rate_text(rate: Mapping[str, Any]) -> str:
    text = measure_text(rate)
    return text if rate["value"] is None else f"{text} of {rate['n']}"


def _in_mm2(sizes: Mapping[str, Any]) -> bool:
    in_mm2, in_shares = (sum(one["sensitivity"]["n"] for one in sizes[key]) for key in ("mm2", "share"))
    return bool(in_mm2) and in_mm2 == in_shares


def _range(one: Mapping[str, Any], *, mm2: bool) -> str:
    low, high = (_bound(one[key], mm2=mm2) for key in ("from", "to"))
    if one["to"] is None:
        return "all" if one["from"] == 0.0 else f"{low} and more"
    return f"under {high}" if one["from"] == 0.0 else f"{low} to {high}"


def _bound(size: float | None, *, mm2: bool) -> str:
    return "" if size is None else f"{size:g}" if mm2 else f"{100 * size:g}%"
