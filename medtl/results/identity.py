"""UIDs and maker of the DICOM objects of a result: the same result always gives objects of the same UIDs."""

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
"""Namespace of this project, drawn once: UIDs are derived in it from names (RFC 9562, version 5)."""
SERIES_NUMBERS = {"SR": 9701, "SC": 9702, "PM": 9703}
"""Series numbers by kind of object, above those of scanners, so that results come last in a list of series."""
MANUFACTURER = "medtl"
LONG_STRING = 64
"""Most characters of a value of VR LO. Source: DICOM PS3.5, table 6.2-1."""

BODY_PARTS = ("HEAD", "BRAIN")
"""Defined terms of Body Part Examined for what is judged. Source: DICOM PS3.16, table L-1."""


def derive_uid(*names: str) -> str:
    """Derives a DICOM UID under 2.25 from names.

    Args:
        *names: Any number of strings. The same ones in the same order always give the same UID, others another one.

    Returns:
        The UID as text of digits and dots.
    """
    return f"{UID_ROOT}{uuid.uuid5(NAMESPACE, json.dumps(names)).int}"


@dataclass(frozen=True)
class ResultIdentity:
    """Everything that the objects of one result depend on, and the UIDs that follow from it.

    Attributes:
        sources: The images that were judged.
        record: Record of the model that judged them.
        model: Name of the model's run.
        context: Status and reason of the answer, when the model was trained, and the numbers of the slices with maps.
    """

    sources: Sources
    record: ModelRecord
    model: str
    context: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the source images, the model with its threshold, and this version of medtl."""
        images = sorted(str(instance.SOPInstanceUID) for instance in self.sources.instances)
        facts = [images, self.record.to_json(), self.model, self.context, version("medtl")]
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

    def uid(self, *names: str) -> str:
        """Derives the DICOM UID of a part of this result, such as a series or an object, as text of digits and dots.

        Args:
            *names: Any number of strings that name the part; the same ones always give the same UID for this result.
        """
        return derive_uid(self.digest, *names)

    @property
    def device_uid(self) -> str:
        """UID of the model as a device, the same for all its results."""
        return derive_uid("device", self.record.weights_hash, self.model)

    def attributes(self, kind: str, description: str, number: int = 1) -> dict[str, Any]:
        """Makes the keyword arguments that highdicom takes for an object of any kind.

        Args:
            kind: "SR", "SC" or "PM": each has a series of its own.
            description: Series Description, at most 64 characters.
            number: Instance number of the object within its series, from 1.

        Returns:
            UIDs, numbers, maker and character set, by the names of highdicom's arguments such as `sop_instance_uid`.

        Raises:
            KeyError: `kind` is another one.
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
    """Shortens a text to the 64 characters that a DICOM value of VR LO may hold, and makes its backslashes slashes."""
    return text.replace("\\", "/")[:LONG_STRING]


def stamp_implementation(objects: Iterable[Any]) -> None:
    """Writes the name and UID of medtl into the file meta header of each object, in place.

    Args:
        objects: pydicom datasets with a file meta header.
    """
    for one in objects:
        one.file_meta.ImplementationClassUID = derive_uid("implementation")
        one.file_meta.ImplementationVersionName = f"MEDTL_{version('medtl')}"[:16]


def state_body_part(made: Any, source: Any) -> None:
    """Writes the body part of a source image into an object, or that it is not known which side is shown, in place.

    Laterality must be there, if only empty, unless the body part is known and has no sides.
    Source: DICOM PS3.3, C.7.3.1 (type 2C).

    Args:
        made: A pydicom dataset of an object with pixels.
        source: A pydicom dataset of the image that it was made from.
    """
    stated = source.get("BodyPartExamined")
    if stated in BODY_PARTS:
        made.BodyPartExamined = stated
    else:
        made.Laterality = ""
