"""TASK: handwriting as the engine sees it. Everything heavy is imported by the method that needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handwriting import labels
from handwriting.labels import CHARACTERS
from handwriting.settings import Settings
from shared.samples import UNKNOWN_DOMAIN, Dataset, Sample
from shared.task import Image, Item, Preprocessing, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class HandwritingTask:
    """The task of recognising Devanagari characters, for the engine; `shared.task.Task` describes its members."""

    name = "handwriting"
    title = "Devanagari character recognition"
    positive_name: str | None = None
    disclaimers: tuple[str, ...] = (
        "Isolated handwritten characters only: no vowel signs and no conjuncts but क्ष, त्र and ज्ञ.",
    )
    flip_invariant = False
    inputs_help = "A character image (PNG, JPEG, TIFF, BMP), or a folder or zip of them."
    default_options: Mapping[str, Any] = Settings.defaults()
    augmentations: tuple[str, ...] = ("usual",)

    def load(self, source: Path, *, options: Mapping[str, Any], unlabelled: bool = False) -> Dataset:
        """Finds the samples in a folder or archive; see `handwriting.datasets`."""
        from handwriting import datasets

        return datasets.load(source, options, unlabelled=unlabelled)

    def synthetic_domains(self) -> tuple[str, ...]:
        """Names the one domain: all characters come from fonts."""
        return (UNKNOWN_DOMAIN,)

    def synthetic_dataset(self, root: Path, progress: Callable[[int, int], None]) -> Path:
        """Writes characters in the system's fonts under `root`, unless they lie there, and returns their folder."""
        from handwriting.glyphs import dataset as glyph_dataset

        return glyph_dataset.synthetic_dataset(root, progress)

    def is_positive(self, label: str) -> bool:
        """Returns false: no character is more dangerous to miss than another."""
        return False

    def auxiliary(self, sample: Sample) -> Mapping[str, str]:
        """Returns the auxiliary labels of the data, `kind` (consonant, digit, vowel) and `writer`.

        The writer is the group, which with the option `blocks` is a block of files.
        """
        character = CHARACTERS.get(str(sample.label))
        known = {} if character is None else {"kind": str(character.kind)}
        return known | ({} if sample.group is None else {"writer": sample.group}) | dict(sample.auxiliary)

    def canonical(self, name: str) -> str:
        """Returns the label of a character: `ka` for `ka`, `character_1_ka` or `क`."""
        return labels.canonical(name)

    def display_name(self, label: str) -> str:
        """Returns the character in Unicode and its name (`क ka`), or the label of a class that is none."""
        character = CHARACTERS.get(label)
        return label if character is None else f"{character.symbol} {character.name}"

    def read(self, sample: Sample) -> NDArray[np.float32]:
        """Reads the raw pixels of one sample, float32 [rows, columns] or [rows, columns, 3]."""
        from handwriting import datasets

        return datasets.read(sample)

    def read_mask(self, sample: Sample, spec: Preprocessing) -> NDArray[np.bool_] | None:
        """Returns None: characters have no masks."""
        return None

    def preprocess(self, pixels: NDArray[np.float32], spec: Preprocessing) -> Image:
        """Turns raw pixels into the network's input, float32 [1, size, size], 0 to 1, light ink on black."""
        from handwriting import transforms

        return transforms.preprocess(pixels, spec)

    def images(
        self,
        samples: Sequence[Sample],
        spec: Preprocessing,
        content_hash: str,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Sequence[Image]:
        """Prepares the preprocessed images of samples for training, decoded once and kept on disk as bytes."""
        from handwriting import datasets, transforms

        return transforms.images(samples, spec, content_hash, datasets.read, progress)

    def augment(self, image: Image, seed: int, kind: str = "usual") -> Image:
        """Varies an image at random, as a pure function of its arguments; there is one kind."""
        from handwriting import transforms

        return transforms.augment(image, seed)

    def read_inputs(self, paths: Sequence[Path]) -> Iterable[Item]:
        """Reads the inputs of `predict`, each as an item, damaged ones as refusals."""
        from handwriting import inputs

        return inputs.read_inputs(paths)

    def register_backbones(self) -> None:
        """Adds nothing: the engine's backbones serve."""


TASK: Task = HandwritingTask()
