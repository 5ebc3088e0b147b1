"""The images of a dataset in folders: without masks and augmented copies, below the folders that only wrap them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.data.layouts._classes import shown_names
from shared.data.layouts._layout import Listing, Search
from shared.data.layouts._names import is_augmented, is_neutral, left_out, names_below, split_name, wrapping_folder
from shared.errors import DataError
from shared.io.archives import is_zip


@dataclass(frozen=True)
class Tree:
    """The images that lie in folders, for the layouts that read labels from these.

    Attributes:
        folder: The folders that wrap all images, with a slash at the end; empty where there are none.
        names: Names of the images below it, with slashes, in natural order.
        passed_over: Number of files that are masks or augmented copies.
        notes: What was left out and why, in plain sentences.
    """

    folder: str
    names: Sequence[str]
    passed_over: int
    notes: tuple[str, ...]


def read_tree(listing: Listing, search: Search) -> Tree:
    """Collects the images of a dataset whose folders say what they are.

    Augmented copies are left out where there are other images: a rotated copy of a test image in training is a leak
    that no comparison of pictures finds.

    Args:
        listing: The files of the dataset.
        search: What the application looks for.

    Raises:
        DataError: One tree of classes lies in another one.
    """
    images = listing.images(search)
    originals = [name for name in images if not is_augmented(name, search.is_class)]
    kept = originals if any("/" in name for name in originals) else images
    folder = wrapping_folder(kept, search.is_class)
    names = names_below(kept, folder)
    _refuse_twice(listing, folder, names, search)
    masks, copies = len(listing.masks(search)), len(images) - len(kept)
    notes = (*left_out(masks, "masks by their names"), *left_out(copies, "augmented copies by their folders"))
    return Tree(folder, names, masks + copies, notes)


def folders_of(name: str, search: Search) -> tuple[str, ...]:
    """Returns the folders above an image from the top, without those that say nothing (`images`, `data`).

    A split within the same split counts once (`Training/Training`).

    Args:
        name: File name with slashes.
        search: What the application looks for; a folder of a class counts, whatever it is called.
    """
    folders = [folder for folder in name.split("/")[:-1] if search.is_class(folder) or not is_neutral(folder)]
    above = [None, *map(split_name, folders)]
    return tuple(folder for folder, over in zip(folders, above, strict=False) if not over or split_name(folder) != over)


def sub_path_advice(listing: Listing, folder: str, names: Iterable[str], search: Search) -> str:
    """Writes which folders below the one that was given hold a tree of classes of their own.

    Args:
        listing: The files of the dataset.
        folder: The wrapping folder with its slash, or "".
        names: Names of the images below it.
        search: What the application looks for.

    Returns:
        A clause with the paths to give; folders whose names are no words are not named.
    """
    bases = {base[0] for name in names if (base := _base(name, search)) and not split_name(base[0])}
    # the name of a folder above is told already: unpacking a zip twice makes such trees
    above = {listing.root.name, listing.root.stem, *folder.split("/")}
    words = sorted(
        base
        for base in bases
        if base in above or is_neutral(base) or is_augmented(f"{base}/x") or shown_names([base], search)
    )
    zipped = is_zip(listing.root)
    begin = "unpack the zip and give" if zipped else "give"
    if words:
        paths = ", or ".join(folder + base if zipped else str(listing.root / folder / base) for base in words[:3])
        return f"{begin} one tree alone: {paths}"
    return f"{begin} the path of one of the folders that hold folders by class"


def _base(name: str, search: Search) -> tuple[str, ...] | None:
    """The folders above that of the first known class; None where there is no known class."""
    folders = name.split("/")[:-1]
    at = next((i for i, folder in enumerate(folders) if search.is_class(folder)), None)
    return None if at is None else tuple(folders[:at])


def _refuse_twice(listing: Listing, folder: str, names: Sequence[str], search: Search) -> None:
    """Refuses trees that differ only in a folder that says nothing: `yes/1.png` and `dataset/yes/1.png`."""
    bases = {base for name in names if (base := _base(name, search)) is not None}
    forms = {base: tuple("split" if split_name(one) else one for one in base) for base in bases}
    said = {form: tuple(one for one in form if not is_neutral(one)) for form in forms.values()}
    if len(said) > len(set(said.values())):
        raise DataError(
            f"{listing.root.name} holds folders by class in {len(said)} places, one of them within the other; "
            f"{sub_path_advice(listing, folder, names, search)}"
        )
