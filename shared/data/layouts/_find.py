"""The search for the layout of a folder, zip or table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from shared.data.layouts._classes import folded, require_meanings, settled
from shared.data.layouts._layout import LAYOUTS, Layout, Listing, Search
from shared.data.layouts._names import is_neutral
from shared.errors import DataError
from shared.io.archives import is_side_file, read_source
from shared.io.kinds import TEXT
from shared.samples import NO_MEANINGS, Meanings


def find_layout(source: Path, search: Search, *, unlabelled: bool = False, meanings: Meanings = NO_MEANINGS) -> Layout:
    """Finds the layout of a dataset: asks each known layout, by priority, whether it recognises the files.

    Args:
        source: Folder, zip or table.
        search: What the application looks for.
        unlabelled: Whether labels are not asked for: a table needs no column of them, and without a table every image
            counts, whatever its folder is called.
        meanings: What the configuration says of folders and labels that the application does not know.

    Returns:
        The layout of the only rule of the highest priority that recognises the files; each label is a class that the
        application knows, or takes as one of its own.

    Raises:
        DataError: No layout is recognised, several are, or the one that is has faults.
        MeaningError: A folder or label is not known, and `meanings` does not say what it is.
        ConfigError: `meanings` says what cannot be.
    """
    require_meanings(meanings.classes, search)
    told = {folded(name) for name in meanings.classes}
    known = replace(search, is_class=lambda name: search.is_class(name) or folded(name) in told)
    listing = replace(Listing.of(source, unlabelled=unlabelled), folders_above=meanings.folders_above)
    return settled(_recognised(source, listing, known), search, meanings.classes)


def _recognised(source: Path, listing: Listing, search: Search) -> Layout:
    """The layout as its rule gives it.

    Raises:
        DataError: No layout is recognised, several are, or the one that is has faults.
        MeaningError: It is not said what the folders above those of the classes are.
    """
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
    notes = "".join(f" ({note})" for note in _notes(listing, None, search))
    raise DataError(f"{source.name} {_what_it_is(listing, search)}{notes}; give {allowed}")


def _what_it_is(listing: Listing, search: Search) -> str:
    """Says of files that no layout fits what they are, as far as their names show it."""
    if boxes := _boxes(listing, search):
        return (
            f"has {boxes} images with a text file of the same name in a folder labels: an export for the detection of "
            "boxes (YOLO), in which no folder says the class"
        )
    if masks := len(listing.masks(search)):
        return f"has no layout that is known, and {masks} masks by their names, which are no images"
    return "has no layout that is known"


def _boxes(listing: Listing, search: Search) -> int:
    """The number of images that have a text file of their name in a folder `labels`, as exports for YOLO have them."""
    texts = {
        path.stem for name in listing.files if (path := PurePosixPath(name)).suffix == ".txt" and "labels" in path.parts
    }
    names = (PurePosixPath(name) for name in listing.images(search))
    return sum(name.stem in texts for name in names if any(is_neutral(part) for part in name.parts))


def _with_notes(layout: Layout, listing: Listing, search: Search) -> Layout:
    used = {f"{layout.folder}{entry.path}" for entry in layout.entries}
    notes = tuple(f"{note}." for note in _notes(listing, used, search))
    return replace(layout, notes=(*layout.notes, *notes)) if notes else layout


def _notes(listing: Listing, used: Collection[str] | None, search: Search) -> list[str]:
    """What was not read though it may hold images: pictures of other formats by their bytes, archives, links.

    Args:
        listing: The files of the dataset.
        used: Names of the images; None where there is no layout, so that documents may be what was meant, too.
        search: What the application looks for.
    """
    kinds = Counter[str]()
    for name, source in listing.files.items():
        beside = used is not None and (name in used or is_side_file(name))
        if not beside and not search.is_image(name):
            with suppress(DataError):
                kind = search.kind(read_source(source))
                if kind is not None and kind != TEXT and (used is None or kind.group not in ("clutter", "pointer")):
                    kinds[kind.reason] += 1
    notes = [f"{count} file(s) left out: each {reason}" for reason, count in kinds.items()]
    if listing.unread:
        notes.append(
            f"{listing.unread} link(s) or folder(s) lead out of the folder, or nowhere, and were not read: copy what "
            "they lead to"
        )
    return notes
