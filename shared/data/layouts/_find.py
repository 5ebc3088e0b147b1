"""The search for the layout of a folder, zip or table."""

from __future__ import annotations

from pathlib import Path

from shared.data.layouts._layout import LAYOUTS, Layout, Listing, Search
from shared.errors import DataError


def find_layout(source: Path, search: Search, *, unlabelled: bool = False) -> Layout:
    """Finds the layout of a dataset: asks each known layout, by priority, whether it recognises the files.

    Args:
        source: Folder, zip or table.
        search: What the application looks for.
        unlabelled: Whether labels are not asked for: a table needs no column of them, and without a table every image
            counts, whatever its folder is called.

    Returns:
        The layout of the only rule of the highest priority that recognises the files.

    Raises:
        DataError: No layout is recognised, several are, or the one that is has faults.
    """
    listing = Listing.of(source, unlabelled=unlabelled)
    rules = {name: LAYOUTS.get(name) for name in sorted(LAYOUTS)}
    for priority in sorted({rule.priority for rule in rules.values()}, reverse=True):
        found = {
            name: layout
            for name, rule in rules.items()
            if rule.priority == priority and (layout := rule.recognise(listing, search)) is not None
        }
        if len(found) > 1:
            raise DataError(f"{source.name} fits several layouts: {' and '.join(found)}; keep the files of one of them")
        if found:
            return next(iter(found.values()))
    usual_first = sorted(rules.values(), key=lambda rule: rule.priority)
    allowed = ", or ".join(rule.advice.format(example=search.example) for rule in usual_first if rule.advice)
    raise DataError(f"{source.name} has no layout that is known; give {allowed}")
