"""A folder for each site and in it one for each class (`hospital_a/glioma/1.png`), as DomainBed and WILDS have them.

The folder of the site becomes the domain. `Train/` and `Test/` may lie above the sites or within each of them.
A folder above a class is the site's only where every class is one that the application knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from shared.data.layouts._layout import LAYOUTS, ImageEntry, Layout, LayoutRule, Listing, Search
from shared.data.layouts._names import left_out, names_below, split_name, wrapping_folder
from shared.errors import DataError

SHAPES = (("site", "class"), ("split", "site", "class"), ("site", "split", "class"))
"""The folders above an image, from the top; below that of the class there may be more (a patient's)."""

MAX_SITES = 20
"""More folders than this are taken for patients; the benchmarks with this layout have 4 to 6 (chosen, not measured)."""


def recognise(listing: Listing, search: Search) -> Layout | None:
    """Recognises sites, each a folder with folders of known classes below it.

    One folder above everything is a wrapping folder and no site: nothing says which of the two it is.

    Args:
        listing: The files of the dataset.
        search: What the application looks for; its `is_class` decides which classes are known.

    Returns:
        The layout, with notes on the sites and on files that are in no folder or no image; None where there are no
        sites, or labels are not asked for.

    Raises:
        DataError: Some images lie in sites, and others at another depth; or the folders may be patients.
    """
    if listing.unlabelled:
        return None
    images = listing.images(search)
    wrapping = wrapping_folder(images, search.is_class)
    counts = Counter(_folders(name.removeprefix(wrapping)) for name in images if name.startswith(wrapping))
    del counts[()]
    shapes = {folders: _shape(folders, search.is_class) for folders in counts}
    if not any(shape in SHAPES for shape in shapes.values()):
        return None
    _refuse_mixed(listing.root.name, counts, shapes)
    names, numbers = names_below(images, wrapping), Counter[str]()
    entries = [_entry(name, shapes[above], numbers) for name in names if (above := _folders(name))]
    _refuse_patients(listing.root.name, entries)
    sites = len({entry.domain for entry in entries})
    notes = (
        f"The folders above the classes are taken for sites ({sites}); if they are patients, list the files in "
        "labels.csv with the column group.",
        *left_out(len(listing.files) - len(entries), "no image in a folder of a site and a class"),
    )
    return Layout(entries, listing.root, wrapping, notes=notes, files=listing.files)


def _folders(name: str) -> tuple[str, ...]:
    return tuple(name.split("/")[:-1])


def _shape(folders: Sequence[str], is_class: Callable[[str], bool]) -> tuple[str, ...]:
    """Says of each folder, down to the first known class, what it is; without a class the last is "site" or "split"."""
    shape: list[str] = []
    for folder in folders:
        shape.append("split" if split_name(folder) else "class" if is_class(folder) else "site")
        if shape[-1] == "class":
            break
    return tuple(shape)


def _refuse_mixed(
    root: str, counts: Mapping[tuple[str, ...], int], shapes: Mapping[tuple[str, ...], tuple[str, ...]]
) -> None:
    if len(set(shapes.values())) == 1:
        return
    seen = Counter[str]()
    for folders, shape in shapes.items():
        seen["/".join(shape) if shape[-1] == "class" else "folders of no known class"] += counts[folders]
    found = ", ".join(f"{count} images in {what}" for what, count in sorted(seen.items()))
    raise DataError(
        f"{root} mixes folders of sites with others: {found}; allowed is one of "
        f"{', '.join('/'.join(shape) for shape in SHAPES)} for all images, with classes that are known and Train, "
        "Validation or Test for a split; move the others, or list all files in labels.csv with the column domain"
    )


def _refuse_patients(root: str, entries: Sequence[ImageEntry]) -> None:
    """Refuses folders that may be patients: their names would be written to reports, and their images split apart.

    Sites of DomainBed and WILDS are few, and each shows every class.
    """
    classes: dict[str, set[str]] = {}
    for entry in entries:
        classes.setdefault(entry.domain, set()).add(entry.label)
    every = set().union(*classes.values())
    lacking = sum(shown != every for shown in classes.values())
    if lacking or len(classes) > MAX_SITES:
        raise DataError(
            f"{root} has {len(classes)} folders above those of the classes, and {lacking} of them lack a class: they "
            f"may be patients; at most {MAX_SITES} sites that show every class are read as they lie; list the files in "
            "labels.csv with the column group for patients, or domain for sites"
        )


def _entry(name: str, shape: tuple[str, ...], numbers: Counter[str]) -> ImageEntry:
    folders, at = _folders(name), shape.index("class")
    home = "/".join(folders[: at + 1])  # ends at the class: a folder below may have a patient's name
    numbers[home] += 1
    return ImageEntry(
        place=f"file {numbers[home]} (by name) in {home}",
        path=name,
        label=folders[at],
        split=split_name(folders[shape.index("split")]) or "" if "split" in shape else "",
        domain=folders[shape.index("site")],
        folders=folders[at:],
    )


LAYOUTS.add(
    "site_folders",
    LayoutRule(
        recognise,
        priority=20,  # its trees look like folders by class, with a site for the class
        advice="folders by site with folders by known class in each (site/class/image)",
    ),
)
