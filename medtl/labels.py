"""Class names of brain-MRI tumour data, and which of them must not be missed.

Collections spell the same few classes in many ways. They are brought to one spelling here, and only here. The table has
spellings that can mean one thing only; what is not in it is neither healthy nor a tumour, but a question to the person
whose data they are (`shared.data.layouts`), for a tumour taken for healthy is the mistake that harms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from shared.errors import DataError

NO_TUMOUR = "no_tumour"
TUMOUR = "tumour"
KNOWN_CLASSES = (NO_TUMOUR, "glioma", "meningioma", "pituitary", "metastasis", TUMOUR)
"""The classes medtl knows, in the order of a network's outputs."""

_SPELLINGS = {
    NO_TUMOUR: "no none negative healthy normal control notumor notumour no_tumor without_tumor without_tumour "
    "no_tumors no_tumours no_brain_tumor no_brain_tumour without_brain_tumor without_brain_tumour",
    TUMOUR: "yes positive tumor tumors tumours brain_tumor brain_tumour brain_tumors brain_tumours "
    "with_tumor with_tumour",
    "glioma": "gliomas glioma_tumor glioma_tumour",
    "meningioma": "meningiomas meningioma_tumor meningioma_tumour",
    "pituitary": "pituitary_tumor pituitary_tumour pituitary_adenoma",
    "metastasis": "metastases brain_metastasis brain_metastases",
}
_CANONICAL = {spelling: name for name in KNOWN_CLASSES for spelling in (name, *_SPELLINGS[name].split())}


def canonical(name: str) -> str:
    """Brings the name of a class to its one spelling: `No Tumor`, `notumor` and `healthy` become `no_tumour`.

    A name that is not in the table comes back in lower case, with blanks and hyphens as underscores.

    Raises:
        DataError: The name is empty or only a number, which does not say who is healthy.
    """
    plain = re.sub(r"[\s\-_]+", "_", name.strip().lower()).strip("_")
    if not plain:
        raise DataError("a label is empty; give a class name such as no_tumour or glioma")
    if re.fullmatch(r"[0-9.]+", plain):
        raise DataError(f"label {name!r} is a number; give class names such as no_tumour and tumour")
    return _CANONICAL.get(plain, plain)


def is_known(name: str) -> bool:
    """Says whether a name is that of one of `KNOWN_CLASSES`, in any spelling that the table has."""
    try:
        return canonical(name) in KNOWN_CLASSES
    except DataError:
        return False


def is_positive(label: str) -> bool:
    """Says whether a class counts as tumour; every known class but `no_tumour` does.

    Args:
        label: Name of the class, in any spelling that `canonical` takes.

    Raises:
        DataError: The name is none of `KNOWN_CLASSES`, so whether it is a tumour is not known.
    """
    if not is_known(label):
        raise DataError(
            f"whether class {label!r} is a tumour is not known; known classes are {', '.join(KNOWN_CLASSES)}"
        )
    return canonical(label) != NO_TUMOUR


def binary(label: str) -> str:
    """Reduces a class, in any spelling, to `tumour` or `no_tumour`.

    Raises:
        DataError: The name is none of `KNOWN_CLASSES`.
    """
    return TUMOUR if is_positive(label) else NO_TUMOUR


def ordered(labels: Iterable[str]) -> tuple[str, ...]:
    """Sorts classes into the order of a network's outputs, each once: `KNOWN_CLASSES` first, unknown ones by name.

    Args:
        labels: Classes in the spelling of `canonical`, with repetitions; may be empty.
    """
    distinct = set(labels)
    return (*(name for name in KNOWN_CLASSES if name in distinct), *sorted(distinct - set(KNOWN_CLASSES)))
