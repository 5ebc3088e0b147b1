"""TASK: handwriting as the engine sees it. Everything heavy is imported by the method that needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handwriting import labels
from handwriting.labels import CHARACTERS
from handwriting.settings import Settings
from shared.samples import NO_MEANINGS, Dataset, Meanings, Sample
from shared.task import Image, Item, Preprocessing, Task
from shared.tasks.defaults import TaskDefaults

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class HandwritingTask(TaskDefaults):
    """The task of recognising Devanagari characters, for the engine; `shared.task.Task` describes its members."""

    name = "handwriting"
    title = "Devanagari character recognition"
    disclaimers: tuple[str, ...] = (
        "Isolated handwritten characters only: no vowel signs and no conjuncts but क्ष, त्र and ज्ञ.",
    )
    group_name = "writer"
    inputs_help = "A character image (PNG, JPEG, TIFF, BMP, WebP), or a folder or zip of them."
    input_example = "letter.png"
    data_example = "letters.zip"
    synthetic_name = "glyphs"
    default_options: Mapping[str, Any] = Settings.defaults()
    augmentations: tuple[str, ...] = ("usual", "scenes", "usual_albumentations")
    batched_augmentations: tuple[str, ...] = ("usual",)

    def load(
        self, source: Path, *, options: Mapping[str, Any], unlabelled: bool = False, meanings: Meanings = NO_MEANINGS
    ) -> Dataset:
        """Finds the samples in a folder, zip or table of images; decodes no pixel.

        Args:
            source: The folder, `.zip`, or CSV table.
            options: Preprocessing options, the fields of `handwriting.settings.Settings`.
            unlabelled: Whether all images count, and labels are not read; the samples then have none.
            meanings: What the configuration says of folders and labels.

        Returns:
            The samples, their classes in the order of a network's outputs, and notes for the user.

        Raises:
            DataError: No layout is recognised, or something is missing or contradictory.
            ConfigError: An option is unknown, or its value is not allowed.
            MeaningError: It is not said what folders above those of the classes are.
        """
        from handwriting import datasets

        return datasets.load(source, options, unlabelled=unlabelled, meanings=meanings)

    def synthetic_dataset(self, root: Path, progress: Callable[[int, int], None]) -> Path:
        """Writes characters in the system's fonts into `root/glyphs`, unless they are there, and returns that folder.

        Args:
            root: Folder for generated data.
            progress: Called with (images done, images in all) while they are written.

        Raises:
            DataError: There are too few fonts, or what is there was written by another version.
            RunError: Its `glyphs.json` is damaged.
        """
        from handwriting.glyphs import dataset as glyph_dataset

        return glyph_dataset.synthetic_dataset(root, progress)

    def auxiliary(self, sample: Sample) -> Mapping[str, str]:
        """Returns the auxiliary labels of a sample by their names, with its `kind` and its `writer`.

        `kind` is "consonant", "digit" or "vowel", and is left out where the label is unknown. `writer` is the group of
        the sample, which with the option `blocks` is a block of files. It is left out where there is no group.
        """
        character = CHARACTERS.get(str(sample.label))
        known = {} if character is None else {"kind": str(character.kind)}
        return known | ({} if sample.group is None else {"writer": sample.group}) | dict(sample.auxiliary)

    def canonical(self, name: str) -> str:
        """Brings the name of a character to its label: `ka` for `ka`, `character_1_ka` or `क`.

        An unknown name comes back as it is, without blanks at its ends; an empty one stays empty.
        """
        return labels.canonical(name)

    def display_name(self, label: str) -> str:
        """Returns a character for people, in Unicode and with its name (`क ka`).

        An unknown label comes back as it is.
        """
        character = CHARACTERS.get(label)
        return label if character is None else f"{character.symbol} {character.name}"

    def read(self, sample: Sample) -> NDArray[np.float32]:
        """Reads the raw pixels of one sample, float32 [rows, columns] or [rows, columns, 3], in the unit of the file.

        Raises:
            DataError: The file is damaged; the message names it.
        """
        from handwriting import datasets

        return datasets.read(sample)

    def preprocess(self, pixels: NDArray[np.float32], spec: Preprocessing) -> Image:
        """Turns raw pixels into the network's input, float32 [1, size, size], 0 to 1, light ink on black.

        Args:
            pixels: Finite, [rows, columns] or [rows, columns, 3], in any unit, ink lighter or darker than the paper.
            spec: Side of the result, and options.

        Raises:
            DataError: `pixels` has another shape, is blank, or has values that are not finite.
            ConfigError: `spec` asks for more than one channel, or has an option that does not exist.
        """
        from handwriting import transforms

        return transforms.preprocess(pixels, spec)

    def images(
        self,
        samples: Sequence[Sample],
        spec: Preprocessing,
        content_hash: str,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Sequence[Image]:
        """Prepares the preprocessed images of samples for training, decoded once for all runs and kept on disk.

        Args:
            samples: The samples, in the order of the result.
            spec: Preprocessing of the images.
            content_hash: Hash of the bytes of the dataset.
            progress: Called with (images done, images in all).

        Returns:
            One image for each sample, float32 [1, size, size], 0 to 1.

        Raises:
            DataError: Files are damaged; the message counts them and describes the first five.
        """
        from handwriting import datasets, transforms

        return transforms.images(samples, spec, content_hash, datasets.read, progress)

    def augment(self, images: Tensor, seeds: Sequence[int], kind: str = "usual") -> Tensor:
        """Varies preprocessed images at random; each result depends on the image, its seed and the kind alone.

        Args:
            images: float32 [n, 1, size, size], 0 to 1.
            seeds: Seed of the draws of each image, 0 to 2**32 - 1.
            kind: One of `augmentations`: "usual" moves, bends and thickens; "scenes" also shows the character on ruled
                paper, a blackboard or a photograph, in the frame of the default margin. Those that end with
                `_albumentations` run Albumentations itself, image by image.

        Returns:
            float32 of the same shape, 0 to 1; a new tensor.

        Raises:
            ConfigError: There is no such kind.
        """
        self.check_augmentation(kind)
        from handwriting import augmentation

        return augmentation.augment(images, seeds, kind)

    def read_inputs(self, paths: Sequence[Path]) -> Iterable[Item]:
        """Reads the inputs of `predict`, one at a time: an item for each picture of a character.

        Args:
            paths: Pictures, and folders and zips of them.

        Returns:
            The items in order; a picture that cannot be judged is an item with a refusal.

        Raises:
            UsageError: A path does not exist; nothing has been read then.
        """
        from handwriting import inputs

        return inputs.read_inputs(paths)


TASK: Task = HandwritingTask()
