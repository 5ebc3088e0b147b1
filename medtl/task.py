"""TASK: medtl as the engine sees it. Everything heavy is imported by the method that needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medtl import labels
from medtl.settings import Settings
from shared.samples import UNKNOWN_DOMAIN, Dataset, Sample
from shared.task import Image, Item, Preprocessing, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class MedtlTask:
    """The task of classifying tumours in brain-MRI slices; `shared.task.Task` describes its members."""

    name = "medtl"
    title = "Brain-MRI tumour classification"
    positive_name: str | None = "tumour"
    disclaimers: tuple[str, ...] = (
        "Research use only: not a medical device, and not for decisions about patients.",
        "Judged slice by slice from image intensities; what lies outside the slices given was not looked at.",
    )
    flip_invariant = True
    inputs_help = "A DICOM file, series folder, DICOMDIR or zip, a PNG or JPEG, or a NIfTI volume."
    default_options: Mapping[str, Any] = Settings.defaults()
    augmentations: tuple[str, ...] = ("usual", "mri_physics")

    def load(self, source: Path, *, options: Mapping[str, Any], unlabelled: bool = False) -> Dataset:
        """Finds the samples in a folder, archive or manifest; see `medtl.datasets`."""
        from medtl import datasets

        return datasets.load(source, options, unlabelled=unlabelled)

    def synthetic_domains(self) -> tuple[str, ...]:
        """Names the scanners of the phantom."""
        from medtl.phantom import dataset as phantom

        return phantom.synthetic_domains()

    def synthetic_dataset(self, root: Path, progress: Callable[[int, int], None]) -> Path:
        """Writes the phantom under `root`, unless it lies there, and returns its folder."""
        from medtl.phantom import dataset as phantom

        return phantom.synthetic_dataset(root, progress)

    def is_positive(self, label: str) -> bool:
        """Whether a class counts as tumour: every class does that is not known to be healthy."""
        return labels.is_positive(label)

    def auxiliary(self, sample: Sample) -> Mapping[str, str]:
        """Returns the auxiliary labels of the data, and as `scanner` the domain, where it is known."""
        known = {} if sample.domain == UNKNOWN_DOMAIN else {"scanner": sample.domain}
        return known | dict(sample.auxiliary)

    def canonical(self, name: str) -> str:
        """Returns the one spelling of a class name; a name that is not known counts as a tumour of its own kind."""
        return labels.canonical(name)

    def display_name(self, label: str) -> str:
        """Returns the label itself, which is the word that radiologists use."""
        return label

    def read(self, sample: Sample) -> NDArray[np.float32]:
        """Reads the raw pixels of one sample, float32 [rows, columns] or [rows, columns, 3]."""
        from medtl import datasets

        return datasets.read(sample)

    def read_mask(self, sample: Sample, spec: Preprocessing) -> NDArray[np.bool_] | None:
        """Reads the sample's mask, bool [size, size], on the grid of the preprocessed image; None where it has none."""
        from medtl import datasets

        return datasets.read_mask(sample, spec)

    def preprocess(self, pixels: NDArray[np.float32], spec: Preprocessing) -> Image:
        """Turns raw pixels into the network's input, float32 [1, size, size], 0 to 1."""
        from medtl import transforms

        return transforms.preprocess(pixels, spec)

    def images(
        self,
        samples: Sequence[Sample],
        spec: Preprocessing,
        content_hash: str,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Sequence[Image]:
        """Prepares the preprocessed images of samples for training, decoded once a run and kept in memory by MONAI."""
        from medtl import datasets, transforms

        return transforms.images(samples, spec, datasets.read, progress)

    def augment(self, image: Image, seed: int, kind: str = "usual") -> Image:
        """Varies an image at random, as a pure function of its arguments; `kind` is one of `augmentations`."""
        from medtl import augmentation as mri_physics
        from medtl import transforms

        return mri_physics.augment(image, seed) if kind == "mri_physics" else transforms.augment(image, seed)

    def read_inputs(self, paths: Sequence[Path]) -> Iterable[Item]:
        """Reads the inputs of `predict`, each as an item, damaged ones as refusals."""
        from medtl import inputs

        return inputs.read_inputs(paths)

    def register_backbones(self) -> None:
        """Adds MONAI's networks to the registries."""
        from medtl import networks

        networks.register_backbones()


TASK: Task = MedtlTask()
