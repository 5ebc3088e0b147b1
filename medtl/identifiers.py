"""The UIDs of what was judged, for those who ask: they lead to a patient's examination, so answers hold none unasked.

Patient ID, name and accession number are never read here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from medtl.dicom.reader import read_attributes, untrusted_decoding
from medtl.dicom.values import text_of
from medtl.inputs import DICOM
from shared.errors import DataError, InputRefused
from shared.io.archives import read_source
from shared.task import Item

UID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
"""A UID: its first component is that of ITU-T, ISO or both. Source: DICOM PS3.5, section 9.1 and annex B."""
LONGEST_UID = 64
"""Most characters of a UID. Source: DICOM PS3.5, section 9.1."""
KEYWORDS = {
    "study_instance_uid": "StudyInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
    "sop_instance_uid": "SOPInstanceUID",
}


def read_identifiers(item: Item) -> dict[str, Any]:
    """Reads the UIDs of the DICOM objects that an item was read from.

    Args:
        item: The item, judged or refused.

    Returns:
        Plain data: `study_instance_uid`, `series_instance_uid`, and `instances`, one for each slice in their order (of
        a refused item one for each file): `sop_instance_uid`, and where the slice lies in it (`frame`). A judged item
        also has the `number` of each slice. A UID that is missing or damaged, or differs between files that share it,
        is None. Empty where the item was not read from DICOM.
    """
    if item.series.get("format") != DICOM or not item.origins:
        return {}
    held = {source: _read(source) for source in dict.fromkeys(origin.source for origin in item.origins)}
    instances = []
    for number, origin in enumerate(item.origins, start=1):
        place = {name: value for name, value in origin.numbers.items() if name in ("frame", "tile")}
        numbered = {"number": number} if item.slices else {}
        instances.append({**numbered, "sop_instance_uid": held[origin.source]["sop_instance_uid"], **place})
    common = {name: _one([uids[name] for uids in held.values()]) for name in KEYWORDS if name != "sop_instance_uid"}
    return {**common, "instances": instances}


def _read(source: str) -> dict[str, str | None]:
    """The UIDs of one file."""
    try:
        dataset = read_attributes(read_source(source))
        with untrusted_decoding():  # pydicom's warnings quote what is no UID
            return {name: _checked(text_of(dataset, keyword)) for name, keyword in KEYWORDS.items()}
    except (DataError, InputRefused):
        return dict.fromkeys(KEYWORDS)


def _checked(text: str) -> str | None:
    """The text where it is a UID: in a damaged file it may be anything, also a name."""
    return text if UID.fullmatch(text) and len(text) <= LONGEST_UID else None


def _one(uids: Sequence[str | None]) -> str | None:
    """The UID that all files state; None where they differ."""
    return uids[0] if len(set(uids)) == 1 else None
