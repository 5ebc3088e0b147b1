"""The search for the layout of a folder, zip or table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from shared.data.layouts._layout import LAYOUTS, Layout, Listing, Search
from shared.errors import DataError
from shared.io.archives import is_side_file, read_source
from shared.io.kinds import identify


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
            return _with_notes(next(iter(found.values())), listing, search)
    usual_first = sorted(rules.values(), key=lambda rule: rule.priority)
    allowed = ", or ".join(rule.advice.format(example=search.example) for rule in usual_first if rule.advice)
    notes = "".join(f" ({note})" for note in _notes(listing, set(), search))
    raise DataError(f"{source.name} has no layout that is known{notes}; give {allowed}")


def _with_notes(layout: Layout, listing: Listing, search: Search) -> Layout:
    used = {f"{layout.folder}{entry.path}" for entry in layout.entries}
    notes = tuple(f"{note}." for note in _notes(listing, used, search))
    return replace(layout, notes=(*layout.notes, *notes)) if notes else layout


def _notes(listing: Listing, used: Collection[str], search: Search) -> list[str]:
    """What was not read though it may hold images: pictures of other formats by their bytes, archives, links."""
    kinds = Counter[str]()
    for name, source in listing.files.items():
        if name not in used and not is_side_file(name) and not search.is_image(name):
            with suppress(DataError):
                kind = identify(read_source(source))
                if kind is not None and kind.group not in ("clutter", "pointer"):
                    kinds[kind.reason] += 1
    notes = [f"{count} file(s) left out: each {reason}" for reason, count in kinds.items()]
    if listing.unread:
        notes.append(f"{listing.unread} link(s) or folder(s) lead out of the folder, or nowhere, and were not read")
    return notes
