"""TASK: medtl as the engine sees it. Everything heavy is imported by the method that needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medtl import labels
from medtl.settings import Settings
from shared.samples import NO_MEANINGS, UNKNOWN_DOMAIN, Dataset, Meanings, Sample
from shared.task import Image, Item, Preprocessing, Task
from shared.tasks.defaults import TaskDefaults

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class MedtlTask(TaskDefaults):
    """The task of classifying tumours in brain-MRI slices; `shared.task.Task` describes its members."""

    name = "medtl"
    title = "Brain-MRI tumour classification"
    positive_name: str | None = "tumour"
    disclaimers: tuple[str, ...] = (
        "Research use only: not a medical device, and not for clinical decisions.",
        "Judged slice by slice from image intensities; what lies outside the slices given was not looked at.",
    )
    group_name = "patient"
    flip_invariant = True
    altered_copies = True
    inputs_help = "A DICOM file, series folder, DICOMDIR or zip, a PNG or JPEG, or a NIfTI volume."
    input_example = "scan.dcm"
    data_example = "scans.zip"
    synthetic_name = "phantom"
    default_options: Mapping[str, Any] = Settings.defaults()
    augmentations: tuple[str, ...] = (
        "usual",
        "mri_physics",
        "mri_hospitals",
        "usual_monai",
        "mri_physics_monai",
        "mri_hospitals_monai",
    )
    batched_augmentations: tuple[str, ...] = augmentations[:3]
    varying: tuple[str, ...] = ("contrast",)
    series_kinds: tuple[str, ...] = ("contrast", "plane")

    def load(
        self, source: Path, *, options: Mapping[str, Any], unlabelled: bool = False, meanings: Meanings = NO_MEANINGS
    ) -> Dataset:
        """Finds the samples in a folder, zip or table of images; reads headers, and no pixels.

        Args:
            source: The folder, `.zip`, or CSV table.
            options: Preprocessing options, the fields of `medtl.settings.Settings`.
            unlabelled: Whether all images count, and labels are not read; the samples then have none.
            meanings: What the configuration says of folders and labels that medtl does not know.

        Returns:
            The samples, their classes in the order of a network's outputs, and notes for the user.

        Raises:
            DataError: No layout is recognised, or something is missing or contradictory.
            ConfigError: An option is unknown, or its value is not allowed.
            MeaningError: A folder or label is not known, and `meanings` does not say what it is.
        """
        from medtl import datasets

        return datasets.load(source, options, unlabelled=unlabelled, meanings=meanings)

    def synthetic_domains(self) -> tuple[str, ...]:
        """Names the domains of `synthetic_dataset`: its scanners, as `manufacturer model` in lower case."""
        from medtl.phantom import dataset as phantom

        return phantom.synthetic_domains()

    def synthetic_dataset(self, root: Path, progress: Callable[[int, int], None]) -> Path:
        """Writes the phantom into `root/phantom`, unless it is there, and returns that folder.

        Args:
            root: Folder for generated data.
            progress: Called with (patients done, patients in all) while the phantom is written.

        Raises:
            DataError: The phantom that is there was written by another version.
            RunError: Its `phantom.json` is damaged.
        """
        from medtl.phantom import dataset as phantom

        return phantom.synthetic_dataset(root, progress)

    def is_positive(self, label: str) -> bool:
        """Says whether a class counts as tumour; every known class but `no_tumour` does.

        Args:
            label: Name of the class, in any spelling that `canonical` takes.

        Raises:
            DataError: The class is none that medtl knows, so whether it is a tumour is not known.
        """
        return labels.is_positive(label)

    def auxiliary(self, sample: Sample) -> Mapping[str, str]:
        """Returns the auxiliary labels of a sample by their names, with its domain as `scanner`.

        Without a known domain there is no `scanner`, unless the sample has an auxiliary label of that name, which wins.
        """
        known = {} if sample.domain == UNKNOWN_DOMAIN else {"scanner": sample.domain}
        return known | dict(sample.auxiliary)

    def canonical(self, name: str) -> str:
        """Brings the name of a class to its one spelling: `notumor` and `healthy` become `no_tumour`.

        An unknown name comes back in lower case, with blanks and hyphens as underscores; `is_positive` refuses it.

        Raises:
            DataError: The name is empty or only a number.
        """
        return labels.canonical(name)

    def read(self, sample: Sample) -> NDArray[np.float32]:
        """Reads the raw pixels of one sample, float32 [rows, columns] or [rows, columns, 3], in the unit of the file.

        Raises:
            DataError: The file is damaged; the message names it.
        """
        from medtl import sample_pixels

        return sample_pixels.read(sample)

    def read_mask(self, sample: Sample, spec: Preprocessing) -> NDArray[np.bool_] | None:
        """Reads a sample's mask, bool [size, size], on the grid of the preprocessed image; None where it has no mask.

        Args:
            sample: The sample.
            spec: Preprocessing of its image.

        Raises:
            DataError: Mask or image is damaged, or they differ in shape; the message names the file.
        """
        from medtl import sample_pixels

        return sample_pixels.read_mask(sample, spec)

    def pixel_mm(self, sample: Sample, spec: Preprocessing) -> float | None:
        """Returns the side of one pixel of a sample's preprocessed image in mm; None where no header states it.

        Args:
            sample: The sample.
            spec: Preprocessing of its image.

        Raises:
            DataError: The image is damaged; the message names the file.
        """
        from medtl import sample_pixels

        return sample_pixels.pixel_mm(sample, spec)

    def unjudged(
        self, samples: Sequence[Sample], progress: Callable[[int, int], None] = lambda *_: None
    ) -> NDArray[np.bool_]:
        """Tells which samples `predict` leaves out of their series, or refuses alone: noise, and little head.

        Args:
            samples: N samples, each with all others of its series among them.
            progress: Called with (slices done, slices in all).

        Returns:
            bool [N].

        Raises:
            DataError: A file is damaged; the message names it.
        """
        from medtl import unjudged

        return unjudged.unjudged(samples, progress)

    def preprocess(self, pixels: NDArray[np.float32], spec: Preprocessing) -> Image:
        """Turns raw pixels into the network's input, float32 [1, size, size], 0 (background) to 1.

        Args:
            pixels: Finite, [rows, columns] or [rows, columns, 3], in any unit.
            spec: Side of the result, and options.

        Raises:
            DataError: `pixels` has another shape, no pixel, or values that are not finite.
            ConfigError: `spec` asks for more than one channel, or has an option that does not exist.
        """
        from medtl import transforms

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
        from medtl import sample_pixels, transforms

        return transforms.images(samples, spec, content_hash, sample_pixels.read, progress)

    def augment(self, images: Tensor, seeds: Sequence[int], kind: str = "usual") -> Tensor:
        """Varies preprocessed images at random; each result depends on the image, its seed and the kind alone.

        Args:
            images: float32 [n, 1, size, size], 0 to 1; or [n, 2, size, size], the second channel a mask of 0 and 1,
                which is moved as the image is and else left as it is.
            seeds: Seed of the draws of each image, 0 to 2**32 - 1.
            kind: One of `augmentations`; those that end with `_monai` run MONAI itself, image by image.

        Returns:
            float32 of the same shape, 0 to 1; a new tensor.

        Raises:
            ConfigError: There is no such kind.
        """
        self.check_augmentation(kind)
        from medtl import augmentation

        return augmentation.augment(images, seeds, kind)

    def read_inputs(self, paths: Sequence[Path]) -> Iterable[Item]:
        """Reads the inputs of `predict`, one at a time: an item for each series, picture or volume.

        Args:
            paths: Files, folders and zips.

        Returns:
            The items in order; what cannot be judged is an item with a refusal.

        Raises:
            UsageError: A path does not exist; nothing has been read then.
        """
        from medtl import inputs

        return inputs.read_inputs(paths)

    def register_backbones(self) -> None:
        """Adds MONAI's networks to the registry of backbones; a second call does nothing."""
        from medtl import networks

        networks.register_backbones()


TASK: Task = MedtlTask()
