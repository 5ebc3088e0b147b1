"""Values of a pydicom dataset as plain Python values: stripped texts, finite numbers, None where nothing is stated."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.config import IGNORE
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID
from pydicom.valuerep import PersonName

from shared.errors import InputRefused

Vector = tuple[float, ...]
Value = TypeVar("Value")
UID_FORM = re.compile(r"(?=.{1,64}\Z)[0-9]+(\.[0-9]+)*")
"""What a UID may be. Source: DICOM PS3.5, section 9.1."""
ESCAPE = b"\x1b"
"""Begins a change of the character set. Source: ISO/IEC 2022."""
LATIN = ("", "ISO_IR 6", "ISO_IR 100", "ISO 2022 IR 6", "ISO 2022 IR 100")
"""Specific Character Sets that files state, or leave out, whatever their letters are."""


def value_of(dataset: Any, keyword: str) -> Any:
    """Reads the value of an element as pydicom interprets it; None where the element is missing.

    A header is asked for some 60 elements, of which most are missing: this takes a third of the time of `dataset.get`,
    which looks each keyword up anew and raises for each one that is missing.

    Args:
        dataset: A pydicom dataset, or a dict of elements.
        keyword: DICOM keyword of the element, such as "PatientID".

    Raises:
        ValueError: pydicom cannot interpret the element, as it does when it is first asked for.
    """
    if isinstance(dataset, dict):
        return dataset.get(keyword)
    tag = _tag(keyword)
    element = dataset.get_item(tag)
    if isinstance(element, RawDataElement):
        element = dataset[tag]
    return None if element is None else element.value


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def texts_of(dataset: Any, keyword: str) -> tuple[str, ...]:
    """Reads all values of an element as stripped texts; an empty tuple where nothing is stated.

    Args:
        dataset: A pydicom dataset, or a dict of elements.
        keyword: DICOM keyword of the element, such as "PatientID".

    Raises:
        InputRefused: pydicom cannot interpret the element.
    """
    try:
        value = value_of(dataset, keyword)
    except ValueError:
        raise InputRefused(f"has a damaged {keyword}") from None
    if value is None:
        return ()
    several = not isinstance(value, (str, bytes, PersonName)) and hasattr(value, "__iter__")
    return tuple(str(part).strip(" \0") for part in (value if several else (value,)))


def text_of(dataset: Any, keyword: str) -> str:
    """Reads the values of an element as one stripped text, joined by blanks; empty where nothing is stated.

    Args:
        dataset: A pydicom dataset, or a dict of elements.
        keyword: DICOM keyword of the element, such as "PatientID".

    Raises:
        InputRefused: pydicom cannot interpret the element.
    """
    return " ".join(texts_of(dataset, keyword))


def local_text_of(dataset: Any, keyword: str) -> str:
    """Reads the values of an element as one stripped text in whatever letters a console wrote it; empty without one.

    Codes such as Body Part Examined have no character set in DICOM, yet consoles write them in that of the file, or in
    UTF-8 where the file states none.

    Args:
        dataset: A pydicom dataset.
        keyword: DICOM keyword of the element.

    Raises:
        InputRefused: pydicom cannot interpret the element.
    """
    element = dataset.get_item(_tag(keyword))
    raw = element.value if isinstance(element, RawDataElement) else None
    if not isinstance(raw, bytes) or (raw.isascii() and ESCAPE not in raw):
        return text_of(dataset, keyword)
    stated = [text for text in texts_of(dataset, "SpecificCharacterSet") if text not in LATIN]
    if not stated:
        try:
            return raw.decode("utf-8").strip(" \0")
        except UnicodeDecodeError:
            return text_of(dataset, keyword)
    return str(decode_bytes(raw, convert_encodings(["", *stated] if len(stated) > 1 else stated), set())).strip(" \0")


def floats_of(dataset: Any, keyword: str, count: int) -> Vector | None:
    """Reads an element of a known count of finite numbers.

    Args:
        dataset: A pydicom dataset, or a dict of elements.
        keyword: DICOM keyword of the element, such as "PixelSpacing".
        count: How many numbers the element must have.

    Returns:
        The numbers; None where nothing is stated.

    Raises:
        InputRefused: There are more or fewer numbers, or they are not finite.
        ValueError: A value is no number.
    """
    texts = [text for text in texts_of(dataset, keyword) if text]
    if not texts:
        return None
    numbers = tuple(float(text) for text in texts)
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise InputRefused(f"has a damaged {keyword}")
    return numbers


def float_of(dataset: Any, keyword: str) -> float | None:
    """Reads an element of one finite number; None where nothing is stated.

    Args:
        dataset: A pydicom dataset, or a dict of elements.
        keyword: DICOM keyword of the element, such as "EchoTime".

    Raises:
        InputRefused: There are several numbers, or it is not finite.
        ValueError: The value is no number.
    """
    return next(iter(floats_of(dataset, keyword, 1) or ()), None)


def integer_of(dataset: Any, keyword: str) -> int | None:
    """Reads an element of one whole number; None where nothing is stated.

    Args:
        dataset: A pydicom dataset, or a dict of elements.
        keyword: DICOM keyword of the element, such as "Rows".

    Raises:
        InputRefused: pydicom cannot interpret the element.
        ValueError: The value is no whole number.
    """
    text = text_of(dataset, keyword)
    return int(text) if text else None


def functional_groups(dataset: Any, frames: int) -> Any:
    """Makes a function that looks up a functional group of each frame, such as "PlanePositionSequence".

    The group of a frame is its own, else that of all frames together, else the object itself, as in single slices.
    Source: DICOM PS3.3, C.7.6.16 (Multi-frame Functional Groups).

    Args:
        dataset: A pydicom dataset, with functional groups or without.
        frames: Number of its frames.

    Returns:
        A function from the keyword of a group to a list of `frames` datasets, in the order of the frames.
    """
    own = list(value_of(dataset, "PerFrameFunctionalGroupsSequence") or ())
    if len(own) != frames:
        own = []  # contradictory; `medtl.dicom.pixels` refuses it when pixels are asked for
    shared_groups = list(value_of(dataset, "SharedFunctionalGroupsSequence") or ())[:1]

    def groups(keyword: str) -> list[Any]:
        def first(holder: Any) -> Any:
            return next(iter(value_of(holder, keyword) or ()), None)

        fallback = next((found for found in map(first, shared_groups) if found is not None), dataset)
        # Without functional groups only the first frame has the geometry of the object.
        single = [fallback] + [fallback if shared_groups else {}] * (frames - 1)
        return [fallback if (found := first(group)) is None else found for group in own] if own else single

    return groups


def read_each(groups: Sequence[Any], read: Callable[[Any], Value]) -> list[Value]:
    """Reads something of each group, and of one that many frames share only once: an object may state 65,536 frames.

    Args:
        groups: What `functional_groups` found, one for each frame.
        read: Reads a value of a group.

    Returns:
        The values, in the order of `groups`.
    """
    known = {id(group): read(group) for group in {id(group): group for group in groups}.values()}
    return [known[id(group)] for group in groups]


def uid_name(uid: str) -> str:
    """Returns the name that the DICOM standard gives a UID.

    Args:
        uid: The UID, such as "1.2.840.10008.1.2".

    Returns:
        The name; empty for other UIDs, which may identify a person.
    """
    name = str(UID(uid, validation_mode=IGNORE).name)
    return "" if name == uid else name
