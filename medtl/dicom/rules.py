"""Which DICOM objects may be judged at all, from their headers alone.

A model trained on anatomical MR of the head answers anything it is shown, a knee as readily as a brain. What the header
rules out is therefore refused before a pixel is decoded; what the header leaves open is not guessed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from medtl.dicom.colour import check_photometric
from shared.errors import InputRefused

if TYPE_CHECKING:
    from medtl.dicom.header import DicomHeader
from medtl.dicom.values import uid_name

MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
"""The SOP class of a DICOMDIR. Source: DICOM PS3.6, table A-1, as are the other UIDs here."""
MR_IMAGES = {
    "1.2.840.10008.5.1.4.1.1.4",  # MR Image Storage
    "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR Image Storage
    "1.2.840.10008.5.1.4.1.1.4.3",  # Enhanced MR Color Image Storage
    "1.2.840.10008.5.1.4.1.1.4.4",  # Legacy Converted Enhanced MR Image Storage
}
HEAD = re.compile(
    r"head|brain|skull|orbit|\biac\b|cranium|cerebr|cereb|neuro|pituitar|hypophys|sella|kopf|schaedel|gehirn|hirn|t[eê]te|cerveau|"
    r"cabeza|cerebro|cr[aâ]n|enc[eé]phal|testa|encefalo",
    re.IGNORECASE,
)
"""Body Part Examined as DICOM PS3.16 annex L spells it, and as consoles in other languages write it."""
NOT_STATED = {"", "UNKNOWN", "OTHER", "NONE", "NA", "UNDEFINED"}
OTHER_PARTS = {
    "a leg or an arm": r"\bknees?\b|\bknie|genou|rodilla|ginocchio|\bankle|\bfoot\b|\bfeet\b|\bhip\b|\bh[uü]fte|femur|"
    r"thigh|extremit|shoulder|schulter|[eé]paule|hombro|spalla|elbow|\bwrist|\bhand\b|handgelenk|muñeca|poignet|polso",
    "the spine": r"spine|spinal|wirbels|lumbar|lumbal|rachis|columna|colonna",
    "the trunk": r"abdom|\bliver|\bleber|\bfoie\b|h[ií]gado|fegato|mrcp|kidney|renal|pancrea|pelvis|pelvic|becken|"
    r"prostat|breast|mamma|thorax|\bchest|cardiac|\bheart\b|\bherz|coraz[oó]n",
}
"""What free texts call parts other than the head, in the languages of `HEAD`. Words that also mean something else
("sein", "neck", "cervical" of a vessel study) are left out: what is not refused is judged with a note."""
MODALITIES = re.compile(
    r"AR|ASMT|AU|BDUS|BI|BMD|CFM|CR|CT|DG|DMS|DOC|DX|ECG|EEG|EMG|EOG|EPS|ES|FID|GM|HC|HD|"
    r"IO|IOL|IVOCT|IVUS|KER|KO|LEN|LS|M3D|MG|MR|NM|OAM|OCT|OP|OPM|OPT|OPTBSV|OPTENF|OPV|"
    r"OSS|OT|PLAN|POS|PR|PT|PX|REG|RESP|RF|RG|RTDOSE|RTIMAGE|RTPLAN|RTRECORD|RTSTRUCT|RWV|SEG|"
    r"SM|SMR|SR|SRF|STAIN|TEXTUREMAP|TG|US|VA|XA|XC|XRF"
)
"""Defined terms of Modality. Source: DICOM PS3.3, C.7.3.1.1.1."""
BODY_PARTS = re.compile(
    r"ABDOMEN|ABDOMENPELVIS|ANKLE|AORTA|ARM|BACK|BLADDER|BODY|BONE|BREAST|CALF|CAROTID|CERVICAL|"
    r"CHEST|CHESTABDOMEN|CLAVICLE|COCCYX|COLON|CSPINE|CTSPINE|EAR|ELBOW|ESOPHAGUS|EXTREMITY|EYE|"
    r"FACE|FEMUR|FINGER|FOOT|FOREARM|HAND|HEART|HIP|HUMERUS|JAW|KIDNEY|KNEE|LEFT|LEG|LIVER|"
    r"LOWER|LSPINE|LUMBAR|LUNG|MANDIBLE|NECK|PANCREAS|PELVIS|PHANTOM|PROSTATE|RIB|RIGHT|SACRUM|"
    r"SCAPULA|SHOULDER|SPINE|SPLEEN|STERNUM|STOMACH|TESTIS|THIGH|THORAX|THUMB|THYROID|TIBIA|"
    r"TLSPINE|TOE|TRUNK|TSPINE|UPPER|UTERUS|WHOLEBODY|WRIST"
)
"""Words of Body Part Examined other than the head's. Source: DICOM PS3.16, annex L."""
MAPS = {
    "diffusion": {"DIFFUSION", "ADC", "EADC", "FA", "TRACEW", "TENSOR", "COLFA", "DIFFUSION ANISO", "DIFFUSION ATTNTD"},
    "phase": {"P", "PHASE", "PHASE MAP", "PHASE DIFFERENCE", "VELOCITY", "VELOCITY MAP", "I", "IMAGINARY", "FIELD MAP"},
    "perfusion": {"PERFUSION", "RCBV", "RCBF", "RELCBV", "RELCBF", "CBV", "CBF", "MTT", "TTP", "RELMTT"},
    "relaxation": {"T1 MAP", "T2 MAP", "T2 STAR MAP", "R1 MAP", "R2 MAP", "R2 STAR MAP"},
    "functional": {"FMRI", "METABOLITE MAP", "TEMPERATURE"},
}
"""Values of Image Type from the third on. Source: DICOM PS3.3, C.8.13.3.1, and what Siemens and Philips write there."""
PROJECTIONS = {"PROJECTION IMAGE", "MIP", "MNIP", "MINIP", "VOLUME RENDER"}


def check_suitable(header: DicomHeader) -> None:
    """Passes headers of anatomical MR images of the head; whether colours are grey only the pixels tell.

    Raises:
        InputRefused: It is something else; the message says what.
    """
    _check_kind(header)
    values = {text.replace("_", " ") for text in header.image_type[2:]}
    if header.is_localizer:
        raise InputRefused("is a localizer, not a diagnostic series")
    for name, words in MAPS.items():
        if values & words:
            raise InputRefused(f"is a {name} image or map; only anatomical images are judged")
    if header.complex_component in ("PHASE", "IMAGINARY", "MIXED"):
        raise InputRefused(f"has the complex component {header.complex_component}; only magnitude images are judged")
    if header.is_diffusion:
        raise InputRefused("is a diffusion image or map; only anatomical images are judged")
    if header.is_echo_planar:
        raise InputRefused(
            "is an echo-planar image, as diffusion, perfusion and functional series are; only anatomical images are "
            "judged"
        )
    if values & PROJECTIONS:
        raise InputRefused("is a projection, not a slice")
    if not _silent(header) and not HEAD.search(header.body_part):
        raise InputRefused(f"shows {_word(header.body_part, BODY_PARTS, 'another body part')}; only the head is judged")
    if part := _described_part(header):
        raise InputRefused(f"shows {part} by its descriptions; only the head is judged")
    if header.mosaic_fault:
        raise InputRefused(header.mosaic_fault)


def warnings_of(header: DicomHeader) -> tuple[str, ...]:
    """What the person should know of an image that `check_suitable` passes."""
    notes = []
    if _silent(header):
        notes.append("the header does not state the body part: that it shows a head was not checked")
    if {"R", "REAL"} & set(header.image_type[2:]) or header.complex_component == "REAL":
        notes.append("is the real part of the signal: its background is not black, unlike in magnitude images")
    return tuple(notes)


def _check_kind(header: DicomHeader) -> None:
    if header.sop_class == MEDIA_DIRECTORY:
        raise InputRefused("is a DICOMDIR, an index without pixels; give it by its own path")
    if header.modality != "MR" and (header.modality or header.sop_class not in MR_IMAGES):
        stated = (
            f"has the modality {_word(header.modality, MODALITIES, 'unknown')}"
            if header.modality
            else "states no modality"
        )
        raise InputRefused(f"{stated}; only MR images are judged")
    if header.sop_class and header.sop_class not in MR_IMAGES:
        name = uid_name(header.sop_class)
        kind = f"an object of the kind {name}" if name else "of an unknown kind"
        raise InputRefused(f"is {kind}, not an MR image")
    if not header.rows:
        raise InputRefused("contains no image")
    check_photometric(header)


def _described_part(header: DicomHeader) -> str:
    """What free texts name instead of the head, where no coded value says it; empty where they name the head too."""
    if not _silent(header) or HEAD.search(header.described):
        return ""
    return next((part for part, words in OTHER_PARTS.items() if re.search(words, header.described, re.IGNORECASE)), "")


def _silent(header: DicomHeader) -> bool:
    """Whether the body part is not stated."""
    return header.body_part.strip().upper() in NOT_STATED


def _word(text: str, known: re.Pattern[str], otherwise: str) -> str:
    """A coded value as it may be shown: in known words only, so that nobody's name slips through a wrong field."""
    words = text.upper().split()
    return " ".join(words) if words and all(map(known.fullmatch, words)) else otherwise
