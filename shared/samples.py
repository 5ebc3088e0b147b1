"""Samples and datasets: what the engine knows of an image before it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")
UNKNOWN_DOMAIN = "unknown"
NOT_STATED = "not stated"
"""The value of a property of the acquisition that the file does not state."""


LEAVE_OUT = "leave_out"
"""What `Meanings.classes` says of a class whose images are left out."""


@dataclass(frozen=True)
class Meanings:
    """The meanings of folders and labels that an application does not know, as the configuration states them.

    Attributes:
        classes: By the name of a folder or label as it is found: the class that it means, or `LEAVE_OUT`.
        folders_above: What the folders above those of the classes are; None: the configuration does not say.
    """

    classes: Mapping[str, str] = field(default_factory=dict)
    folders_above: Literal["domains", "groups"] | None = None

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the configuration that state them (`data.classes.pred`)."""
        above = {"data.folders_above"} if self.folders_above else set[str]()
        return frozenset({f"data.classes.{name}" for name in self.classes} | above)


NO_MEANINGS = Meanings()
"""The configuration says nothing: what the application does not know is a question."""


@dataclass(frozen=True, slots=True)
class Position:
    """The place of a slice along the normal of its series.

    Attributes:
        value: Distance from any point that all slices of the series share, in `unit`; finite.
        unit: "mm" where the geometry is known; "slices" where only the order is.
    """

    value: float
    unit: Literal["mm", "slices"] = "mm"

    def __str__(self) -> str:
        return f"{self.value:.9g} {self.unit}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """Reads what `str` of a position wrote; None of an empty text.

        Raises:
            ValueError: The text is none of a position.
        """
        if not text:
            return None
        value, unit = text.removesuffix(" upright").split(" ")  # a word that earlier runs of this format have
        if unit not in ("mm", "slices"):
            raise ValueError(f"{text!r} is no position")
        return cls(float(value), "mm" if unit == "mm" else "slices")


@dataclass(frozen=True, slots=True)
class Sample:
    """One image to train on or to predict.

    Attributes:
        id: Name of the image in every file that the engine writes; unique, stable, identifies nobody.
        source: Place of the file: a path, or `archive.zip::member`. Never written to a run.
        label: Class name, or None where it is unknown.
        group: Pseudonym of the patient or writer, whose images stay on one side of a split. None: the image alone.
        domain: Name of the domain that the image comes from (a scanner, a site, a collection of pages).
        split: "train", "validation" or "test" where the data fix it, else None.
        mask: Place of the mask, in the form of `source`, or None.
        frame: Number of the frame or slice within the file, from 0.
        series: Pseudonym of the series or volume that the image is a slice of, where `predict` judges that as one.
            None: not known; images of one group then count as one series.
        has_global_group_id: Whether `group` is the same patient in every dataset (a DICOM PatientID is, "1" is not).
        auxiliary: Auxiliary labels by the name of their task ("plane": "axial"); unknown ones are missing.
        acquisition: How the image was acquired, by the name of each property: a text or a number ("plane": "axial",
            "pixel spacing in mm": 0.9). What the file does not state is `NOT_STATED`, or missing.
        synthetic: Whether its header says that a program made it; False where it says nothing of it.
        position: Place along the normal of its series; None where it is not known.
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
    acquisition: Mapping[str, str | float] = field(default_factory=dict, hash=False)
    synthetic: bool = False
    position: Position | None = None

    @property
    def series_key(self) -> str:
        """Key that is equal for images that `predict` judges together: the series, or the id of an image on its own."""
        return self.series or self.id

    @property
    def has_known_group(self) -> bool:
        """Whether it is known which patient or writer the image is of; a group that is only its series does not say."""
        return self.group is not None and self.group != self.series


@dataclass(frozen=True)
class Grouping:
    """The series, group and independent unit of each of N samples, in their order.

    Attributes:
        series: [N] names of the series; images of one series are judged together.
        groups: [N] names of the groups (patients, writers).
        units: [N] numbers of the independent units: groups, joined where they share copies of a picture.
        named: Whether the data say of each image which patient or writer it is of. Else images of one person may stand
            in several groups, and the units may not be independent.
        positions: [N] place of each image along the normal of its series, None where it is not known; empty: of none.
        alone: [N] whether `predict` would judge each image alone: `series` is then only its group; empty: none is.
        known: [N] whether it is known of each image which patient or writer it is of; empty: as `named` says of all.
        unjudged: [N] whether `predict` leaves each image out: its series is judged by the others, and nothing finds it.
            Empty: none is.
    """

    series: tuple[str, ...]
    groups: tuple[str, ...]
    units: tuple[int, ...]
    named: bool = False
    positions: tuple[Position | None, ...] = ()
    alone: tuple[bool, ...] = ()
    known: tuple[bool, ...] = ()
    unjudged: tuple[bool, ...] = ()

    @classmethod
    def of(cls, samples: Sequence[Sample], units: Sequence[int], unjudged: Sequence[bool] = ()) -> Grouping:
        """Makes the grouping of samples from the numbers of their units.

        A sample without a series counts with its group as one series, and one without a group is a group of its own.

        Args:
            samples: N samples.
            units: [N], number of the independent unit of each.
            unjudged: [N], whether `predict` leaves each image out; empty: none is.
        """
        return cls(
            tuple(sample.series or sample.group or sample.id for sample in samples),
            tuple(sample.group or sample.id for sample in samples),
            tuple(units),
            all(sample.has_known_group for sample in samples),
            tuple(sample.position for sample in samples),
            tuple(sample.series is None for sample in samples),
            tuple(sample.has_known_group for sample in samples),
            tuple(unjudged) if any(unjudged) else (),
        )

    def positions_of(self, rows: Sequence[int] | NDArray[np.int64]) -> tuple[Position | None, ...]:
        """Returns the positions of the images at the indices `rows`; None each where none is known."""
        return tuple(self.positions[i] for i in rows) if self.positions else (None,) * len(rows)

    def judged(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns those of the images at the indices `rows`, int64 [M], that `predict` judges."""
        return rows[[not self.unjudged[i] for i in rows]] if self.unjudged else rows

    def are_named(self, rows: Sequence[int] | NDArray[np.int64]) -> bool:
        """Whether the data say of each image at the indices `rows` which patient or writer it is of."""
        return all(self.known[i] for i in rows) if self.known else self.named

    def at(self, rows: Sequence[int]) -> Grouping:
        """Selects the samples at the indices `rows`, in that order."""
        return Grouping(
            tuple(self.series[i] for i in rows),
            tuple(self.groups[i] for i in rows),
            tuple(self.units[i] for i in rows),
            self.named,
            tuple(self.positions[i] for i in rows) if self.positions else (),
            tuple(self.alone[i] for i in rows) if self.alone else (),
            tuple(self.known[i] for i in rows) if self.known else (),
            tuple(self.unjudged[i] for i in rows) if self.unjudged else (),
        )

    def of_those(self, chosen: Sequence[bool] | NDArray[np.bool_]) -> Grouping:
        """Selects the samples where the mask `chosen`, bool [N], is true."""
        return Grouping(
            tuple(compress(self.series, chosen)),
            tuple(compress(self.groups, chosen)),
            tuple(compress(self.units, chosen)),
            self.named,
            tuple(compress(self.positions, chosen)),
            tuple(compress(self.alone, chosen)),
            tuple(compress(self.known, chosen)),
            tuple(compress(self.unjudged, chosen)),
        )


@dataclass(frozen=True)
class Dataset:
    """Samples, with what is known about all of them.

    Attributes:
        samples: In a stable order (by id, not by the file system).
        classes: Class names in the order of the network's outputs.
        content_hash: Hash over the bytes of all sources, for the keys of caches.
        synthetic: Whether the images were made by a program; every report then says so.
        notes: Sentences that reports must show (what was skipped and why), without identifiers.
        used: Those `Meanings.keys` that said something of these data.
    """

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    content_hash: str
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    used: frozenset[str] = frozenset()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the bytes and the labels, groups, domains and splits, 64 hexadecimal digits.

        A corrected label makes another dataset. Groups count by which samples share one, not by their names, which
        differ with the salt.
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
    """Returns a key by which a sample's patient is found again in other datasets: "group:" and the pseudonym.

    Args:
        sample: The sample; where its group is known in its own dataset alone, the key is None.
    """
    return f"group:{sample.group}" if sample.has_global_group_id else None
