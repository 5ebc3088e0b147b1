"""Which weighting the words, the times and the elements of an MR image say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from medtl.dicom.reader import read_header
from medtl.dicom.weighting import Times, weighting_of_name, weighting_of_times, weightings_of_words
from tests.medtl.conftest import MakeMr

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
T1_TIMES = {"ScanningSequence": "SE", "RepetitionTime": "500", "EchoTime": "12"}


def _weighting(make_mr: MakeMr, to_bytes: Any, **tags: Any) -> str:
    return read_header(to_bytes(make_mr(PIXELS, **tags))).acquisition.weighting


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("synthetic t1 post contrast", {"T1"}),
        ("t1post", {"T1"}),
        ("anat t1w acq tfl", {"T1"}),
        ("adni sag3d mprage", {"T1"}),
        ("t1 flair", {"T1"}),
        ("ax t2 flair", {"FLAIR"}),
        ("t2 tirm tra dark fluid", {"FLAIR"}),
        ("t2 tse tra", {"T2"}),
        ("t2* gre", {"T2*"}),
        ("stir gr 512", {"other"}),
        ("pd/t2 dual", {"T2", "proton density"}),
        ("sag desc 36sl", set()),
    ],
)
def test_words_name_a_weighting(words: str, found: set[str]) -> None:
    assert weightings_of_words(words) == found


@pytest.mark.parametrize(
    ("times", "found"),
    [
        (Times(True, False, 12.0, 450.0, None, 90.0), "T1"),
        (Times(True, False, 100.0, 4000.0, 0.0, 90.0), "T2"),
        (Times(True, False, 15.0, 3000.0, None, 90.0), "proton density"),
        (Times(True, False, 50.0, 1500.0, None, 90.0), ""),
        (Times(False, True, 3.0, 9.0, None, 16.0), "T1"),
        (Times(False, True, 3.0, 9.0, None, 2.0), ""),
        (Times(False, True, 20.0, 500.0, None, 20.0), "T2*"),
        (Times(True, False, 120.0, 9000.0, 2500.0, 90.0), "FLAIR"),
        (Times(False, True, 3.0, 2000.0, 900.0, 9.0), "T1"),
        (Times(True, False, 64.0, 4400.0, 140.0, 90.0), ""),
        (Times(True, False, None, 450.0, None, None), ""),
        (Times(False, False, 2.0, 4.0, None, 60.0), ""),
    ],
)
def test_times_name_a_weighting_within_the_limits(times: Times, found: str) -> None:
    assert weighting_of_times(times) == found


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (T1_TIMES, "T1"),
        (T1_TIMES | {"ContrastBolusAgent": "Gadovist"}, "T1 with contrast agent"),
        (T1_TIMES | {"SeriesDescription": "T1 SE post Gd"}, "T1 with contrast agent"),
        (T1_TIMES | {"ContrastBolusAgent": "NONE"}, "T1"),
        (T1_TIMES | {"ContrastBolusAgent": "Gadovist", "SeriesDescription": "T1 nativ"}, ""),
        (T1_TIMES | {"ContrastBolusAgent": "no", "ProtocolName": "T1 +C"}, ""),
        (T1_TIMES | {"SeriesDescription": "T2 TSE"}, ""),
        (T1_TIMES | {"SeriesDescription": "STIR"}, ""),
        ({"SeriesDescription": "t1_se_tra_KM"}, "T1 with contrast agent"),
        ({"ScanningSequence": ["GR", "IR"], "RepetitionTime": "2000", "EchoTime": "3"}, ""),
        ({}, ""),
    ],
)
def test_sources_that_agree_are_believed_and_others_are_not(
    make_mr: MakeMr, to_bytes: Any, tags: dict[str, Any], found: str
) -> None:
    assert _weighting(make_mr, to_bytes, **tags) == found


@pytest.mark.parametrize(("term", "found"), [("FLUID_ATTENUATED", "FLAIR"), ("UNKNOWN", "T2"), ("T1", "")])
def test_frames_of_an_enhanced_object_are_read_by_their_groups(
    make_mr: MakeMr, to_bytes: Any, term: str, found: str
) -> None:
    shared, kind, echo, timing = Dataset(), Dataset(), Dataset(), Dataset()
    kind.AcquisitionContrast, echo.EffectiveEchoTime = term, 100.0
    timing.RepetitionTime, timing.FlipAngle = 5000.0, 90.0
    shared.MRImageFrameTypeSequence = [kind]
    if term != "FLUID_ATTENUATED":
        shared.MREchoSequence, shared.MRTimingAndRelatedParametersSequence = [echo], [timing]
    tags = {"SOPClassUID": ENHANCED_MR, "NumberOfFrames": 1, "EchoPulseSequence": "SPIN"}
    assert _weighting(make_mr, to_bytes, SharedFunctionalGroupsSequence=[shared], **tags) == found


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("flair", "FLAIR"),
        ("t1", "T1"),
        ("T1_post", "T1 with contrast agent"),
        ("t1ce", "T1 with contrast agent"),
        ("t1 pre", "T1"),
        ("T2", "T2"),
        ("t2_flair", "FLAIR"),
        ("yes", ""),
        ("", ""),
        ("t1 t2", ""),
    ],
)
def test_a_word_of_a_table_names_a_weighting(word: str, said: str) -> None:
    assert weighting_of_name(word) == said
