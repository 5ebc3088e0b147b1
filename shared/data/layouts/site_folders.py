"""Folders above those of the classes: one for each site (`hospital_a/glioma/1.png`), or one for each patient.

Nothing in the tree says which of the two they are, so the configuration does (`data.folders_above`). The folder of a
site becomes the domain, as DomainBed and WILDS have them; the folder of a patient becomes the group, and its name is
written nowhere. `Train/` and `Test/` may lie above these folders or within each of them. A folder above a class is one
of them only where every class is one that the application knows, or that the configuration names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from shared.data.layouts._classes import question, shown_names
from shared.data.layouts._layout import LAYOUTS, ImageEntry, Layout, LayoutRule, Listing, Search
from shared.data.layouts._names import left_out, split_name
from shared.data.layouts._trees import Tree, folders_of, read_tree, sub_path_advice
from shared.errors import DataError, MeaningError

SHAPES = (("site", "class"), ("split", "site", "class"), ("site", "split", "class"))
"""The folders above an image, from the top; below that of the class there may be more (a patient's)."""

Places = Mapping[str, tuple[str, ...]]
"""The folders above each image by its name, without those that say nothing."""


def recognise(listing: Listing, search: Search) -> Layout | None:
    """Recognises folders of sites or patients, each with folders of known classes below it.

    One folder above everything, or one below each split, is neither: it wraps the others.

    Args:
        listing: The files of the dataset; `folders_above` says whether the folders are sites or patients.
        search: What the application looks for; its `is_class` decides which classes are known.

    Returns:
        The layout, with notes on what the folders are and on files that are left out; None where there are no such
        folders, or labels are not asked for.

    Raises:
        DataError: Some images lie in such folders, and others at another depth.
        MeaningError: There are several, and it is not said whether they are sites or patients.
    """
    if listing.unlabelled:
        return None
    tree = read_tree(listing, search)
    places = {name: folders for name in tree.names if (folders := folders_of(name, search))}
    shapes = {folders: _shape(folders, search.is_class) for folders in places.values()}
    if not any(shape in SHAPES for shape in shapes.values()):
        return None
    _refuse_mixed(listing, search, tree, places, shapes)
    above = list(dict.fromkeys(folders[shapes[folders].index("site")] for folders in places.values()))
    if len(above) > 1 and listing.folders_above is None:
        raise MeaningError(
            f"{listing.root.name} has {len(above)} folders above those of the classes, which may be sites or persons; "
            "their names are not shown here. Say which: data.folders_above=domains makes each a domain (site, scanner) "
            "under its name, data.folders_above=groups makes each a group (patient, writer) that no split divides and "
            "whose name is written nowhere"
        )
    entries = _entries(places, shapes, above, listing.folders_above)
    others = left_out(len(listing.files) - len(entries) - tree.passed_over, "no image in a folder above a class")
    note = (
        f"The {len(above)} folders above those of the classes are {listing.folders_above}, as data.folders_above says."
    )
    return Layout(
        entries,
        listing.root,
        tree.folder,
        notes=(*((note,) if listing.folders_above else ()), *tree.notes, *others),
        files=listing.files,
        used=frozenset({"data.folders_above"} if listing.folders_above else ()),
    )


def _shape(folders: Sequence[str], is_class: Callable[[str], bool]) -> tuple[str, ...]:
    """Says of each folder, down to the first known class, what it is; without a class the last is "site" or "split"."""
    shape: list[str] = []
    for folder in folders:
        shape.append("split" if split_name(folder) else "class" if is_class(folder) else "site")
        if shape[-1] == "class":
            break
    return tuple(shape)


def _refuse_mixed(
    listing: Listing, search: Search, tree: Tree, places: Places, shapes: Mapping[tuple[str, ...], tuple[str, ...]]
) -> None:
    if len(set(shapes.values())) == 1:
        return
    seen = Counter[str]()
    for folders in places.values():
        shape = shapes[folders]
        seen["/".join(shape) if shape[-1] == "class" else "folders of no known class"] += 1
    found = ", ".join(f"{count} images in {what}" for what, count in sorted(seen.items()))
    ends = {folders[-1] for folders in places.values() if shapes[folders][-1] == "site"}
    asked = f"; it {question(ends, search)}" if shown_names(ends, search) else ""
    raise DataError(
        f"{listing.root.name} mixes folders above those of classes with others: {found}; "
        f"{sub_path_advice(listing, tree.folder, tree.names, search)}; or let all images lie in one of "
        f"{', '.join('/'.join(shape) for shape in SHAPES)}, where Train, Validation or Test are a split, or list them "
        f"in labels.csv{asked}"
    )


def _entries(
    places: Places, shapes: Mapping[tuple[str, ...], tuple[str, ...]], above: Sequence[str], what: str | None
) -> list[ImageEntry]:
    """Makes the entries; the arguments are the folders of each image, their shapes, and the folders above classes."""
    entries, numbers = [], Counter[str]()
    for name, folders in places.items():
        shape = shapes[folders]
        at, folder = shape.index("class"), folders[shape.index("site")]
        split = folders[shape.index("split")] if "split" in shape else ""
        number = above.index(folder) + 1
        # A folder below that of the class may have a patient's name too, so the place ends at the class.
        home = f"{folders[at]} of {folder if what == 'domains' else f'folder {number}'}"
        numbers[f"{split}/{home}"] += 1
        entries.append(
            ImageEntry(
                place=f"file {numbers[f'{split}/{home}']} (by name) in {home}{f', {split}' if split else ''}",
                path=name,
                label=folders[at],
                split=split_name(split) or "",
                group=folder if what == "groups" else "",
                domain=folder if what == "domains" else "",
                folders=folders[at:],
            )
        )
    return entries


LAYOUTS.add(
    "site_folders",
    LayoutRule(
        recognise,
        priority=20,  # its trees look like folders by class, with a site for the class
        advice="folders by site or patient with folders by known class in each (site/class/image)",
    ),
)
