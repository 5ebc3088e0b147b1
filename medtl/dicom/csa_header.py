"""The private "CSA" header of Siemens MR images, the only one that states the order of the slices of a mosaic.

A list of named elements, each with a list of texts, all numbers little-endian. No length in it is believed: what
reaches beyond the bytes, or would be read more than once, is damage.
Source: described by the documentation of nibabel ("Siemens format DICOM with CSA header"); there is no standard.
"""

from __future__ import annotations

from shared.errors import InputRefused

CSA2 = b"SV10"
"""How the second version begins; the first one begins with the number of its elements."""
MAX_ELEMENTS = 1024
"""Most elements of a header; the 39 real images at hand have 65 to 101."""
MAX_ITEMS = 1 << 14
"""Most items of all elements together; the 39 real images at hand have 138 to 378."""
NAME_BYTES = 64
ELEMENT_BYTES = NAME_BYTES + 20
"""Name, then multiplicity, representation, a number of Syngo's, number of items, and a mark; four bytes each."""
ITEM_BYTES = 16
"""Four numbers before each item; one of them is its length."""


def read_csa(data: bytes) -> dict[str, tuple[str, ...]]:
    """Reads all elements of a CSA header.

    Args:
        data: The value of (0029,xx10) "CSA Image Header Info" of the private creator "SIEMENS CSA HEADER".

    Returns:
        The texts of each element that has any, in order, stripped, by its name.

    Raises:
        InputRefused: The header is damaged, or is no CSA header.
    """
    second = data.startswith(CSA2)
    at = 8 if second else 0
    count = _number(data, at)
    if not 0 < count <= MAX_ELEMENTS:
        raise _damaged()
    at += 8
    elements: dict[str, tuple[str, ...]] = {}
    items, base = 0, None
    for _ in range(count):
        if at + ELEMENT_BYTES > len(data):
            raise _damaged()
        name = _text(data[at : at + NAME_BYTES])
        used, listed = _number(data, at + NAME_BYTES), _number(data, at + NAME_BYTES + 12)
        # In the first version lengths stand with the number of items of the first element added to them.
        base = listed if base is None else base
        items += listed
        if items > MAX_ITEMS:
            raise _damaged()
        at, texts = _items(data, at + ELEMENT_BYTES, listed, None if second else base)
        # Of a vector only as many as the multiplicity says are meant; with 0 all that are there.
        elements[name] = tuple(text for text in (texts[:used] if used else texts) if text)
    return {name: texts for name, texts in elements.items() if texts}


def _items(data: bytes, at: int, count: int, base: int | None) -> tuple[int, list[str]]:
    """The texts of `count` items that begin at `at`, and where they end; `base` is None in the second version."""
    texts = []
    for _ in range(count):
        length = _number(data, at + 4) if base is None else _number(data, at) - base
        start = at + ITEM_BYTES
        if base is not None and length < 0:
            length = 0  # the first version states less than nothing for an empty item
        if start + length > len(data):
            raise _damaged()
        texts.append(_text(data[start : start + length]))
        # Items are filled up to a multiple of four bytes; the very last one may lack that.
        at = min(start + length + -length % 4, len(data))
    return at, texts


def _number(data: bytes, at: int) -> int:
    if at + 4 > len(data):
        raise _damaged()
    return int.from_bytes(data[at : at + 4], "little")


def _text(data: bytes) -> str:
    """Up to the first zero byte: what follows it is whatever was in the scanner's memory."""
    return data.split(b"\0", 1)[0].decode("latin-1").strip()


def _damaged() -> InputRefused:
    return InputRefused("has a damaged CSA header")
