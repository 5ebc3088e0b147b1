"""Which series get a decision: those of a kind of which a negative one was judged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from shared.evaluation.decision.kinds import judged_kinds, kinds_text, why_undecided
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
    assert found == [
        {"kind": {"contrast": "FLAIR", "plane": "axial"}, "series": 0, "remainders": 2, "lengths": [6, 9]},
        {"kind": {"contrast": "T1", "plane": "axial"}, "series": 2, "remainders": 0, "lengths": [10, 24]},
    ]


def test_pictures_and_single_slices_are_no_series() -> None:
    pictures = [(Sample(f"p{i}", "", group="someone"), False) for i in range(10)]
    assert not _judged(*pictures, *_series("a", 1, AXIAL))
    same_place = [(Sample(f"s{i}", "", series="s", position=Position(0.0)), False) for i in range(10)]
    assert not _judged(*same_place)


def test_a_series_whose_slices_differ_has_no_stated_kind() -> None:
    (found,) = _judged(*_series("a", 3, AXIAL), *_series("a", 3, FLAIR))
    assert found["kind"] == {"contrast": NOT_STATED, "plane": "axial"}


JUDGED = [{"kind": {"contrast": "T1", "plane": "axial"}, "series": 2, "remainders": 1, "lengths": [10, 24]}]


def _why(acquired: Mapping[str, str], count: int, judged: list[dict] = JUDGED) -> str | None:
    return why_undecided(judged, acquired, count, properties=KINDS, name="tumour-free")


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
        "(T1, axial, 99 slices; there they had 10 to 24)"
    )
    assert _why({"plane": "axial"}, 12) == (
        "no tumour-free series of this kind was in validation (contrast not stated, axial, 12 slices)"
    )
    assert _why(AXIAL, 12, []) == "no tumour-free series of several slices was in validation (T1, axial, 12 slices)"


def test_what_is_not_stated_is_like_what_was_not_stated_there() -> None:
    judged = [{**JUDGED[0], "kind": {"contrast": NOT_STATED, "plane": "axial"}}]
    assert _why({"plane": "axial"}, 12, judged) is None
    assert _why(AXIAL, 12, judged) is not None


def test_the_kinds_are_said_in_words() -> None:
    assert kinds_text({"name": "tumour-free", "judged": JUDGED}) == (
        "T1, axial: 2 tumour-free series and 1 tumour-free remainders of series, of 10 to 24 slices"
    )
    assert "get no decision" in kinds_text({"name": "tumour-free", "judged": []})
