"""Values of a pydicom dataset as plain Python, whoever wrote it."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.config import IGNORE
from pydicom.uid import UID

from shared.errors import InputRefused

Vector = tuple[float, ...]


def texts_of(dataset: Any, keyword: str) -> tuple[str, ...]:
    """All values of an element, stripped; none where nothing is stated.

    Raises:
        InputRefused: pydicom cannot make anything of it.
    """
    try:
        value = dataset.get(keyword)
    except ValueError:  # pydicom interprets an element when it is first asked for
        raise InputRefused(f"has a damaged {keyword}") from None
    if value is None:
        return ()
    several = not isinstance(value, (str, bytes)) and hasattr(value, "__iter__")
    return tuple(str(part).strip(" \0") for part in (value if several else (value,)))


def text_of(dataset: Any, keyword: str) -> str:
    """The values of an element with spaces between; empty where nothing is stated."""
    return " ".join(texts_of(dataset, keyword))


def floats_of(dataset: Any, keyword: str, count: int) -> Vector | None:
    """`count` finite numbers, or None where nothing is stated.

    Raises:
        InputRefused: There are more or fewer, or they are not finite.
    """
    texts = [text for text in texts_of(dataset, keyword) if text]
    if not texts:
        return None
    numbers = tuple(float(text) for text in texts)
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise InputRefused(f"has a damaged {keyword}")
    return numbers


def float_of(dataset: Any, keyword: str) -> float | None:
    """One finite number, or None where nothing is stated."""
    return next(iter(floats_of(dataset, keyword, 1) or ()), None)


def integer_of(dataset: Any, keyword: str) -> int | None:
    """One whole number, or None where nothing is stated."""
    text = text_of(dataset, keyword)
    return int(text) if text else None


def functional_groups(dataset: Any, frames: int) -> Any:
    """A function from a functional group to what states it for each frame: the frame, all frames, or the top level.

    Source: DICOM PS3.3, C.7.6.16 (Multi-frame Functional Groups).
    """
    own = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())
    if len(own) != frames:
        own = []  # contradictory; `medtl.dicom.pixels` refuses it when pixels are asked for
    shared_groups = list(dataset.get("SharedFunctionalGroupsSequence") or ())[:1]

    def groups(keyword: str) -> list[Any]:
        def first(holder: Any) -> Any:
            return next(iter(holder.get(keyword) or ()), None)

        fallback = next((found for found in map(first, shared_groups) if found is not None), dataset)
        # Without functional groups only the first frame has the geometry of the object.
        single = [fallback] + [fallback if shared_groups else {}] * (frames - 1)
        return [fallback if (found := first(group)) is None else found for group in own] if own else single

    return groups


def uid_name(uid: str) -> str:
    """What the DICOM standard calls a UID; empty where it does not know it, for then it may be that of a person."""
    name = str(UID(uid, validation_mode=IGNORE).name)
    return "" if name == uid else name
