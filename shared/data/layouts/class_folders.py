"""A folder for each class: `glioma/1.png`, also below `Train/` and `Test/`, whatever folders wrap them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from shared.data.layouts._layout import LAYOUTS, ImageEntry, Layout, LayoutRule, Listing, Search
from shared.data.layouts._names import left_out, split_name
from shared.data.layouts._trees import folders_of, read_tree


def recognise(listing: Listing, search: Search) -> Layout | None:
    """Recognises images in a folder for each class, whether the application knows the class or not.

    Args:
        listing: The files of the dataset.
        search: What the application looks for.

    Returns:
        The layout, with notes on files that are left out; None where no image lies in a folder, or labels are not
        asked for.

    Raises:
        DataError: One tree of classes lies in another one.
    """
    if listing.unlabelled:
        return None
    tree = read_tree(listing, search)
    entries = class_folders(tree.names, search)
    if not entries:
        return None
    others = left_out(len(listing.files) - len(entries) - tree.passed_over, "no image in a class folder")
    return Layout(entries, listing.root, tree.folder, notes=(*tree.notes, *others), files=listing.files)


def class_folders(names: Sequence[str], search: Search) -> list[ImageEntry]:
    """Makes the entries of images that lie in a folder for each class, at any depth (Training/glioma/1.png).

    Args:
        names: File names with slashes, in order; those that lie in no folder are left out.
        search: What the application looks for.

    Returns:
        The entries in the order of their names.
    """
    entries, numbers = [], Counter[str]()
    for name in names:
        folders = folders_of(name, search)
        split = split_name(folders[0]) if folders else None
        rest = folders[1:] if split else folders
        if rest:
            # A folder below that of the class may have a patient's name, so the place ends at the class.
            home = f"{folders[0]}/{rest[0]}" if split else rest[0]
            numbers[home] += 1
            place = f"file {numbers[home]} (by name) in {home}"
            entries.append(ImageEntry(place, name, rest[0], split or "", folders=rest))
    return entries


LAYOUTS.add(
    "class_folders",
    LayoutRule(
        recognise,
        priority=10,  # it takes any folder for a class, so it comes last
        advice="folders by class ({example})",
    ),
)
