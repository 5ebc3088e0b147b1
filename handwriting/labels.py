"""The Devanagari characters: their classes, their Unicode, and the folders in which datasets keep them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["consonant", "digit", "vowel"]

_CONSONANTS = (
    "ka क ka,kha ख kha,ga ग ga,gha घ gha,kna ङ nga,cha च ca,chha छ cha,ja ज ja,jha झ jha,yna ञ nya,taamatar ट tta,"
    "thaa ठ ttha,daa ड dda,dhaa ढ ddha,adna ण nna,tabala त ta,tha थ tha,da द da,dha ध dha,na न na,pa प pa,pha फ pha,"
    "ba ब ba,bha भ bha,ma म ma,yaw य ya,ra र ra,la ल la,waw व va,motosaw श sha,petchiryakha ष ssa,patalosaw स sa,"
    "ha ह ha,chhya क्ष kssa,tra त्र tra,gya ज्ञ jnya"
)
_VOWELS = "अ a,आ aa,इ i,ई ii,उ u,ऊ uu,ए e,ऐ ai,ओ o,औ au,अं am,अः ah"
_FAMILIES: dict[str, Kind] = {"consonants": "consonant", "numerals": "digit", "vowels": "vowel"}
"""The top folders of NHCD's layout, with the kind of the characters in them."""


@dataclass(frozen=True)
class Character:
    """One character.

    Attributes:
        label: Its class: for a consonant the word in DHCD's folder name, else `digit_0`, `vowel_1`.
        symbol: Its Unicode text: a letter, a consonant cluster, or a letter with a sign.
        name: Its name in Latin letters as in the Unicode standard (ट is tta), for clusters and signs too.
        kind: Whether it is a consonant, digit or vowel.
        number: Its place among its kind, from 1; for a digit its value.
    """

    label: str
    symbol: str
    name: str
    kind: Kind
    number: int


def _characters() -> Iterable[Character]:
    for number, entry in enumerate(_CONSONANTS.split(","), start=1):
        label, symbol, name = entry.split()
        yield Character(label, symbol, name, "consonant", number)
    for value in range(10):
        yield Character(f"digit_{value}", chr(0x0966 + value), str(value), "digit", value)
    for number, entry in enumerate(_VOWELS.split(","), start=1):
        symbol, name = entry.split()
        yield Character(f"vowel_{number}", symbol, name, "vowel", number)


CHARACTERS = {character.label: character for character in _characters()}
"""All characters by label, in the order of a network's outputs.

The 36 consonants and 10 digits are the classes of DHCD (Acharya et al. 2015); NHCD (Pant et al. 2012) has the same in
the same order, and 12 vowels, which DHCD lacks.
"""

_BY_PLACE = {(character.kind, character.number): character.label for character in CHARACTERS.values()}
_BY_SYMBOL = {character.symbol: character.label for character in CHARACTERS.values()}


def dhcd_label(folder: str) -> str | None:
    """Returns the class of a DHCD folder (`character_1_ka`, `digit_0`), or None where it is none."""
    match = re.fullmatch(r"character_([0-9]{1,2})_([a-z]+)|digit_([0-9])", folder.strip().lower())
    if match is None:
        return None
    number, word, digit = match.groups()
    label = f"digit_{digit}" if digit else _BY_PLACE.get(("consonant", int(number)))
    return label if digit or label == word else None


def nhcd_label(family: str, folder: str) -> str | None:
    """Returns the class of an NHCD folder (`1` in `consonants`), or None where it is none."""
    kind = _FAMILIES.get(family.strip().lower())
    return _BY_PLACE.get((kind, int(folder))) if kind and re.fullmatch(r"[0-9]{1,2}", folder) else None


def is_nhcd_family(folder: str) -> bool:
    """Whether a folder is one of the three top folders of NHCD's layout."""
    return folder.strip().lower() in _FAMILIES


def canonical(name: str) -> str:
    """Returns the one spelling of a class: `ka` for `ka`, `character_1_ka` or `क`; an unknown name is kept."""
    plain = name.strip()
    return dhcd_label(plain) or _BY_SYMBOL.get(plain) or (plain.lower() if is_known(plain.lower()) else plain)


def is_known(label: str) -> bool:
    """Whether a class, in its one spelling, is one of `CHARACTERS`."""
    return label in CHARACTERS


def ordered(labels: Iterable[str]) -> tuple[str, ...]:
    """Lists the distinct classes in the order of a network's outputs: known ones as in `CHARACTERS`, then by name."""
    distinct = set(labels)
    return (*(label for label in CHARACTERS if label in distinct), *sorted(distinct - set(CHARACTERS)))
