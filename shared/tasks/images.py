"""A task of one's own on pictures: folders by class or a table, in colour or grey, in one's own words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import ConfigError, DataError
from shared.samples import NO_MEANINGS, UNKNOWN_DOMAIN, Dataset, Meanings, Sample
from shared.task import Image, Item, Preprocessing
from shared.tasks.defaults import TaskDefaults

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from shared.data.layouts import ImageEntry, Layout, Search
    from shared.data.pseudonyms import Pseudonymiser

SYNTHETIC_MARK = "synthetic.json"
"""A file beside the pictures, `{"synthetic": true}`, that says that a program made them."""
NAME = re.compile(r"[a-z][a-z0-9_]*")


class ImageTask(TaskDefaults):
    """Classifies pictures (PNG, JPEG, TIFF, BMP, WebP) into classes of one's own.

    The data are a folder or zip with a folder for each class, below Train and Test where they are divided; or a table
    with the columns path and label, and where known group, domain and split. Folders above those of the classes may be
    domains or groups (`data.folders_above`) where `classes` says which names are classes.

    A subclass may override any member, such as `read` and `preprocess`, which are called on several threads. Images,
    and features of them, are kept from one run to the next by the options and the code of the subclass and of those
    that it inherits from: all of their packages, or their one file. Where it lies in no file, as in a notebook,
    or within a function, or its objects have attributes of their own, images are made anew for each run, and
    features go by the name of the task and its options: give it an option, or another name, when its code changes.
    An `augment` of its own gets images on the CPU, unless the subclass names its kinds in `batched_augmentations`.

    Args:
        name: Word for run folders and messages: lower-case letters, digits and underscores.
        title: One line for headings; None: the name.
        classes: Names of the classes, in the order of the network's outputs; empty: those of the data.
        positive: Classes that must not be missed; empty: none is more dangerous to miss than another.
        positive_name: What they have in common ("defect"); None: the name of the one class in `positive`.
        group_name: What a group of pictures is, in a word: pictures of one group never stand on two sides of a split.
        disclaimers: Sentences that every answer and report carries.
        colour: Whether the network sees colour; else pictures become grey.
        flip_invariant: Whether a picture and its mirror image show the same; augmentation then mirrors.
        altered_copies: Whether pictures are so rich in detail that altered copies are told (photographs are).

    Raises:
        ConfigError: The name is none, a positive class is not among the classes, or several have no common name.
    """

    inputs_help = "A picture (PNG, JPEG, TIFF, BMP, WebP), or a folder or zip of them."
    augmentations: tuple[str, ...] = ("usual",)
    batched_augmentations: tuple[str, ...] = ("usual",)
    default_options: Mapping[str, Any] = {"fit": "pad"}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "augment" in vars(cls) and "batched_augmentations" not in vars(cls):
            cls.batched_augmentations = ()

    def __init__(
        self,
        name: str,
        *,
        title: str | None = None,
        classes: Sequence[str] = (),
        positive: Sequence[str] = (),
        positive_name: str | None = None,
        group_name: str = "group",
        disclaimers: Sequence[str] = (),
        colour: bool = True,
        flip_invariant: bool = False,
        altered_copies: bool = False,
    ) -> None:
        check_task_name(name)
        if classes and (unknown := sorted(set(positive) - set(classes))):
            raise ConfigError(f"positive class {unknown[0]!r} is none of the classes: {', '.join(classes)}")
        if len(positive) > 1 and positive_name is None:
            raise ConfigError(f"{len(positive)} classes are positive; say with positive_name what they have in common")
        if positive_name is not None and not positive:
            raise ConfigError(f"positive_name is {positive_name!r} and no class is positive; name them with positive")
        self.name, self.title = name, title or name
        self.classes, self.positive = tuple(classes), frozenset(positive)
        self.positive_name = positive_name or next(iter(positive), None)
        self.group_name, self.disclaimers = group_name, tuple(disclaimers)
        self.channels = 3 if colour else 1
        self.flip_invariant, self.altered_copies = flip_invariant, altered_copies

    def load(
        self, source: Path, *, options: Mapping[str, Any], unlabelled: bool = False, meanings: Meanings = NO_MEANINGS
    ) -> Dataset:
        """Finds the samples in a folder, zip or table of pictures; decodes no pixel.

        Args:
            source: The folder, `.zip`, or CSV table.
            options: Preprocessing options.
            unlabelled: Whether all pictures count, and labels are not read.
            meanings: What the configuration says of folders and labels.

        Raises:
            DataError: No layout is recognised, something is missing or contradictory, or folders lie within classes.
            MeaningError: A folder or label is none of the classes that the task declares.
        """
        from shared.data.layouts import collect, find_layout, synthetic_mark
        from shared.data.pseudonyms import Pseudonymiser
        from shared.io.archives import hash_sources

        layout = find_layout(source, self._search(), unlabelled=unlabelled, meanings=meanings)
        self._refuse_nested(layout)
        pseudonym = Pseudonymiser.of_this_user()
        samples = collect(layout, lambda entry: [self._sample(entry, layout, pseudonym)])
        is_synthetic = synthetic_mark(layout, SYNTHETIC_MARK) is not None
        return Dataset(
            samples=tuple(samples),
            classes=ordered_classes(self.classes, samples),
            content_hash=own_hash(self.name, hash_sources(sample.source for sample in samples)),
            synthetic=is_synthetic,
            notes=(*layout.notes, *(("The pictures are synthetic: a program made them.",) if is_synthetic else ())),
            used=layout.used,
        )

    def is_positive(self, label: str) -> bool:
        """Says whether a class is one of `positive`.

        Raises:
            DataError: The task declares its classes, and the label is none of them.
        """
        if self.classes and label not in self.classes:
            raise DataError(f"{label!r} is no class of {self.name}; it has {', '.join(self.classes)}")
        return label in self.positive

    def read(self, sample: Sample) -> NDArray[np.float32]:
        """Reads the pixels of one sample, float32 [rows, columns], or [rows, columns, 3] in colour.

        Raises:
            DataError: The file is damaged; the message names it.
        """
        from shared.io.archives import naming, read_source
        from shared.io.pictures import read_picture

        with naming(sample.source):
            return read_picture(read_source(sample.source), ground="white")

    def preprocess(self, pixels: NDArray[np.float32], spec: Preprocessing) -> Image:
        """Turns a picture into the network's input, float32 [channels, size, size], 0 to 1, in its own proportions.

        Args:
            pixels: Finite, [rows, columns] or [rows, columns, 3], 0 to 255 or 0 to 65535.
            spec: Side and channels of the result; the option `fit` is "pad" or "crop".

        Raises:
            DataError: `pixels` has another shape or range.
        """
        from shared.tasks import image_transforms

        return image_transforms.preprocess(pixels, spec)

    def images(
        self,
        samples: Sequence[Sample],
        spec: Preprocessing,
        content_hash: str,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Sequence[Image]:
        """Prepares the preprocessed images of samples for training, made once for all runs and kept on disk as bytes.

        Args:
            samples: The samples, in the order of the result.
            spec: Preprocessing of the images.
            content_hash: Hash of the bytes of the dataset.
            progress: Called with (images done, images in all).

        Raises:
            DataError: Files are damaged; the message counts them and describes the first five.
            ConfigError: `preprocess` gives another shape, or values beyond 0 to 1.
        """
        from shared.data.code_hash import class_hash
        from shared.data.pixel_store import PixelStore
        from shared.io.archives import naming

        def make(sample: Sample) -> Image:
            pixels = self.read(sample)
            with naming(sample.source):
                return self.preprocess(pixels, spec)

        # what an object holds beside its class is in no code
        known = vars(self).keys() <= vars(ImageTask(self.name)).keys()
        store = PixelStore(class_hash(type(self)) if known else None, spec, content_hash, "uint8")
        return store.images(samples, make, progress)

    def augment(self, images: Tensor, seeds: Sequence[int], kind: str = "usual") -> Tensor:
        """Varies preprocessed images at random: turned, shifted and scaled a little, brighter or darker.

        They are mirrored too where the task says that mirror images show the same.

        Args:
            images: float32 [n, channels, size, size], 0 to 1.
            seeds: Seed of each image.
            kind: One of `augmentations`.

        Raises:
            ConfigError: There is no such kind.
        """
        from shared.tasks import image_transforms

        self.check_augmentation(kind)
        return image_transforms.augment(images, seeds, flip=self.flip_invariant)

    def read_inputs(self, paths: Sequence[Path]) -> Iterable[Item]:
        """Reads the inputs of `predict`, an item for each picture; one that cannot be judged has a refusal.

        Args:
            paths: Pictures, and folders and zips of them.

        Raises:
            UsageError: A path does not exist; nothing has been read then.
        """
        from shared.io.picture_items import picture_item, picture_items

        return picture_items(paths, picture_item, "a picture, a folder or a zip of them")

    def _search(self) -> Search:
        from shared.data.layouts import COLUMNS, Search
        from shared.io.pictures import is_picture

        return Search(
            columns=COLUMNS | {"group": tuple(dict.fromkeys(("group", self.group_name)))},
            is_image=is_picture,
            is_class=lambda name: name in self.classes,
            example=", ".join(f"{name}/" for name in (self.classes or ("one", "other"))[:2]),
            classes=self.classes,
            # a declared list of classes is complete: any other name is asked for, and shown
            nearest=(lambda _: "") if self.classes else None,
        )

    def _sample(self, entry: ImageEntry, layout: Layout, pseudonym: Pseudonymiser) -> Sample:
        from shared.data.layouts import parse_split

        if not entry.label and not layout.unlabelled:
            raise DataError("the label is empty; give a class")
        own = pseudonym("image", entry.path)
        return Sample(
            id=own,
            source=layout.file(entry.path),
            label=None if layout.unlabelled else self.canonical(entry.label),
            group=pseudonym("group", entry.group) if entry.group else None,
            domain=entry.domain or UNKNOWN_DOMAIN,
            split=parse_split(entry.split),
            series=own,  # each picture is judged by itself, those of one group too
            auxiliary=entry.auxiliary,
        )

    def _refuse_nested(self, layout: Layout) -> None:
        """Refuses folders within those of classes: the outer ones may be no classes, and the labels would be wrong."""
        if any(len(entry.folders) > 1 for entry in layout.entries):
            remedy = "leave one folder for each class" if self.classes else "declare the classes of the task"
            raise DataError(
                f"{layout.root.name} has folders within the folders of classes; {remedy}, list the pictures in "
                "labels.csv, or give the folder right above the classes"
            )


def check_task_name(name: str) -> None:
    """Checks the name of a task.

    Raises:
        ConfigError: It is none.
    """
    if NAME.fullmatch(name) is None:
        raise ConfigError(
            f"{name!r} is no name of a task; allowed are lower-case letters, digits and underscores, a letter first"
        )


def ordered_classes(declared: Sequence[str], samples: Sequence[Sample]) -> tuple[str, ...]:
    """Returns the classes that samples have: as they are declared, then the others in order."""
    found = {sample.label for sample in samples if sample.label is not None}
    return (*(name for name in declared if name in found), *sorted(found - set(declared), key=_order))


def _order(name: str) -> tuple[int, float, str]:
    """Sorts numbers by their value, and before words."""
    try:
        return 0, float(name), ""
    except ValueError:
        return 1, 0.0, name


def own_hash(name: str, content: str) -> str:
    """Returns the key of a task's data: two tasks may prepare the same files in two ways."""
    return hashlib.sha256(f"{name}:{content}".encode()).hexdigest()
