from __future__ import annotations

import unicodedata
from collections import Counter

import pytest

from handwriting.labels import CHARACTERS, canonical, dhcd_label, is_known, nhcd_label, ordered


def test_table_has_the_classes_of_both_datasets() -> None:
    assert Counter(character.kind for character in CHARACTERS.values()) == {"consonant": 36, "digit": 10, "vowel": 12}
    assert len({character.symbol for character in CHARACTERS.values()}) == 58


@pytest.mark.parametrize("label", [label for label, one in CHARACTERS.items() if len(one.symbol) == 1])
def test_name_is_that_of_the_unicode_standard(label: str) -> None:
    character = CHARACTERS[label]
    words = unicodedata.name(character.symbol).removeprefix("DEVANAGARI ")
    if character.kind == "digit":
        assert unicodedata.digit(character.symbol) == int(character.name) == character.number
        assert words.startswith("DIGIT ")
    else:
        assert words == f"LETTER {character.name.upper()}"


def test_clusters_and_signs_are_made_of_devanagari() -> None:
    longer = {label: one.symbol for label, one in CHARACTERS.items() if len(one.symbol) > 1}
    assert set(longer) == {"chhya", "tra", "gya", "vowel_11", "vowel_12"}
    assert all("\u0900" <= letter <= "\u097f" for symbol in longer.values() for letter in symbol)


def test_folders_of_dhcd_are_its_classes() -> None:
    assert dhcd_label("character_1_ka") == "ka"
    assert dhcd_label("character_11_taamatar") == "taamatar"
    assert dhcd_label("digit_9") == "digit_9"
    # a number that contradicts the word, a number without a class, a word without a number
    for folder in ("character_2_ka", "character_37_la", "character_ka", "digit_10", "ka"):
        assert dhcd_label(folder) is None


def test_folders_of_nhcd_are_its_classes() -> None:
    assert nhcd_label("consonants", "36") == "gya"
    assert nhcd_label("Numerals", "0") == "digit_0"
    assert nhcd_label("vowels", "12") == "vowel_12"
    for family, folder in (("consonants", "0"), ("consonants", "37"), ("vowels", "13"), ("numerals", "x"), ("x", "1")):
        assert nhcd_label(family, folder) is None


def test_canonical_knows_spellings_and_keeps_strangers() -> None:
    assert {canonical(name) for name in ("ka", " KA", "क", "Character_1_ka")} == {"ka"}
    assert canonical("५") == "digit_5"
    assert canonical("Kya") == "Kya"
    assert not is_known("Kya")


def test_order_is_that_of_the_table_then_by_name() -> None:
    assert ordered(["zeta", "digit_0", "alpha", "kha", "ka", "ka"]) == ("ka", "kha", "digit_0", "alpha", "zeta")
