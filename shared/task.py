"""All that an application gives the engine: one object, its TASK."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from shared.samples import UNKNOWN_DOMAIN, Dataset, Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Image: TypeAlias = "NDArray[np.float32]"
"""A preprocessed image, float32 [channels, size, size], values in 0..1."""


@dataclass(frozen=True)
class Item:
    """One thing `predict` was asked to judge.

    Attributes:
        name: How the person named it (the path as given; `archive.zip::member` inside an archive).
        slices: Raw images, float32 [rows, columns] (or [rows, columns, 3]), in the order of the series.
        refusal: Why it must not be judged, in one line without identifiers; `slices` is then empty.
        notes: What the person should know although the item was judged (a gap between slices, say).
        domains: Whence its slices come, in the words of `Sample.domain`.
        origins: Where each slice was read, in their order: the source as `shared.io.archives.read_source` takes it, and
            the frame within it, from 0. Of a refused item, the first frame of each file that was to be judged. Empty
            where it is not known.
    """

    name: str
    slices: Sequence[NDArray[np.float32]] = ()
    refusal: str | None = None
    notes: tuple[str, ...] = ()
    domains: tuple[str, ...] = (UNKNOWN_DOMAIN,)
    origins: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Preprocessing:
    """Everything that turns raw pixels into the network's input, stored in the run and used again by `predict`.

    Attributes:
        size: Side of the square network input, in pixels.
        channels: Channels of the preprocessed image; the network itself expands 1 to 3 where it needs to.
        options: The application's own settings (for medtl: crop and intensity percentiles), JSON values only.
    """

    size: int
    channels: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)


class Task(Protocol):
    """The protocol between an application and the engine.

    Nothing here imports torch at module level; methods may import what they need when they are called.
    """

    name: str
    """The application's command, and the subfolder of `configs/`."""
    title: str
    """One line for headings and help."""
    positive_name: str | None
    """What the positive event is called ("tumour"), or None where no class is more dangerous to miss than another."""
    disclaimers: tuple[str, ...]
    """Sentences every answer and report must carry ("research use only")."""
    flip_invariant: bool
    """Whether an image and its mirror image show the same thing, so that one in training and one in test is a leak."""
    inputs_help: str
    """What `predict` takes, for its help."""
    default_options: Mapping[str, Any]
    """The defaults, and with that the allowed keys, of `Preprocessing.options`."""
    augmentations: tuple[str, ...]
    """Names of the ways in which `augment` varies an image; the first is the usual one."""

    def load(self, source: Path, *, options: Mapping[str, Any], unlabelled: bool = False) -> Dataset:
        """Finds the samples in a folder, archive or manifest (no pixel is decoded).

        Args:
            source: Where.
            options: The application's own.
            unlabelled: Whether all images count, and labels are not read.

        Raises:
            DataError: The layout is not recognised, or a file is missing or contradictory.
        """

    def synthetic_domains(self) -> tuple[str, ...]:
        """Domains of the synthetic dataset, known without making it."""

    def synthetic_dataset(self, root: Path, progress: Callable[[int, int], None]) -> Path:
        """The synthetic dataset that is used where a configuration names no source.

        Args:
            root: Where it is written, unless it lies there already.
            progress: Called with (done, total).

        Raises:
            DataError: It cannot be made here, or what lies there was written by another version.
        """

    def is_positive(self, label: str) -> bool:
        """Whether this class is the event that must not be missed."""

    def auxiliary(self, sample: Sample) -> Mapping[str, str]:
        """What is known of a sample beside its class, by the name of the question: what several tasks can learn from.

        `Sample.auxiliary`, and what follows from the rest of the sample; unknown answers are missing.
        """

    def canonical(self, name: str) -> str:
        """The one spelling of a class that a person named; a name that is not known stands for a class of its own.

        Raises:
            DataError: The name cannot be that of a class.
        """

    def display_name(self, label: str) -> str:
        """A class as people are told it, at most a few words: a letter and its name, or the label itself."""

    def read(self, sample: Sample) -> NDArray[np.float32]:
        """Raw pixels of one sample, as in `Item.slices`.

        Raises:
            DataError: The file is damaged.
        """

    def read_mask(self, sample: Sample, spec: Preprocessing) -> NDArray[np.bool_] | None:
        """The sample's mask [size, size] on the grid of the preprocessed image, or None where it has none."""

    def preprocess(self, pixels: NDArray[np.float32], spec: Preprocessing) -> Image:
        """The deterministic part, NumPy only, the same code in training and prediction."""

    def images(
        self,
        samples: Sequence[Sample],
        spec: Preprocessing,
        content_hash: str,
        progress: Callable[[int, int], None] = ...,
    ) -> Sequence[Image]:
        """Preprocessed images for training, decoded once and cached.

        Args:
            samples: In the order of the result.
            spec: Of the preprocessing.
            content_hash: `Dataset.content_hash` of the data they are of, for the key of a cache on disk.
            progress: Called with (done, total).
        """

    def augment(self, image: Image, seed: int, kind: str = "usual") -> Image:
        """A random variation of `image` that is a pure function of its arguments; `kind` is one of `augmentations`."""

    def read_inputs(self, paths: Sequence[Path]) -> Iterable[Item]:
        """What a person hands to `predict`, each as an item, damaged ones as refusals. Never raises for bad content."""

    def register_backbones(self) -> None:
        """Adds the application's own backbones to the registries (called once by the runner)."""


def positive_classes(task: Task, classes: tuple[str, ...]) -> tuple[bool, ...]:
    """For each class, whether it is the event that must not be missed."""
    return tuple(task.positive_name is not None and task.is_positive(name) for name in classes)
