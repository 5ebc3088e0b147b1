"""What a reader of an answer must know of the model: when and on what it was trained, and for which classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.runs.folder import finished_at, is_released
from shared.runs.record import ModelRecord
from shared.samples import UNKNOWN_DOMAIN

SHOWN = 6
"""Most names that are listed in a sentence, of classes or of domains."""


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from, without paths and without anything that identifies a patient.

    Attributes:
        name: Name of the run.
        finished: Time at which its training ended, UTC, in ISO 8601 (`2026-11-29T12:03:51+00:00`).
        data: Names of its data: collections, or the file or folder of the data; empty for the synthetic dataset.
        domains: Names of the domains (scanners, collections) of its training images.
        data_hash: SHA-256 over the content of its data.
        classes: Names of its classes.
        synthetic: Whether it was trained on synthetic images.
        released: Whether it is a released model, which comes with the package.
    """

    name: str
    finished: str
    data: tuple[str, ...]
    domains: tuple[str, ...]
    data_hash: str
    classes: tuple[str, ...]
    synthetic: bool
    released: bool = False

    @classmethod
    def of(cls, run: Path, record: ModelRecord) -> Provenance:
        """Makes the provenance of a run.

        Args:
            run: The folder of a finished run.
            record: Its model record.

        Raises:
            RunError: The file `done` is damaged.
        """
        finished = finished_at(run).isoformat(timespec="seconds")
        return cls(
            run.resolve().name,
            finished,
            record.data_names,
            record.domains,
            record.data_hash,
            record.classes,
            record.synthetic,
            is_released(run),
        )

    @property
    def day(self) -> str:
        """The day on which training ended, UTC: `2026-11-29`."""
        return self.finished[:10]

    @property
    def words(self) -> str:
        """When and on what the model was trained, and its classes, in a sentence without its subject and full stop."""
        come = "comes with the package, " if self.released else ""
        return f"{come}trained {self.day} on {self.data_words}; classes: {listed(self.classes)}"

    @property
    def data_words(self) -> str:
        """The data in words: "synthetic images (phantom borealis)", "scans.zip (signa hdxt, skyra)"."""
        named = listed(self.data) if self.data else "synthetic images" if self.synthetic else "unnamed data"
        marked = f"synthetic images, {named}" if self.synthetic and self.data else named
        domains = [name for name in self.domains if name != UNKNOWN_DOMAIN]
        if sorted(domains) == sorted(name.partition(" (")[0] for name in self.data):
            domains = []  # collections, whose names are their domains
        return f"{marked} ({listed(domains)})" if domains else marked


def listed(names: Sequence[str]) -> str:
    """Lists names in a sentence, at most `SHOWN` (6) of them: "a, b", "a, b, c, d, e, f and 40 more"."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
