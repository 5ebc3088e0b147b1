"""Answers in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handwriting.task import TASK as CHARACTERS
from medtl.task import TASK
from shared.prediction.answer import CAUTION, Answer, SliceAnswer
from shared.prediction.text import answer_text


def _slice(number: int, value: float) -> SliceAnswer:
    probabilities = {"no_tumour": 1 - value, "tumour": value}
    label = max(probabilities, key=probabilities.__getitem__)
    return SliceAnswer(number, label, probabilities, value, "positive" if value >= 0.25 else "negative", 0.05)


def test_a_series_is_told_by_decision_probability_and_slice() -> None:
    answer = Answer(
        "series",
        "run",
        "assessed",
        label="no_tumour",
        decision="positive",
        probabilities={"no_tumour": 0.7, "tumour": 0.3},
        positive_probability=0.3,
        threshold=0.25,
        certified_sensitivity=0.2236,
        ood_score=0.04,
        ood_threshold=0.1,
        slices=tuple(_slice(i, value) for i, value in enumerate((0.1, 0.3, 0.2, 0.1, 0.8), start=1)),
        notes=("a gap",),
    )
    lines = answer_text(answer, TASK).splitlines()
    assert lines[0] == "series: positive, likeliest class no_tumour (0.700)"
    assert lines[1].endswith("0.300, positive from 0.250; sensitivity certified at this threshold: 0.22")
    assert lines[2] == "  by slice: number, tumour probability (+ where positive), likeliest class"
    assert "2 0.30+ no_tumour" in lines[3]
    assert "3 0.20  no_tumour" in lines[3]
    assert lines[4].strip() == "5 0.80+ tumour"
    assert lines[5] == "  out-of-distribution score 0.040; up to 0.100 is assessed"
    assert lines[6] == "  note: a gap"
    ruled = answer_text(replace(answer, series_rule="mean of all slices"), TASK).splitlines()[1]
    assert "tumour probability 0.300 (mean of all slices), positive from 0.250" in ruled


@pytest.mark.parametrize(
    ("decision", "said"), [("accepted", "क ka (0.600)"), ("rejected", "rejected, likeliest class क ka (0.600)")]
)
def test_a_character_is_told_in_its_script_with_the_likeliest_classes(decision: str, said: str) -> None:
    shares = {"kha": 0.25, "ka": 0.6, "digit_0": 0.1, "strange": 0.04, "ga": 0.01, "gha": 0.0}
    answer = Answer(
        "a.png",
        "run",
        "assessed",
        label="ka",
        decision=decision,
        probabilities=shares,
        threshold=0.7,
        ood_score=0.2,
        ood_threshold=0.25,
    )
    assert answer_text(answer, CHARACTERS).splitlines() == [
        f"a.png: {said}",
        "  likeliest: क ka 0.600, ख kha 0.250, ० 0 0.100, strange 0.040, ग ga 0.010",
        "  out-of-distribution score 0.200; up to 0.250 is assessed",
    ]


@pytest.mark.parametrize(
    ("series", "said"),
    [
        (
            {
                "format": "DICOM",
                "series_number": 3,
                "plane": "axial",
                "slices": 12,
                "files": 12,
                "first_file": "s/1.dcm",
            },
            ["  read from: 12 slices of 12 files, the first s/1.dcm; series number 3"],
        ),
        (
            {"format": "NIfTI", "axis": 2, "slices": 30, "files": 1, "first_file": "series"},
            ["  read from: 30 slices of series; axis 2"],
        ),
        ({"slices": 1, "files": 1, "first_file": "a\n.dcm"}, ["  read from: 1 slice of a\\n.dcm"]),
        ({"format": "picture", "slices": 1, "files": 1, "first_file": "series"}, []),
        ({}, []),
    ],
)
def test_the_files_of_a_series_are_told_by_the_first_and_their_count(
    series: dict[str, str | int], said: list[str]
) -> None:
    answer = replace(_unlike(0.2), series=series)
    told = [line for line in answer_text(answer, TASK).splitlines() if line.startswith("  read from")]
    assert told == said


def test_a_refusal_is_told_with_its_notes() -> None:
    series: dict[str, str | int] = {"slices": 0, "files": 2, "first_file": "somebody/1.dcm"}
    answer = Answer("series", "run", "refused", "is a knee", notes=("7 files were passed over",), series=series)
    assert answer_text(answer, TASK) == "series: refused: is a knee\n  note: 7 files were passed over"


def _unlike(value: float) -> Answer:
    return Answer(
        "series",
        "run",
        "not assessed",
        "is unlike the images",
        caution=CAUTION,
        label="tumour",
        probabilities={"no_tumour": 1 - value, "tumour": value},
        positive_probability=value,
        threshold=0.25,
        ood_score=0.3,
        ood_threshold=0.1,
        slices=tuple(replace(_slice(i, one), decision=None, ood_score=0.3) for i, one in enumerate((value, 0.1), 1)),
        notes=("a gap",),
    )


def test_what_is_not_assessed_hides_no_suspicion() -> None:
    lines = answer_text(_unlike(0.913), TASK).splitlines()
    assert lines == [
        "series: not assessed, a human must look: is unlike the images",
        "  raw tumour probability 0.913 (suspicious: an assessed input is positive from 0.250), not to be relied on",
        "  raw guesses, not to be relied on: tumour 0.913, no_tumour 0.087",
        "  by slice: number, raw tumour probability, likeliest class, not to be relied on",
        "      1 0.91  tumour~       2 0.10  no_tumour~",
        "  note: a gap",
    ]


def test_a_low_raw_score_excludes_nothing() -> None:
    assert "0.200 (below 0.250, which here excludes no tumour), not to be relied on" in answer_text(_unlike(0.2), TASK)


def test_a_character_that_is_not_assessed_is_told_with_its_guesses() -> None:
    answer = replace(_unlike(0.9), positive_probability=None, probabilities={"ka": 0.9, "kha": 0.1}, slices=())
    assert answer_text(answer, CHARACTERS).splitlines()[:2] == [
        "series: not assessed, a human must look: is unlike the images",
        "  raw guesses, not to be relied on: क ka 0.900, ख kha 0.100",
    ]
