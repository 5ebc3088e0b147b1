"""The protocol between an application and the engine: each application is one object, its TASK."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

from shared.errors import ConfigError
from shared.samples import NO_MEANINGS, UNKNOWN_DOMAIN, Dataset, Meanings, Position, Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Image: TypeAlias = "NDArray[np.float32]"
"""A preprocessed image, float32 [channels, size, size], values in 0..1."""


@dataclass(frozen=True)
class Origin:
    """The place in a file that one slice was read from.

    Attributes:
        source: The file, as `shared.io.archives.read_source` takes it.
        index: Index of the slice among those of the file, from 0.
        numbers: By what else a person finds it there, as whole numbers by name (`instance_number`); no identifier.
    """

    source: str
    index: int = 0
    numbers: Mapping[str, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Item:
    """One input of `predict`: an image, a series or a volume.

    Attributes:
        name: Its path as given; `archive.zip::member` inside an archive.
        slices: Raw images, float32 [rows, columns] (or [rows, columns, 3]), in the order of the series.
        refusal: Why it must not be judged, in one line without identifiers; `slices` is then empty.
        notes: Warnings about an item that is judged all the same (a gap between slices, say).
        domains: Domains of its slices, as in `Sample.domain`.
        origins: Where each slice was read from, in their order. A refused item has the first slice of each of its
            files. Empty where it is not known.
        series: What the files say of the series as a whole, by name (`format`, `series_number`); no identifier.
        acquisition: How it was acquired, as in `Sample.acquisition`.
        synthetic: Whether its files say that a program made the images; False where they say nothing of it.
        view: How the application turned stored images into `slices`; the engine only hands it on. None: not at all.
        positions: Place of each slice along the normal, in their order; empty where that of any is not known.
    """

    name: str
    slices: Sequence[NDArray[np.float32]] = ()
    refusal: str | None = None
    notes: tuple[str, ...] = ()
    domains: tuple[str, ...] = (UNKNOWN_DOMAIN,)
    origins: tuple[Origin, ...] = ()
    series: Mapping[str, str | int] = field(default_factory=dict)
    acquisition: Mapping[str, str | float] = field(default_factory=dict)
    synthetic: bool = False
    view: Any = None
    positions: tuple[Position, ...] = ()


@dataclass(frozen=True)
class Preprocessing:
    """The settings by which raw pixels become the network's input; stored in the run and used again by `predict`.

    Attributes:
        size: Side of the square network input, in pixels.
        channels: Channels of the preprocessed image; the network itself expands 1 to 3 where it needs to.
        options: The application's own options (for medtl: crop and intensity percentiles), JSON values only.
    """

    size: int
    channels: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PreprocessingOptions:
    """Base of an application's preprocessing options: the fields of its class are the options, each with a default.

    `of` checks types by the default: true or false, a number, a text. The application's `__post_init__` checks ranges
    and raises `ConfigError`.
    """

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Makes the options from given values, with the default of each one that is not given.

        Args:
            options: Values by the names of the fields, as in `Preprocessing.options`.

        Raises:
            ConfigError: An option is unknown or its value is not allowed.
        """
        known = cls.defaults()
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise ConfigError(f"unknown option {unknown[0]!r}; allowed are {', '.join(known)}")
        for name, value in options.items():
            kind = _kind(known[name])
            if _kind(value) != kind:
                raise ConfigError(f"{name} is {value!r}; allowed is {kind}")
        return cls(**options)

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Returns the default of each option by its name."""
        return {field.name: field.default for field in fields(cls)}


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    return "a number" if isinstance(value, (int, float)) else "a text" if isinstance(value, str) else "another type"


class Task(Protocol):
    """The protocol between an application and the engine.

    Importing an application's TASK loads nothing heavy; its methods import what they need when they are called.
    """

    name: str
    """The application's command, and the subfolder of `configs/`."""
    title: str
    """One line for headings and help."""
    positive_name: str | None
    """Name of the positive event ("tumour"), or None where no class is more dangerous to miss than another."""
    disclaimers: tuple[str, ...]
    """Sentences that every answer and report must carry ("research use only")."""
    group_name: str
    """What a group of images is: one "patient", one "writer"."""
    channels: int
    """Channels of a preprocessed image: 1 in grey, 3 in colour."""
    flip_invariant: bool
    """Whether an image and its mirror image show the same: then one in training and the other in the test is a leak."""
    altered_copies: bool
    """Whether an image holds so much detail that a copy with another contrast, sharpness or frame can be told."""
    exact_copies: bool
    """Whether only inputs of equal values are copies, as vectors are: they have no shape that a small picture keeps."""
    inputs_help: str
    """What `predict` takes, one line for its help."""
    input_example: str
    """Name of such a file, for the examples of help: `scan.dcm`."""
    data_example: str
    """Name of a file of labelled images, for the same: `scans.zip`."""
    synthetic_name: str
    """The word that means the synthetic dataset where a configuration names its data (`phantom`); empty: none does."""
    default_options: Mapping[str, Any]
    """The defaults, and with that the allowed keys, of `Preprocessing.options`."""
    augmentations: tuple[str, ...]
    """Names of the kinds of augmentation that `augment` knows; the first is the default."""
    batched_augmentations: tuple[str, ...]
    """Those of them that vary a batch at once, on the device where it lies; the others vary image by image on a CPU."""
    varying: tuple[str, ...]
    """Properties of `Sample.acquisition` by which images of one domain look different ("contrast"), for sampling."""
    series_kinds: tuple[str, ...]
    """Names of the properties of the acquisition (texts) that make the kind of a series: one of a kind of which
    validation judged no negative series gets no decision. Empty where the task has no positive event."""

    def load(
        self, source: Path, *, options: Mapping[str, Any], unlabelled: bool = False, meanings: Meanings = NO_MEANINGS
    ) -> Dataset:
        """Finds the samples in a folder, archive or manifest (no pixel is decoded).

        Args:
            source: The folder, zip or table.
            options: The application's own preprocessing options.
            unlabelled: Whether all images count, and labels are not read.
            meanings: What the configuration says of folders and labels that the application does not know.

        Returns:
            All samples in a stable order, with their classes.

        Raises:
            DataError: The layout is not recognised, or a file is missing or contradictory.
            MeaningError: There is a class, or a folder above the classes, that neither application nor `meanings` know.
        """

    def synthetic_domains(self) -> tuple[str, ...]:
        """Returns the names of the domains of the synthetic dataset, without making it."""

    def synthetic_dataset(self, root: Path, progress: Callable[[int, int], None]) -> Path:
        """Makes the synthetic dataset, which is used where a configuration names no source.

        Args:
            root: Folder that it is written to, unless it lies there already.
            progress: Called with (done, total).

        Returns:
            The folder of the dataset.

        Raises:
            DataError: It cannot be made here, or what lies there was written by another version.
        """

    def is_positive(self, label: str) -> bool:
        """Whether a class is the event that must not be missed.

        Args:
            label: Class name.

        Raises:
            DataError: The class is not known, so nothing says whether it is.
        """

    def auxiliary(self, sample: Sample) -> Mapping[str, str]:
        """Returns the auxiliary labels of a sample by the name of their task, for multitask learning.

        They are those of `Sample.auxiliary`, and what follows from the rest of the sample; unknown ones are missing.
        """

    def canonical(self, name: str) -> str:
        """Returns the one spelling of a class name; a name that is not known is a class of its own.

        Raises:
            DataError: The name cannot be that of a class.
        """

    def display_name(self, label: str) -> str:
        """Returns the name of a class for people, at most a few words: a letter and its name, or the label itself."""

    def read(self, sample: Sample) -> NDArray[np.float32]:
        """Reads the raw pixels of one sample, float32 [rows, columns] or [rows, columns, 3].

        Raises:
            DataError: The file is damaged.
        """

    def read_mask(self, sample: Sample, spec: Preprocessing) -> NDArray[np.bool_] | None:
        """Reads a sample's mask on the grid of the preprocessed image.

        Args:
            sample: The sample; its `mask` says where the mask is.
            spec: The preprocessing of the image.

        Returns:
            bool [size, size]; None where the sample has no mask.
        """

    def pixel_mm(self, sample: Sample, spec: Preprocessing) -> float | None:
        """Returns the side of one pixel of a sample's preprocessed image in mm; None where the file does not state it.

        Args:
            sample: The sample.
            spec: The preprocessing of the image.
        """

    def unjudged(self, samples: Sequence[Sample], progress: Callable[[int, int], None] = ...) -> NDArray[np.bool_]:
        """Tells which samples `read_inputs` leaves out of their series, or refuses where they are no slices of one.

        Validation, tests and evaluation leave out the same images by it, so that thresholds and rates are those of what
        `predict` judges.

        Args:
            samples: N samples, each with all others of its series among them.
            progress: Called with (done, total).

        Returns:
            bool [N].

        Raises:
            DataError: A file is damaged.
        """

    def preprocess(self, pixels: NDArray[np.float32], spec: Preprocessing) -> Image:
        """Turns raw pixels into the network's input, deterministically, alike in training and prediction.

        Args:
            pixels: float32 [rows, columns] or [rows, columns, 3].
            spec: The preprocessing.

        Returns:
            float32 [channels, size, size] in 0..1.
        """

    def images(
        self,
        samples: Sequence[Sample],
        spec: Preprocessing,
        content_hash: str,
        progress: Callable[[int, int], None] = ...,
    ) -> Sequence[Image]:
        """Prepares the preprocessed images of samples for training, decoded once and cached.

        Args:
            samples: The samples, in the order of the result.
            spec: The preprocessing.
            content_hash: `Dataset.content_hash` of their dataset, for the key of a cache on disk.
            progress: Called with (done, total).
        """

    def augment(self, images: Tensor, seeds: Sequence[int], kind: str = "usual") -> Tensor:
        """Varies a batch of images at random; each result depends on the image, its seed and the kind alone.

        Args:
            images: float32 [n, channels, size, size] in 0..1. An application whose samples have masks takes one channel
                more, a mask, which is moved as the image is and else left as it is.
            seeds: Seed of the variation of each image.
            kind: One of `augmentations`.

        Returns:
            The varied images, in the same form; a new tensor.
        """

    def read_inputs(self, paths: Sequence[Path]) -> Iterable[Item]:
        """Reads the inputs of `predict`, each as an item; a damaged one is an item with a refusal, never an exception.

        Args:
            paths: Files, folders and archives.
        """

    def register_backbones(self) -> None:
        """Adds the application's own backbones to the registry."""


def positive_classes(task: Task, classes: tuple[str, ...]) -> tuple[bool, ...]:
    """Returns for each class whether it is the event that must not be missed; all False where the application has none.

    Args:
        task: The application.
        classes: Class names; the result is in their order.
    """
    return tuple(task.positive_name is not None and task.is_positive(name) for name in classes)
