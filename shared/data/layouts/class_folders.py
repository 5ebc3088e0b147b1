"""A folder for each class: `glioma/1.png`, also below `Train/` and `Test/`, in at most one wrapping folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from shared.data.layouts._layout import LAYOUTS, ImageEntry, Layout, LayoutRule, Listing, Search
from shared.data.layouts._names import left_out, names_below, split_name, wrapping_folder


def recognise(listing: Listing, search: Search) -> Layout | None:
    """Recognises images in a folder for each class, whether the application knows the class or not.

    Args:
        listing: The files of the dataset.
        search: What the application looks for.

    Returns:
        The layout, with a note on files that are in no folder or no image; None where no image lies in a folder, or
        labels are not asked for.
    """
    if listing.unlabelled:
        return None
    images = listing.images(search)
    folder = wrapping_folder(images, search.is_class)
    entries = class_folders(images, folder)
    if not entries:
        return None
    notes = left_out(len(listing.files) - len(entries), "no image in a class folder")
    return Layout(entries, listing.root, folder, notes=notes, files=listing.files)


def class_folders(names: Iterable[str], folder: str) -> list[ImageEntry]:
    """Makes the entries of images that lie in a folder for each class, at any depth (Training/glioma/1.png).

    Args:
        names: File names below the source, with slashes.
        folder: The wrapping folder with its slash, or ""; files outside of it, and files in no folder, are left out.

    Returns:
        The entries in natural order of their names.
    """
    entries, numbers = [], Counter[str]()
    for name in names_below(names, folder):
        folders = tuple(name.split("/")[:-1])
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
