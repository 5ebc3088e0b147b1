"""The types that all layouts share: what is looked for, the files that are there, and what a layout makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shared.errors import DataError
from shared.io.archives import exists, join, list_all, relative_name
from shared.io.kinds import FileKind, identify
from shared.registry import Registry

COLUMNS = {
    "path": ("path", "image", "file", "filename"),
    "label": ("label", "class"),
    "group": ("group",),
    "domain": ("domain",),
    "split": ("split",),
}
"""The columns that every application reads of a table, each with the headings under which it is looked for."""


@dataclass(frozen=True)
class Search:
    """The columns, files and folders that an application looks for in a dataset.

    Attributes:
        columns: The columns that are read of a table, each with the headings under which it is looked for: `COLUMNS`
            and the application's own. Other columns are left alone.
        is_image: Whether a file may be an image, by its name.
        is_class: Whether a folder is that of a class which the application knows, by its name.
        example: Folders by class as the advice in messages shows them ("glioma/, no_tumour/").
        classes: Names of the known classes, for messages.
        nearest: Takes the name of a folder or label that is no known class. Returns the class that it may mean, for a
            proposal; "" where it is made of words and means none; None where it may be a person's name and must not be
            shown. Without this function a class that is not known is one of its own (a teacher's symbols).
        is_mask: Whether a file is a mask, by its name below the folder or zip; masks are no images.
        kind: Says what a file is that is not read, by its bytes; None where they do not show it.
    """

    columns: Mapping[str, Sequence[str]]
    is_image: Callable[[str], bool]
    is_class: Callable[[str], bool]
    example: str
    classes: Sequence[str] = ()
    nearest: Callable[[str], str | None] | None = None
    is_mask: Callable[[str], bool] = lambda _: False
    kind: Callable[[bytes], FileKind | None] = identify


@dataclass(frozen=True)
class ImageEntry:
    """The facts on one image that a row of a table or the folders above a file state; nothing is checked yet.

    Attributes:
        place: Where that is stated ("row 17", "file 2 (by name) in Train/glioma"), for messages; identifies nobody.
        path: File name relative to `Layout.folder`, with slashes and without detours.
        label: The class as the table or the folder spells it.
        split: The split as the table spells it; by folders "train", "validation" or "test"; empty where none is named.
        group: The group (patient, writer) that must stay on one side of a split; empty where none is named.
        domain: The domain (scanner, site) it comes from; empty where none is named.
        folders: The folders from that of the class down to the file; empty where no folder says the class.
        cells: The application's own columns of the table, by the keys of `Search.columns`.
        auxiliary: Auxiliary labels by name (of the heading `label:plane`: "plane"); empty fields are missing.
    """

    place: str
    path: str
    label: str = ""
    split: str = ""
    group: str = ""
    domain: str = ""
    folders: tuple[str, ...] = ()
    cells: Mapping[str, str] = field(default_factory=dict)
    auxiliary: Mapping[str, str] = field(default_factory=dict)

    def cell(self, column: str) -> str:
        """Returns the text in one of the application's own columns; empty where the column or its text is missing.

        Args:
            column: Key of the column in `Search.columns`.
        """
        return self.cells.get(column, "")

    def within_domain(self, name: str) -> str:
        """Makes the name of a folder or file unique across domains: patient 7 of two sites are two patients.

        Args:
            name: The name; empty where there is none.

        Returns:
            `DOMAIN/NAME`; `name` itself where it is empty or the image has no domain.
        """
        return f"{self.domain}/{name}" if self.domain and name else name


@dataclass(frozen=True)
class Listing:
    """The files that a layout is recognised from.

    Attributes:
        root: The folder or zip that file names are relative to.
        files: The source of each file below `root`, by name; the file alone where one was given by its own path.
        given_file: Name of the file that was given by its own path, or None for a folder or zip.
        unlabelled: Whether labels are not asked for.
        folders_above: What the folders above those of the classes are; None: not said, so it is asked where needed.
        unread: Number of links and folders below `root` that were not followed or listed.
    """

    root: Path
    files: Mapping[str, str]
    given_file: str | None = None
    unlabelled: bool = False
    folders_above: Literal["domains", "groups"] | None = None
    unread: int = 0

    @classmethod
    def of(cls, source: Path, *, unlabelled: bool = False) -> Listing:
        """Lists a folder or zip, or takes a file that some layout accepts by its own path.

        Args:
            source: The folder, the zip or the file.
            unlabelled: Whether labels are not asked for.

        Raises:
            DataError: `source` is none of these, or cannot be listed.
        """
        if source.is_file() and any(source.suffix.lower() in LAYOUTS.get(name).file_suffixes for name in LAYOUTS):
            return cls(source.parent, {source.name: str(source)}, source.name, unlabelled)
        listed = list_all(source)
        files = {str(relative_name(name, source)): name for name in listed.sources}
        return cls(source, files, unlabelled=unlabelled, unread=len(listed.unread))

    def images(self, search: Search) -> list[str]:
        """Returns the names of the files that may be images and are no masks, relative to `root`.

        Args:
            search: What the application looks for; its `is_image` and `is_mask` decide.
        """
        return [name for name in self.files if search.is_image(name) and not search.is_mask(name)]

    def masks(self, search: Search) -> list[str]:
        """Returns the names of the images that are masks by their names, relative to `root`.

        Args:
            search: What the application looks for; its `is_image` and `is_mask` decide.
        """
        return [name for name in self.files if search.is_image(name) and search.is_mask(name)]


@dataclass(frozen=True)
class Layout:
    """A layout as recognised: what it says of each image, and how to reach files by name.

    Attributes:
        entries: One entry an image.
        root: The folder or zip that file names are relative to.
        folder: The folder in `root` that file names begin at, with its slash; empty where it is `root` itself.
        table: Name of the file below `root` that lists the images, or None where the folders do.
        notes: What was left out or assumed, in plain sentences.
        files: The source of each file below `root`, by name, as far as they were listed.
        unlabelled: Whether labels were neither asked for nor read.
        used: The keys of the configuration that said what folders or labels mean, and that were needed for it.
    """

    entries: Sequence[ImageEntry]
    root: Path
    folder: str = ""
    table: str | None = None
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    unlabelled: bool = False
    used: frozenset[str] = frozenset()

    def source(self, path: str) -> str:
        """Returns the source of a file, a path or `archive.zip::member`, whether the file exists or not.

        Args:
            path: File name relative to `folder`, as in `ImageEntry.path`.
        """
        name = f"{self.folder}{path}"
        return self.files.get(name) or join(self.root, name)

    def file(self, path: str, what: str = "file") -> str:
        """Returns the source of a file that must exist: a path, or `archive.zip::member`.

        Args:
            path: File name relative to `folder`, as in `ImageEntry.path`.
            what: What the message calls the file; it does not show the name, which may be a patient's.

        Raises:
            DataError: The file does not exist, or `path` is empty.
        """
        if not path:
            raise DataError(f"the path of the {what} is empty; give one")
        source = self.source(path)
        if f"{self.folder}{path}" not in self.files and not exists(source):
            raise DataError(f"the {what} does not exist")
        return source


@dataclass(frozen=True)
class LayoutRule:
    """A rule that recognises one layout of files.

    Attributes:
        recognise: Reads a listing and returns the layout, or None where the files are laid out otherwise. Raises
            DataError where they are laid out so, but not consistently.
        priority: Rules of a higher priority are asked first. Of two rules with the same priority, at most one may
            recognise a listing; else it is refused as ambiguous.
        advice: The layout in a few words, for the message that no layout was recognised; `{example}` stands for
            `Search.example`. Empty where it cannot be what the person meant.
        file_suffixes: Endings, in lower case, of files that the rule takes by their own path.
    """

    recognise: Callable[[Listing, Search], Layout | None]
    priority: int
    advice: str = ""
    file_suffixes: tuple[str, ...] = ()


LAYOUTS: Registry[LayoutRule] = Registry("layout", "shared.data.layouts")
