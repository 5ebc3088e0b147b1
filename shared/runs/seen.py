"""What a run has seen: descriptors of its training and validation images, and digests of their groups."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from shared.data.copies import CopySearch, Kind
from shared.data.descriptors import CopyRule, Descriptors
from shared.errors import RunError
from shared.io.atomic import COPY_AGAIN, write_array
from shared.runs.folder import SEEN_IMAGES, read_training_digests, write_training_digests
from shared.samples import Sample, global_group_digest


@dataclass(frozen=True)
class Seen:
    """The images and groups that a run has seen in training and validation, and before that in its pretraining run.

    Attributes:
        rule: The application's rule for copies.
        images: uint8 [N, `rule.width`], the descriptor of each image.
        groups: Digests of the groups (patients) that are known across datasets.
    """

    rule: CopyRule
    images: Descriptors
    groups: frozenset[str]

    @classmethod
    def none(cls, rule: CopyRule) -> Seen:
        """Makes the record of a run that has seen nothing."""
        return cls(rule, np.zeros((0, rule.width), dtype=np.uint8), frozenset())

    @classmethod
    def of(cls, rule: CopyRule, images: Descriptors, samples: Sequence[Sample]) -> Seen:
        """Makes the record of images that are seen; equal descriptors are kept once.

        Args:
            rule: The application's rule for copies.
            images: uint8 [N, `rule.width`].
            samples: Their N samples.
        """
        groups = frozenset(digest for one in samples if (digest := global_group_digest(one)) is not None)
        return cls(rule, np.unique(images, axis=0), groups)

    def joined(self, other: Seen) -> Seen:
        """Returns what either has seen; both must have the same rule."""
        images = np.unique(np.concatenate([self.images, other.images]), axis=0)
        return Seen(self.rule, images, self.groups | other.groups)

    def has_group_of(self, sample: Sample) -> bool:
        """Tells whether the group (patient) of a sample was seen; False where it is not known across datasets."""
        return global_group_digest(sample) in self.groups

    def copies(self, images: Descriptors, altered_among: Collection[int] | None = None) -> list[Kind | None]:
        """Tells which images are copies of one that was seen.

        Args:
            images: uint8 [M, `rule.width`], as `shared.data.descriptors.describe` makes them of raw pixels.
            altered_among: Indices of the images for which altered copies are searched; None: all.

        Returns:
            [M] how each differs from one that was seen; None where it is new.
        """
        return self._search.kinds(images, altered_among)

    @cached_property
    def _search(self) -> CopySearch:
        return CopySearch(self.images, self.rule)

    def write(self, run: Path) -> None:
        """Writes the record into a run folder: `seen_images.npy` and `training_digests.txt`."""
        write_array(run / SEEN_IMAGES, self.images)
        write_training_digests(run, self.groups)

    @classmethod
    def read(cls, run: Path, rule: CopyRule) -> Seen:
        """Reads the record of a run.

        Args:
            run: The run folder.
            rule: The rule for copies of its model record.

        Raises:
            RunError: A file is missing or damaged, or does not hold descriptors.
        """
        path = run / SEEN_IMAGES
        try:
            images = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise RunError(f"{path} cannot be read ({type(error).__name__}); {COPY_AGAIN}") from None
        if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != rule.width:
            found = f"{images.dtype} {list(images.shape)}"
            raise RunError(f"{path} holds {found} in place of uint8 [images, {rule.width}]; {COPY_AGAIN}")
        return cls(rule, images, read_training_digests(run))
