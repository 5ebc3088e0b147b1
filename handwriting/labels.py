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
    """Finds the label of a DHCD folder: `ka` for `character_1_ka`; None where the folder is no class of DHCD.

    Args:
        folder: Name of the folder, in any case.
    """
    match = re.fullmatch(r"character_([0-9]{1,2})_([a-z]+)|digit_([0-9])", folder.strip().lower())
    if match is None:
        return None
    number, word, digit = match.groups()
    label = f"digit_{digit}" if digit else _BY_PLACE.get(("consonant", int(number)))
    return label if digit or label == word else None


def nhcd_label(family: str, folder: str) -> str | None:
    """Finds the label of an NHCD folder: `ka` for `1` in `consonants`; None where there is no such class.

    Args:
        family: Name of the top folder, such as `consonants`, in any case.
        folder: Name of the folder in it, a number of one or two digits.
    """
    kind = _FAMILIES.get(family.strip().lower())
    return _BY_PLACE.get((kind, int(folder))) if kind and re.fullmatch(r"[0-9]{1,2}", folder) else None


def is_nhcd_family(folder: str) -> bool:
    """Says whether a folder is a top folder of NHCD: `consonants`, `numerals` or `vowels`, in any case."""
    return folder.strip().lower() in _FAMILIES


def canonical(name: str) -> str:
    """Brings the name of a character to its label: `ka` for `ka`, `character_1_ka` or `क`.

    An unknown name comes back as it is, without blanks at its ends; an empty one stays empty.
    """
    plain = name.strip()
    return dhcd_label(plain) or _BY_SYMBOL.get(plain) or (plain.lower() if is_known(plain.lower()) else plain)


def is_known(label: str) -> bool:
    """Says whether a label is one of `CHARACTERS`.

    Args:
        label: The label in the spelling of `canonical`; other spellings are not known.
    """
    return label in CHARACTERS


def ordered(labels: Iterable[str]) -> tuple[str, ...]:
    """Sorts labels into the order of a network's outputs, each once: those of `CHARACTERS` first, others by name.

    Args:
        labels: Labels in the spelling of `canonical`, with repetitions; may be empty.
    """
    distinct = set(labels)
    return (*(label for label in CHARACTERS if label in distinct), *sorted(distinct - set(CHARACTERS)))
