"""The characters: names as in the Devanagari Handwritten Character Dataset, with what they look like in Unicode."""

from __future__ import annotations

_NAMES = """
    ka kha ga gha kna cha chha ja jha yna taamatar thaa daa dhaa adna tabala tha da dha na pa pha ba bha ma
    yaw ra la waw motosaw petchiryakha patalosaw ha chhya tra gya
"""
_LETTERS = "क ख ग घ ङ च छ ज झ ञ ट ठ ड ढ ण त थ द ध न प फ ब भ म य र ल व श ष स ह क्ष त्र ज्ञ"
_VOWELS = "अ आ इ ई उ ऊ ए ऐ ओ औ अं अः"

CONSONANTS = dict(zip(_NAMES.split(), _LETTERS.split(), strict=True))
"""The 36 consonants in the order of DHCD's folders `character_1_ka` to `character_36_gya`.

Source: Acharya, Pant & Gyawali, SKIMA 2015 (UCI, CC BY 4.0).
"""
DIGITS = {f"digit_{value}": digit for value, digit in enumerate("०१२३४५६७८९")}
VOWELS = {f"vowel_{number}": letter for number, letter in enumerate(_VOWELS.split(), start=1)}
"""The 12 vowels of NHCD (Pant et al. 2012), in the order of its folders; DHCD has none of them."""
CHARACTERS = CONSONANTS | DIGITS | VOWELS


def canonical(folder: str, parent: str = "") -> str:
    """The class of a folder in DHCD's or NHCD's layout; other names stay as they are.

    Args:
        folder: Name of the folder that holds the images.
        parent: Name of the folder above it: NHCD numbers its classes within `consonants`, `numerals` and `vowels`.
    """
    name = folder.lower()
    if name.startswith("character_"):
        return name.split("_", 2)[2]
    if parent.lower() == "consonants" and name.isdecimal() and 1 <= int(name) <= len(CONSONANTS):
        return list(CONSONANTS)[int(name) - 1]
    if parent.lower() == "numerals" and name.isdecimal():
        return f"digit_{int(name)}"
    if parent.lower() == "vowels" and name.isdecimal():
        return f"vowel_{int(name)}"
    return name


def ordered(names: set[str]) -> tuple[str, ...]:
    """Class names in the order of the alphabet, unknown ones after it."""
    rank = {name: number for number, name in enumerate(CHARACTERS)}
    return tuple(sorted(names, key=lambda name: (rank.get(name, len(rank)), name)))
