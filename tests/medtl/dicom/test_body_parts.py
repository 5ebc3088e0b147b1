"""The body part, in the words and letters of consoles all over the world."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from medtl.dicom.body_parts import HEAD, LIMB, NECK, SPINE, TRUNK, part_of
from medtl.dicom.reader import read_header
from medtl.dicom.rules import check_suitable, warnings_of
from shared.errors import InputRefused

Make = Callable[..., Any]
HEADS = """
    HEAD|BRAIN|SKULL|HEADNECK|ORBITS|IAC|HEAD AND NECK|SKULL BASE|C-SPINE AND BRAIN|BRAIN^SPINE
    KOPF|SCHÄDEL|SCHAEDEL|KLEINHIRN|TÊTE|TETE|CERVEAU|CRÂNE|CABEZA|CEREBRO|CABEÇA|CABECA|CRÂNIO|TESTA|CERVELLO
    GŁOWA|GLOWA|MÓZG|KAFA|BAŞ|BEYİN|HOOFD|HJÄRNA|HODE|HLAVA|KOPONYA|ΚΕΦΑΛΗ|ΕΓΚΈΦΑΛΟΣ|ГОЛОВА|МОЗГ|головной мозг
    TEMPORAL BONE|TENGKORAK|SỌ NÃO|орбиты|ﾄｳﾌﾞ|GALVA|LOBANJA
    頭部|头颅|脑|腦|脳|頸部と頭部|뇌|두부|머리|رأس|الرأس|الدماغ|ראש|मस्तिष्क
"""
OTHERS = {
    LIMB: """
        KNEE|RODILLA|JOELHO|GENOU|KNIE|KOLANO|DİZ|KOLENO|колено|膝关节|膝関節|무릎|الركبة|SHOULDER|плечо|घुटना|HAND|手|ARM
        FEMORAL HEAD|HEAD OF FEMUR|HÜFTKOPF|股骨头|大腿骨頭|대퇴골두|головка бедренной кости
        TETE FEMORALE|CABEZA DEL FEMUR|ĐẦU GỐI|KHỚP GỐI|KNÄ|KNÆ|KOLJENO|KYČEL|коліно|ひざ|ﾋｻﾞ|कूल्हा|สะโพก
    """,
    SPINE: """
        SPINE|LSPINE|COLUMNA|COLUNA|RACHIS|WIRBELSÄULE|KRĘGOSŁUP|OMURGA|позвоночник|腰椎|脊椎|척추|الفقري
        спинной мозг|RDZEŃ KRĘGOWY|NEURO SPINE|BAS RACHIS|CHRBTICA|HRBTENICA|KIČMA|гръбнак|CỘT SỐNG|ﾖｳﾂｲ
    """,
    TRUNK: """
        ABDOMEN|腹部|복부|BRZUCH|KARIN|بطن|PROSTATE|BREAST|ЖИВОТ|HERZ|FÍGADO|심장|PEČEŇ|ท้อง|หัวใจ|हृदय|フクブ|PAYUDARA|BỤNG
        PANCREATIC HEAD|胰头|膵頭部
    """,
    NECK: "NECK|CERVICAL|HALS|шея|颈部|頸部",
}


def words(table: str) -> list[str]:
    return [word.strip() for line in table.strip().splitlines() for word in line.split("|")]


@pytest.mark.parametrize("word", words(HEADS))
def test_the_head_is_known_in_many_languages(word: str) -> None:
    assert part_of(word, coded=True) == HEAD


@pytest.mark.parametrize(("part", "word"), [(part, word) for part, table in OTHERS.items() for word in words(table)])
def test_other_parts_and_heads_of_bones_are_known_in_many_languages(part: str, word: str) -> None:
    assert part_of(word, coded=True) == part


@pytest.mark.parametrize(
    "text",
    [
        *(
            "DOE JANE",
            "Hart",
            "t1 mprage sag",
            "FFE neck",
            "hippocampus",
            "vertebral artery MRA",
            "киста",
            "手術",
            "不足",
        ),
        *("HEAD FIRST SUPINE", "폐쇄공포증", "même examen", "patient has pain", "gado", "LEFT", ""),
    ],
)
def test_words_that_name_no_part_in_a_description_are_unknown(text: str) -> None:
    assert part_of(text, coded=False) is None


def raw(make_mr: Make, to_bytes: Make, body_part: bytes, character_set: str | list[str] | None, **tags: Any) -> bytes:
    """A file whose Body Part Examined has these bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset: Dataset = make_mr(_slice(), BodyPartExamined="X" * (len(body_part) + len(body_part) % 2), **tags)
        if character_set is not None:
            dataset.SpecificCharacterSet = character_set
        written = bytes(to_bytes(dataset))
    place = dataset.BodyPartExamined.encode()
    assert written.count(place) == 1
    return written.replace(place, body_part.ljust(len(place)))


def _slice() -> Any:
    return np.add.outer(np.arange(40), np.arange(40)).astype("<u2")


ENCODED = {
    "Cyrillic": ("ГОЛОВА", "ISO_IR 144", "iso8859_5"),
    "Latin 2": ("GŁOWA", "ISO_IR 101", "iso8859_2"),
    "Turkish": ("BEYİN", "ISO_IR 148", "iso8859_9"),
    "Greek": ("ΚΕΦΑΛΗ", "ISO_IR 126", "iso8859_7"),
    "Arabic": ("رأس", "ISO_IR 127", "iso8859_6"),
    "Latin 1": ("TÊTE", "ISO_IR 100", "latin_1"),
    "Latin 1 unstated": ("CABEÇA", None, "latin_1"),
    "Japanese": ("頭部", ["", "ISO 2022 IR 87"], "iso2022_jp"),
    "Chinese": ("头颅", "GB18030", "gb18030"),
    "Chinese GBK": ("脑部", "GBK", "gbk"),
    "Unicode": ("頭部", "ISO_IR 192", "utf-8"),
    "Unicode unstated": ("ГОЛОВА", None, "utf-8"),
    "Unicode stated as Latin": ("뇌", "ISO_IR 100", "utf-8"),
}


@pytest.mark.parametrize("way", ENCODED)
def test_a_body_part_is_read_in_the_letters_of_its_file(way: str, make_mr: Make, to_bytes: Make) -> None:
    word, character_set, encoding = ENCODED[way]
    header = read_header(raw(make_mr, to_bytes, word.encode(encoding), character_set))
    assert header.examination.body_part == word
    check_suitable(header)
    assert warnings_of(header) == (
        "the header does not state the body part in a term of DICOM: it was taken for the head",
    )


def test_korean_and_chinese_escapes_are_read(make_mr: Make, to_bytes: Make) -> None:
    korean = raw(make_mr, to_bytes, b"\x1b$)C" + "두부".encode("euc_kr"), ["", "ISO 2022 IR 149"])
    assert read_header(korean).examination.body_part == "두부"
    chinese = raw(make_mr, to_bytes, b"\x1b$)A" + "头".encode("gb2312"), ["", "ISO 2022 IR 58"])
    # pydicom leaves the escape itself in the text
    assert part_of(read_header(chinese).examination.body_part, coded=True) == HEAD


def test_other_parts_refuse_in_the_letters_of_the_file(make_mr: Make, to_bytes: Make) -> None:
    header = read_header(raw(make_mr, to_bytes, "колено".encode("iso8859_5"), "ISO_IR 144"))
    with pytest.raises(InputRefused, match="shows a leg or an arm; only the head is judged"):
        check_suitable(header)


def test_descriptions_are_read_in_the_letters_of_the_file(make_mr: Make, to_bytes: Make) -> None:
    dataset = make_mr(_slice(), BodyPartExamined="", SpecificCharacterSet="ISO_IR 144", StudyDescription="МРТ колена")
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    with pytest.raises(InputRefused, match="shows a leg or an arm according to its descriptions"):
        check_suitable(read_header(to_bytes(dataset)))


def test_unknown_words_are_judged_with_a_caution_that_does_not_quote_them(make_mr: Make, to_bytes: Make) -> None:
    header = read_header(to_bytes(make_mr(_slice(), BodyPartExamined="DOE JANE")))
    check_suitable(header)
    assert warnings_of(header) == (
        "the header states a body part that is not known: that it shows a head was not checked",
    )


def test_descriptions_are_asked_where_the_body_part_is_unknown(make_mr: Make, to_bytes: Make) -> None:
    header = read_header(to_bytes(make_mr(_slice(), BodyPartExamined="XYZ", SeriesDescription="sag knee left")))
    with pytest.raises(InputRefused, match="shows a leg or an arm according to its descriptions"):
        check_suitable(header)
