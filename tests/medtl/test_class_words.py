"""Spellings of healthy and tumour in many languages: none is trained as the wrong class in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medtl import labels
from medtl.class_words import nearest_class
from medtl.datasets import load
from shared.errors import MeaningError
from shared.samples import LEAVE_OUT, Meanings

HEALTHY = (
    "no", "No", "NO TUMOR", "notumor", "no_tumour", "no-tumor", "no brain tumor", "non_tumor", "non-tumour", "nontumor",
    "NonTumor", "not_tumor", "tumor_free", "tumorfree", "without tumor", "without_tumour", "negative", "neg", "normal",
    "Normal", "normals", "normal_brain", "normal brain mri", "healthy", "Healthy", "healthy_brain", "healthy_controls",
    "HC", "NC", "control", "controls", "control_group", "kein_tumor", "Kein Tumor", "ohne_tumor", "tumorfrei", "gesund",
    "Gesunde", "gesundes_gehirn", "sain", "cerveau_sain", "sans_tumeur", "pas_de_tumeur", "témoins", "sano", "sanos",
    "sin_tumor", "cerebro_sano", "controles", "saudável", "saudaveis", "sem_tumor", "sem tumor", "cérebro_normal",
    "senza_tumore", "sani", "controllo", "sağlıklı", "saglikli", "tümör_yok", "tumor_yok", "tümörsüz", "zdrowy",
    "zdrowe", "bez_guza", "brak_guza", "zdorovyi", "norma", "bez_opukholi", "net_opukholi", "здоровый", "нет опухоли",
    "jiankang", "zhengchang", "wuzhongliu", "wu_zhongliu", "fei_zhongliu", "正常", "健康", "无肿瘤", "0", "정상",
    "종양 없음", "سليم", "بدون_ورم", "स्वस्थ", "बिना_ट्यूमर", "υγιής", "χωρίς_όγκο", "zdravý", "terve",
    "no_finding", "kein_Befund",
)  # fmt: skip
TUMOUR = (
    "yes", "Yes", "tumor", "Tumour", "tumors", "brain_tumor", "Brain Tumour", "positive", "with tumor", "abnormal",
    "malignant", "cancer", "lesion", "Tumoren", "hirntumor", "mit_tumor", "krank", "tumeur", "tumeurs", "avec_tumeur",
    "lésion", "tumor_cerebral", "tumores", "con_tumor", "com_tumor", "tumore", "tumori", "lesione", "tümör", "tumorlu",
    "kanser", "guz", "nowotwór", "opukhol", "opuhol", "опухоль", "zhongliu", "naozhongliu", "肿瘤", "1", "unhealthy",
    "HGG", "LGG", "GBM", "gliom", "gliome", "глиома", "meningeom", "menenjiyom", "oponiak", "Hypophyse", "adenoma",
    "glioblastoma", "astrocytoma", "mets", "metastasen", "przerzuty", "jiaozhiliu", "tumer", "Tumr", "menigioma",
    "종양", "ورم", "ट्यूमर", "όγκος", "daganat", "svulst",
)  # fmt: skip
CLASSES = set(labels.KNOWN_CLASSES)


def _picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 40), dtype=np.uint8)).save(path)


@pytest.mark.parametrize(
    ("name", "healthy"), [*((name, True) for name in HEALTHY), *((name, False) for name in TUMOUR)]
)
def test_no_spelling_is_taken_for_the_other_class_in_silence(tmp_path: Path, name: str, healthy: bool) -> None:
    _picture(tmp_path / name / "1.png", 1)
    _picture(tmp_path / ("glioma" if healthy else "no_tumour") / "1.png", 2)
    meaning = "healthy" if healthy else "yes"
    if labels.is_known(name):
        dataset = load(tmp_path, {"labels": "binary"})
    else:
        with pytest.raises(MeaningError, match=r"1 class that is not known"):
            load(tmp_path, {"labels": "binary"})
        dataset = load(tmp_path, {"labels": "binary"}, meanings=Meanings({name: meaning}))
    (told,) = (sample.label for sample in dataset.samples if Path(sample.source).parent.name == name)
    assert labels.is_positive(str(told)) is not healthy


@pytest.mark.parametrize("name", [name for name in HEALTHY if not labels.is_known(name)])
def test_no_proposal_takes_healthy_for_a_tumour(name: str) -> None:
    assert nearest_class(name) in ("no_tumour", "", None)


@pytest.mark.parametrize("name", [name for name in TUMOUR if not labels.is_known(name)])
def test_no_proposal_takes_a_tumour_for_healthy(name: str) -> None:
    assert nearest_class(name) in (*CLASSES - {"no_tumour"}, "", None)


def test_most_spellings_have_a_proposal() -> None:
    unknown = [name for name in (*HEALTHY, *TUMOUR) if not labels.is_known(name)]
    assert len(unknown) > 80
    assert sum(bool(nearest_class(name)) for name in unknown) > 0.9 * len(unknown)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("pred", LEAVE_OUT),
        ("Br35H-Mask-RCNN", LEAVE_OUT),
        ("not_healthy", "tumour"),
        ("normal_tumor", ""),
        ("no_glioma", ""),
        ("abscess", ""),
        ("gliomma", "glioma"),
        ("healty", "no_tumour"),
        ("tumor_2", "tumour"),
        ("no_label", LEAVE_OUT),
        ("unclassified", LEAVE_OUT),
        ("New Folder", ""),
        ("lymphoma", ""),
    ],
)
def test_words_have_the_meaning_that_is_nearest_or_none(name: str, meaning: str) -> None:
    assert nearest_class(name) == meaning


@pytest.mark.parametrize(
    "name",
    [
        *("doe-john", "Norman", "Gloria", "Müller_normal", "Wu", "Sana", "JD"),
        *("Casey", "Headley", "Leila", "Irma", "Andy", "Thea", "Lowe", "Noor", "Massey", "Normand", "Frei", "De_Massa"),
        *("case12", "patient 7", "P001", "19450203", "normal_00123"),
    ],
)
def test_what_may_be_a_person_is_no_word(name: str) -> None:
    assert nearest_class(name) is None
