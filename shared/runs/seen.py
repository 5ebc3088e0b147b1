"""What a run has seen: descriptors of its training and validation images, and digests of their groups.

A released model is passed on, and descriptors are small pictures. It keeps a digest of each in their place: it tells
whether somebody's image is one of them, but not what they show; a copy that was altered at all is not told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.data.copies import CopySearch, Kind
from shared.data.descriptors import CopyRule, Descriptors, describe, pictures
from shared.errors import RunError
from shared.io.atomic import COPY_AGAIN, write_array
from shared.runs.folder import SEEN_DIGESTS, SEEN_IMAGES, read_training_digests, write_training_digests
from shared.samples import Sample, global_group_digest

Digests = NDArray[np.uint64]


@dataclass(frozen=True)
class Seen:
    """The images and groups that a run has seen in training and validation, and before that in its pretraining run.

    Attributes:
        rule: The application's rule for copies.
        images: uint8 [N, `rule.width`], the descriptor of each image.
        groups: Digests of the groups (patients) that are known across datasets.
        digests: uint64 [M], digests of images whose descriptors were not passed on, in rising order.
    """

    rule: CopyRule
    images: Descriptors
    groups: frozenset[str]
    digests: Digests = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))

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
        return Seen(self.rule, images, self.groups | other.groups, np.union1d(self.digests, other.digests))

    def without_pictures(self) -> Seen:
        """Returns the record to pass on: digests in place of descriptors, and nothing of the groups."""
        none = Seen.none(self.rule)
        return Seen(self.rule, none.images, none.groups, np.union1d(self.digests, digests_of(self.images)))

    def has_group_of(self, sample: Sample) -> bool:
        """Tells whether the group (patient) of a sample was seen; False where it is not known across datasets."""
        return global_group_digest(sample) in self.groups

    def describe(self, pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Makes the descriptor of an image as `copies` takes it, uint8 [`rule.width`].

        Args:
            pixels: Raw pixels as the application reads them, [rows, columns] or [rows, columns, 3].
        """
        return describe(pixels, self.rule, keys=len(self.images) > 0)

    def copies(self, images: Descriptors, altered_among: Collection[int] | None = None) -> list[Kind | None]:
        """Tells which images are copies of one that was seen.

        Args:
            images: uint8 [M, `rule.width`], as `describe` makes them of raw pixels.
            altered_among: Indices of the images for which altered copies are searched; None: all.

        Returns:
            [M] how each differs from one that was seen; None where it is new.
        """
        found = self._search.kinds(images, altered_among)
        if not len(self.digests):
            return found
        wanted = digests_of(images)
        near = self.digests.take(np.searchsorted(self.digests, wanted), mode="clip")
        known = (near == wanted) & images.any(axis=1)
        return ["near" if kind is None and same else kind for kind, same in zip(found, known, strict=True)]

    @cached_property
    def _search(self) -> CopySearch:
        return CopySearch(self.images, self.rule)

    def write(self, run: Path) -> None:
        """Writes the record into a run folder: `seen_images.npy`, `training_digests.txt`, any `seen_digests.npy`."""
        write_array(run / SEEN_IMAGES, self.images)
        if len(self.digests):
            write_array(run / SEEN_DIGESTS, self.digests)
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
        images = _read_array(run / SEEN_IMAGES)
        if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != rule.width:
            raise _unlike(run / SEEN_IMAGES, images, f"uint8 [images, {rule.width}]")
        if not (run / SEEN_DIGESTS).is_file():
            return cls(rule, images, read_training_digests(run))
        digests = _read_array(run / SEEN_DIGESTS)
        if digests.dtype != np.uint64 or digests.ndim != 1:
            raise _unlike(run / SEEN_DIGESTS, digests, "uint64 [images]")
        return cls(rule, images, read_training_digests(run), digests)


def digests_of(images: Descriptors) -> Digests:
    """Makes digests of descriptors: the first 64 bits of the SHA-256 of the picture in each.

    Args:
        images: uint8 [N, width].

    Returns:
        uint64 [N].
    """
    side = pictures(images[:1]).shape[-1] if len(images) else 0
    shown = (hashlib.sha256(row[: side**2].tobytes()).digest()[:8] for row in images)
    return np.array([int.from_bytes(digest) for digest in shown], dtype=np.uint64)


def _read_array(path: Path) -> NDArray[Any]:
    try:
        found: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise RunError(f"{path} cannot be read ({type(error).__name__}); {COPY_AGAIN}") from None
    return found


def _unlike(path: Path, found: NDArray[Any], expected: str) -> RunError:
    return RunError(f"{path} holds {found.dtype} {list(found.shape)} in place of {expected}; {COPY_AGAIN}")
