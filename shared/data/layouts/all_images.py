"""All images of a folder or zip, whatever its folders are called, where no label is asked for."""

from __future__ import annotations

from shared.data.layouts._layout import LAYOUTS, ImageEntry, Layout, LayoutRule, Listing, Search
from shared.data.layouts._names import left_out, names_below
from shared.errors import DataError


def recognise(listing: Listing, search: Search) -> Layout | None:
    """Recognises every image as an unlabelled sample, in natural order of names.

    Args:
        listing: The files of the dataset.
        search: What the application looks for; its `is_image` decides.

    Returns:
        The layout, with a note on files that are no image; None where labels are asked for.

    Raises:
        DataError: There is no image.
    """
    if not listing.unlabelled:
        return None
    names = names_below(listing.images(search), "")
    if not names:
        raise DataError(
            f"{listing.root.name} has no image; give a folder, a zip or a manifest .csv with the column path"
        )
    entries = [ImageEntry(f"file {number} (by name)", name) for number, name in enumerate(names, start=1)]
    masks = len(listing.masks(search))
    notes = (
        *left_out(masks, "masks by their names"),
        *left_out(len(listing.files) - len(entries) - masks, "no image"),
    )
    return Layout(entries, listing.root, notes=notes, files=listing.files, unlabelled=True)


LAYOUTS.add(
    "all_images",
    LayoutRule(
        recognise,
        priority=10,  # where labels are not asked for, all other layouts of folders return None
    ),
)
