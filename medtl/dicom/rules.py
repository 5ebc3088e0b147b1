"""Which DICOM objects may be judged at all, from their headers alone.

A model that was trained on anatomical MR of the head answers for anything that it is shown, a knee as readily as a
brain. What the header rules out is therefore refused before a pixel is decoded; what it leaves open is not guessed.
"""

from __future__ import annotations

import re

from medtl.dicom.acquisition import Acquisition
from medtl.dicom.body_parts import HEAD, is_english_head, part_of
from medtl.dicom.colour import check_photometric
from medtl.dicom.header import DicomHeader, Examination
from medtl.dicom.values import uid_name
from shared.errors import InputRefused

MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
"""The SOP class of a DICOMDIR. Source: DICOM PS3.6, table A-1, as are the other UIDs here."""
MR_IMAGES = {
    "1.2.840.10008.5.1.4.1.1.4",  # MR Image Storage
    "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR Image Storage
    "1.2.840.10008.5.1.4.1.1.4.3",  # Enhanced MR Color Image Storage
    "1.2.840.10008.5.1.4.1.1.4.4",  # Legacy Converted Enhanced MR Image Storage
}
NOT_STATED = {"", "UNKNOWN", "OTHER", "NONE", "NA", "UNDEFINED"}
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
"""Words of Body Part Examined other than the head's, which may be shown. Source: DICOM PS3.16, annex L."""
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
    """Passes headers of anatomical MR images of the head, and refuses all others.

    Colours that are no grey show only in the pixels; `medtl.dicom.colour` refuses them when they are decoded.

    Args:
        header: The header of a DICOM object.

    Raises:
        InputRefused: The object is something else; the message says what.
    """
    _check_kind(header)
    _check_acquisition(header.acquisition)
    _check_body_part(header.examination)
    if header.layout.mosaic_fault:
        raise InputRefused(header.layout.mosaic_fault)


def warnings_of(header: DicomHeader) -> tuple[str, ...]:
    """Lists what an answer about an image must warn of although `check_suitable` passes the image.

    Args:
        header: The header of the image.

    Returns:
        One clause for each warning; empty where there is none.
    """
    notes = []
    examination = header.examination
    if not _states_body_part(examination):
        notes.append("the header does not state the body part: that it shows a head was not checked")
    elif part_of(examination.body_part, coded=True) is None:
        notes.append("the header states a body part that is not known: that it shows a head was not checked")
    elif not is_head_by_header(header):
        notes.append("the header does not state the body part in a term of DICOM: it was taken for the head")
    acquisition = header.acquisition
    if {"R", "REAL"} & set(acquisition.image_type[2:]) or acquisition.complex_component == "REAL":
        notes.append("is the real part of the signal: its background is not black, unlike in magnitude images")
    return tuple(notes)


def is_head_by_header(header: DicomHeader) -> bool:
    """Says whether Body Part Examined names the head as DICOM does; foreign and unknown words do not count.

    Args:
        header: The header of an image.
    """
    return _states_body_part(header.examination) and is_english_head(header.examination.body_part)


def _check_kind(header: DicomHeader) -> None:
    """Refuses objects that are no MR image, or hold no pixels."""
    if header.sop_class == MEDIA_DIRECTORY:
        raise InputRefused("is a DICOMDIR, an index without pixels; give it by its own path")
    if header.modality != "MR" and (header.modality or header.sop_class not in MR_IMAGES):
        stated = (
            f"has the modality {_coded(header.modality, MODALITIES, 'unknown')}"
            if header.modality
            else "states no modality"
        )
        raise InputRefused(f"{stated}; only MR images are judged")
    if header.sop_class and header.sop_class not in MR_IMAGES:
        name = uid_name(header.sop_class)
        kind = f"an object of the kind {name}" if name else "of an unknown kind"
        raise InputRefused(f"is {kind}, not an MR image")
    if not header.layout.rows:
        raise InputRefused("contains no image")
    check_photometric(header.layout)


def _check_acquisition(acquisition: Acquisition) -> None:
    """Refuses localizers, maps, projections, and what shows something else than anatomy."""
    values = {text.replace("_", " ") for text in acquisition.image_type[2:]}
    if acquisition.is_localizer:
        raise InputRefused("is a localizer, not a diagnostic series")
    for name, words in MAPS.items():
        if values & words:
            raise InputRefused(f"is a {name} image or map; only anatomical images are judged")
    component = acquisition.complex_component
    if component in ("PHASE", "IMAGINARY", "MIXED"):
        raise InputRefused(f"has the complex component {component}; only magnitude images are judged")
    if acquisition.is_diffusion:
        raise InputRefused("is a diffusion image or map; only anatomical images are judged")
    if acquisition.is_echo_planar:
        raise InputRefused(
            "is an echo-planar image, as diffusion, perfusion and functional series are; only anatomical images are "
            "judged"
        )
    if values & PROJECTIONS:
        raise InputRefused("is a projection, not a slice")


def _check_body_part(examination: Examination) -> None:
    """Refuses what is known to show another part than the head: by Body Part Examined, else by descriptions."""
    part = part_of(examination.body_part, coded=True) if _states_body_part(examination) else None
    if part not in (None, HEAD):
        raise InputRefused(f"shows {_coded(examination.body_part, BODY_PARTS, part)}; only the head is judged")
    described = None if part else part_of(examination.descriptions, coded=False)
    if described not in (None, HEAD):
        raise InputRefused(f"shows {described} according to its descriptions; only the head is judged")


def _states_body_part(examination: Examination) -> bool:
    return examination.body_part.strip().upper() not in NOT_STATED


def _coded(text: str, known: re.Pattern[str], otherwise: str) -> str:
    """A coded value as it may be shown: in known words only, for a person's name may stand in a wrong field."""
    words = text.upper().split()
    return " ".join(words) if words and all(map(known.fullmatch, words)) else otherwise
