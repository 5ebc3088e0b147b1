"""The results in a spool, found by what their headers state. Nothing is written; a damaged one is left out."""

from __future__ import annotations

import fnmatch
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pydicom
from pydicom import Dataset

from medtl.dicom.reader import untrusted_decoding
from medtl.dicom.values import UID_FORM, text_of
from medtl.node.damaged import NAME
from medtl.node.spool import RESULT_SUFFIX
from shared.errors import InputRefused, UsageError

LOGGER = logging.getLogger(__name__)
OF_STUDY = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyID",
    "StudyDescription",
)
OF_SERIES = ("Modality", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber")
OF_INSTANCE = ("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "Rows", "Columns", "BitsAllocated", "NumberOfFrames")
"""Attributes that a search returns. Source: DICOM PS3.18, tables 10.6.3-3 to 10.6.3-5."""
STUDY = "StudyInstanceUID"
UIDS = (STUDY, "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
TEXTS = (
    "PatientID",
    "PatientName",
    "ReferringPhysicianName",
    "AccessionNumber",
    "StudyID",
    "StudyDescription",
    "SeriesDescription",
    "SeriesNumber",
    "Modality",
    "InstanceNumber",
)
MODALITIES = "ModalitiesInStudy"
KEYS = (*UIDS, *TEXTS, "StudyDate")
"""Attributes that are searched by, beside `MODALITIES`, which no file states."""
DATES = re.compile(r"(?P<first>\d{8})?(?P<range>-(?P<last>\d{8})?)?(?<=.)(?<!^-)")
MAX_TEXT = 64
"""Characters of a text that is searched for: the longest that an attribute of these holds."""
CHARACTER_SET = "00080005"
MAX_KNOWN = 20_000
"""Headers that are kept, so that a search reads each file once."""


@dataclass(frozen=True)
class Header:
    """What the header of a result states.

    Attributes:
        values: The values of `KEYS` as text; empty where nothing is stated.
        tree: The attributes that a search returns, as DICOM JSON by tag.
    """

    values: Mapping[str, str]
    tree: Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """A result object in the spool.

    Attributes:
        path: Its file, which may be deleted at any time.
        header: What it states.
    """

    path: Path
    header: Header


class Catalog:
    """Finds results in a spool.

    Args:
        spool: Folder of the spool.
    """

    def __init__(self, spool: Path) -> None:
        self._results = spool / "results"

    def find(self, wanted: Mapping[str, str]) -> list[Result]:
        """Finds the results that have all of some values, the oldest first.

        Args:
            wanted: A value for each of some `KEYS`: a UID, or several with commas; a date, or a range of them
                (`20260101-20261231`); text in which `*` and `?` stand for any characters and for one, large and small
                letters alike. `ModalitiesInStudy` is that of any result of the study.

        Raises:
            UsageError: A key or value is not allowed.
        """
        tests = [(keyword, _test(keyword, value)) for keyword, value in wanted.items() if keyword != MODALITIES]
        held = self._all()
        if MODALITIES in wanted:
            has_modality = _test("Modality", wanted[MODALITIES])
            studies = {one.header.values[STUDY] for one in held if has_modality(one.header.values["Modality"])}
            tests.append((STUDY, studies.__contains__))
        return [one for one in held if all(test(one.header.values[keyword]) for keyword, test in tests)]

    def _all(self) -> list[Result]:
        found = []
        for path in self._files():
            with suppress(OSError):  # it was deleted at this moment
                header = _header(path, path.stat().st_mtime_ns)
                if header is not None:
                    found.append(Result(path, header))
        return found

    def _files(self) -> list[Path]:
        aged = []
        for folder in self._results.glob("*/*"):
            if NAME.fullmatch(folder.parent.name) and folder.name.isdecimal():
                with suppress(OSError):
                    aged.append((folder.stat().st_mtime_ns, folder))
        return [path for _, folder in sorted(aged) for path in sorted(folder.glob(f"*{RESULT_SUFFIX}"))]


def check_uid(keyword: str, uid: str) -> str:
    """Checks a UID of a request, and returns it as it is.

    Args:
        keyword: Its keyword, for the message.
        uid: The UID.

    Raises:
        UsageError: It is none.
    """
    if not UID_FORM.fullmatch(uid):
        raise UsageError(f"{keyword} is no UID; it has up to 64 digits and points")
    return uid


def _test(keyword: str, value: str) -> Callable[[str], bool]:
    """Makes what says of a value of an attribute whether it is wanted."""
    if keyword not in KEYS:
        raise UsageError(f"results are not searched by that attribute; allowed are {', '.join([*KEYS, MODALITIES])}")
    if keyword in UIDS:
        uids = {check_uid(keyword, one) for one in re.split(r"[,\\]", value)}
        return uids.__contains__
    if keyword == "StudyDate":
        if (dates := DATES.fullmatch(value)) is None:
            raise UsageError("StudyDate is no date; it is YYYYMMDD, or a range of them, YYYYMMDD-YYYYMMDD")
        first, last = dates["first"] or "", (dates["last"] or "9") if dates["range"] else dates["first"]
        return lambda stated: bool(stated) and first <= stated <= last
    if len(value) > MAX_TEXT:
        raise UsageError(f"{keyword} is longer than {MAX_TEXT} characters")
    pattern = re.compile(fnmatch.translate(value.replace("[", "[[]")), re.IGNORECASE)
    return lambda stated: pattern.fullmatch(stated) is not None


@lru_cache(maxsize=MAX_KNOWN)
def _header(path: Path, changed_ns: int) -> Header | None:
    """Reads the header of a result; None where it is damaged.

    Args:
        path: Its file.
        changed_ns: Time of its last change: a revision that was set aside is judged anew under the same name.

    Raises:
        OSError: It cannot be read now.
    """
    attributes = [*OF_STUDY, *OF_SERIES, *OF_INSTANCE]
    with path.open("rb") as file:
        try:
            with untrusted_decoding():
                stated = pydicom.dcmread(
                    file, stop_before_pixels=True, specific_tags=["SpecificCharacterSet", *attributes]
                )
                values = {keyword: text_of(stated, keyword) for keyword in KEYS}
                if all(UID_FORM.fullmatch(values[keyword]) for keyword in UIDS):
                    return Header(values, as_json(stated))
        except InputRefused:
            pass
    # without the name of the file: one that the node did not write may be called after a patient
    LOGGER.error("a file of results/%s/%s cannot be read, and is not listed", *path.parts[-3:-1])
    return None


def as_json(dataset: Dataset) -> dict[str, Any]:
    """Makes DICOM JSON of a dataset, whose texts are then UTF-8. Source: DICOM PS3.18, annex F.

    Args:
        dataset: A dataset without pixels; what cannot be written in JSON is left out.
    """
    tree: dict[str, Any] = dataset.to_json_dict(suppress_invalid_tags=True)
    if CHARACTER_SET in tree:
        tree[CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return tree
