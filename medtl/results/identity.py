"""Who made a DICOM object, and by which UIDs it is known: the same result is always the same object."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

from medtl.results.source_images import Sources
from shared.runs.record import ModelRecord

UID_ROOT = "2.25."
"""The root under which anyone may use a UUID as a UID. Source: DICOM PS3.5, B.2, after ITU-T X.667."""
NAMESPACE = uuid.UUID("80f59878-3aa5-4ace-96d9-f0faceaa3e3e")
"""Drawn once for this project; a UID is derived in it from a name (RFC 9562, version 5)."""
SERIES_NUMBERS = {"SR": 9701, "SC": 9702, "PM": 9703}
"""Above those that scanners count up to, so that results stand behind the images in a list."""
MANUFACTURER = "medtl"
LONG_STRING = 64
"""Characters of a value of VR LO. Source: DICOM PS3.5, table 6.2-1."""


def derive_uid(*names: str) -> str:
    """The UID of what goes by these names; other names, or another order, give another one."""
    return f"{UID_ROOT}{uuid.uuid5(NAMESPACE, json.dumps(names)).int}"


@dataclass(frozen=True)
class Identity:
    """One model that judged one series.

    Attributes:
        sources: What was judged.
        record: Of the model.
        model: Name of its run.
        context: What else the objects depend on: the answer's own words, and of which slices there are maps.
    """

    sources: Sources
    record: ModelRecord
    model: str
    context: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the source images, the model with its threshold, and this version of the program."""
        images = sorted(str(instance.SOPInstanceUID) for instance in self.sources.instances)
        facts = [images, self.record.to_json(), self.model, self.context, version("medtl")]
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

    def uid(self, *names: str) -> str:
        """The UID of one thing about this result, such as a series or an object."""
        return derive_uid(self.digest, *names)

    @property
    def device_uid(self) -> str:
        """The UID of the model as a device."""
        return derive_uid("device", self.record.weights_hash, self.model)

    def attributes(self, kind: str, description: str, number: int = 1) -> dict[str, Any]:
        """What highdicom is told of every object.

        Args:
            kind: "SR", "SC" or "PM": each has a series of its own.
            description: Of the series, at most 64 characters.
            number: Of the object within it, from 1.
        """
        return {
            "series_instance_uid": self.uid("series", kind),
            "series_number": SERIES_NUMBERS[kind],
            "series_description": description,
            "sop_instance_uid": self.uid("object", kind, str(number)),
            "instance_number": number,
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": clipped(self.model),
            "software_versions": version("medtl"),
            "device_serial_number": self.record.weights_hash,
            # Names of patients come in any script, names of models too.
            "specific_character_set": "ISO_IR 192",
        }


def clipped(text: str) -> str:
    """A text as a value of VR LO can hold it."""
    return text.replace("\\", "/")[:LONG_STRING]


def stamp_implementation(objects: Iterable[Any]) -> None:
    """States in the file meta headers who wrote them."""
    for one in objects:
        one.file_meta.ImplementationClassUID = derive_uid("implementation")
        one.file_meta.ImplementationVersionName = f"MEDTL_{version('medtl')}"[:16]
