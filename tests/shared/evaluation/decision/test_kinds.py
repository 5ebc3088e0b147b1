"""Which series get a decision: those of a kind of which a negative one was judged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from shared.evaluation.decision.kinds import judged_kinds, kinds_text, why_undecided
from shared.evaluation.decision.length import Length
from shared.samples import NOT_STATED, Position, Sample

KINDS = ("contrast", "plane")
AXIAL = {"contrast": "T1", "plane": "axial", "field strength": "3 T"}
FLAIR = {"contrast": "FLAIR", "plane": "axial"}


def _series(name: str, count: int, acquired: Mapping[str, str], *positive: int) -> list[tuple[Sample, bool]]:
    return [
        (Sample(f"{name}{i}", "", series=name, acquisition=acquired, position=Position(5.0 * i)), i in positive)
        for i in range(count)
    ]


def _judged(*slices: tuple[Sample, bool]) -> list[dict]:
    return judged_kinds([one for one, _ in slices], np.array([truth for _, truth in slices], dtype=bool), KINDS)


def test_negative_series_and_remainders_are_counted_by_kind() -> None:
    found = _judged(
        *_series("a", 10, AXIAL), *_series("b", 24, AXIAL), *_series("c", 12, FLAIR, 0, 1), *_series("d", 9, FLAIR, 4)
    )
    flair, t1 = found
    assert flair["kind"] == {"contrast": "FLAIR", "plane": "axial"}
    assert (flair["series"], flair["remainders"], flair["lengths"]) == (0, 2, [6, 9])
    # the remainder of d has a hole of 20 mm around its finding, of which 10 count
    assert flair["extents_mm"] == [35.0, 45.0]
    assert t1["kind"] == {"contrast": "T1", "plane": "axial"}
    assert (t1["series"], t1["remainders"]) == (2, 0)
    assert (t1["lengths"], t1["extents_mm"]) == ([10, 24], [50.0, 120.0])


def test_pictures_and_single_slices_are_no_series() -> None:
    pictures = [(Sample(f"p{i}", "", group="someone"), False) for i in range(10)]
    assert not _judged(*pictures, *_series("a", 1, AXIAL))
    same_place = [(Sample(f"s{i}", "", series="s", position=Position(0.0)), False) for i in range(10)]
    assert not _judged(*same_place)


def test_a_series_whose_slices_differ_has_no_stated_kind() -> None:
    (found,) = _judged(*_series("a", 3, AXIAL), *_series("a", 3, FLAIR))
    assert found["kind"] == {"contrast": NOT_STATED, "plane": "axial"}


JUDGED = [{"kind": {"contrast": "T1", "plane": "axial"}, "series": 2, "remainders": 1, "lengths": [10, 24]}]


def _why(acquired: Mapping[str, str], length: int | Length, judged: list[dict] = JUDGED, *contrasts: str) -> str | None:
    measured = length if isinstance(length, Length) else Length(length)
    trained = {"contrast": contrasts, "plane": ("axial",)}
    return why_undecided(judged, acquired, measured, trained=trained, name="tumour-free")


@pytest.mark.parametrize(("count", "decided"), [(4, False), (5, True), (24, True), (48, True), (49, False)])
def test_a_series_of_a_judged_kind_is_decided_up_to_twice_and_down_to_half_the_length(
    count: int, decided: bool
) -> None:
    assert (_why(AXIAL, count) is None) == decided


def test_the_reason_names_kind_and_length() -> None:
    sagittal = {"contrast": "T1 with contrast agent", "plane": "sagittal"}
    assert _why(sagittal, 176) == (
        "no tumour-free series of this kind was in validation (T1 with contrast agent, sagittal, 176 slices)"
    )
    assert _why(AXIAL, 99) == (
        "no tumour-free series of this kind and length was in validation "
        "(T1, axial, 99 slices; there they had 10 to 24 slices)"
    )
    assert _why(AXIAL, 12, []) == "no tumour-free series of several slices was in validation (T1, axial, 12 slices)"


def _of(contrast: str, *lengths: int) -> dict:
    return {"kind": {"contrast": contrast, "plane": "axial"}, "series": 1, "remainders": 0, "lengths": list(lengths)}


def test_what_is_not_stated_may_be_anything_that_training_had() -> None:
    unstated = {"plane": "axial"}
    judged = [_of("T1", 10, 24), _of("T2", 10, 12), _of(NOT_STATED, 10, 60)]
    assert _why(unstated, 20, judged, "T1", "T2") is None
    assert _why(unstated, 20, judged, "T1") is None
    assert _why(unstated, 30, judged, "FLAIR", "T1", "T2") == (
        "contrast is not stated, and no tumour-free series of this kind and length was in validation of: FLAIR, T2 "
        "(contrast not stated, axial, 30 slices)"
    )
    assert _why({"contrast": NOT_STATED, "plane": "coronal"}, 12, judged, "T1") is not None
    assert _why({"contrast": "FLAIR", "plane": "axial"}, 12, judged, "T1") is not None


def test_several_properties_that_are_not_stated_may_be_any_of_each() -> None:
    judged = [_of("T1", 10, 24)]
    assert _why({}, 12, judged, "T1") is None
    assert _why({}, 12, judged, "T1", "T2") == (
        "contrast and plane are not stated, and no tumour-free series of this kind and length was in validation of: "
        "T2 axial (contrast not stated, plane not stated, 12 slices)"
    )


def test_what_neither_series_nor_training_states_leaves_no_decision() -> None:
    assert _why({"plane": "axial"}, 12, [_of(NOT_STATED, 10, 24)]) == (
        "contrast is not stated, and the training images do not state their contrast either "
        "(contrast not stated, axial, 12 slices)"
    )


def test_the_extent_decides_where_both_sides_have_one() -> None:
    judged = [{**JUDGED[0], "lengths": [20, 24], "extents_mm": [120.0, 144.0]}]
    assert _why(AXIAL, Length(87, 174.0), judged) is None
    assert _why(AXIAL, 87, judged) == (
        "no tumour-free series of this kind and length was in validation "
        "(T1, axial, 87 slices; there they had 20 to 24 slices)"
    )
    assert _why(AXIAL, Length(24, 48.0), judged) == (
        "no tumour-free series of this kind and length was in validation "
        "(T1, axial, 24 slices, 48 mm; there they had 120 to 144 mm)"
    )


def test_the_kinds_are_said_in_words() -> None:
    assert kinds_text({"name": "tumour-free", "judged": JUDGED}) == (
        "T1, axial: 2 tumour-free series and 1 tumour-free remainders of series, of 10 to 24 slices"
    )
    known = [{**JUDGED[0], "extents_mm": [60.0, 144.0]}]
    assert kinds_text({"name": "tumour-free", "judged": known}).endswith("of 10 to 24 slices (60 to 144 mm)")
    assert "get no decision" in kinds_text({"name": "tumour-free", "judged": []})
