"""What the engine knows of an image before it is read: where it is, what it shows, whom it belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")
UNKNOWN_DOMAIN = "unknown"


@dataclass(frozen=True, slots=True)
class Sample:
    """One image to learn from or to be judged.

    Attributes:
        id: Names the image in every file the engine writes; unique, stable, identifies nobody.
        source: Where the application's reader finds it: a path, or `archive.zip::member`. Never written to a run.
        label: Class name, or None where it is unknown.
        group: Who or what must stay on one side of a split (a patient, a writer), pseudonymous. None: on its own.
        domain: Name of the domain it comes from (a scanner, a collection of pages).
        split: "train", "validation" or "test" where the data fixes it, else None.
        mask: Where its mask is, in the form of `source`, or None.
        frame: Which frame or slice of `source`, from 0.
        series: The series or volume that it is a slice of, pseudonymous, where `predict` judges that as one. None: no
            file says; images of one group then count as one series.
        has_global_group_id: Whether `group` names the same one in every dataset (a DICOM PatientID does, "1" does not).
        auxiliary: What the data say of it beside its class, by the name of the question ("plane": "axial");
            questions without an answer are missing.
    """

    id: str
    source: str
    label: str | None = None
    group: str | None = None
    domain: str = UNKNOWN_DOMAIN
    split: str | None = None
    mask: str | None = None
    frame: int = 0
    series: str | None = None
    has_global_group_id: bool = False
    auxiliary: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def series_key(self) -> str:
        """What `predict` would take it for a part of: its series, or the image on its own."""
        return self.series or self.id


@dataclass(frozen=True)
class Grouping:
    """What the samples of a part belong to, a name or number each.

    Attributes:
        series: What is judged as one.
        groups: Whose they are (patients, writers).
        units: What is independent of the rest: groups, joined where they share copies of a picture.
    """

    series: tuple[str, ...]
    groups: tuple[str, ...]
    units: tuple[int, ...]

    @classmethod
    def of(cls, samples: Sequence[Sample], units: Sequence[int]) -> Grouping:
        """That of samples whose units are known."""
        return cls(
            tuple(sample.series or sample.group or sample.id for sample in samples),
            tuple(sample.group or sample.id for sample in samples),
            tuple(units),
        )

    def at(self, rows: Sequence[int]) -> Grouping:
        """The grouping of the samples at `rows`, in that order."""
        return Grouping(
            tuple(self.series[i] for i in rows),
            tuple(self.groups[i] for i in rows),
            tuple(self.units[i] for i in rows),
        )

    def of_those(self, chosen: Sequence[bool] | NDArray[np.bool_]) -> Grouping:
        """That of the samples where `chosen` is true."""
        return Grouping(
            tuple(compress(self.series, chosen)),
            tuple(compress(self.groups, chosen)),
            tuple(compress(self.units, chosen)),
        )


@dataclass(frozen=True)
class Dataset:
    """Samples with what is known about all of them.

    Attributes:
        samples: In a stable order (by id, not by the file system).
        classes: Class names in the order of the network's outputs.
        content_hash: Hash over the bytes of all sources, for the keys of caches.
        synthetic: True where the images were made by a program; every report then says so.
        notes: Plain sentences that reports must show (what was skipped and why), without identifiers.
    """

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    content_hash: str
    synthetic: bool = False
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the bytes and over what is said of each sample: a corrected label makes it another dataset.

        Groups count by who belongs together, not by their names, which differ with the salt.
        """
        numbers: dict[str, int] = {}
        total = hashlib.sha256(self.content_hash.encode())
        for one in self.samples:
            group = None if one.group is None else numbers.setdefault(one.group, len(numbers))
            total.update(repr((one.label, group, one.domain, one.split, one.frame)).encode())
            if one.auxiliary:
                total.update(repr(sorted(one.auxiliary.items())).encode())
        return total.hexdigest()


def global_group_digest(sample: Sample) -> str | None:
    """Names a person among image digests; None where another dataset may call somebody else the same."""
    return f"group:{sample.group}" if sample.has_global_group_id else None


def image_digest(image: NDArray[np.float32]) -> str:
    """Names a preprocessed image (0 to 1) by its pixels in 256 levels: one name for a picture, however it is stored."""
    import numpy as np

    levels = np.rint(image * 255.0).astype(np.uint8)
    return hashlib.blake2b(levels.tobytes(), digest_size=16).hexdigest()
