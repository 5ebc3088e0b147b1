"""What a model knows of how its images were acquired, as texts that either agree or do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medtl.dicom.properties import field_text, properties
from medtl.dicom.reader import read_header
from medtl.dicom.view import View, view_of
from shared.samples import NOT_STATED
from tests.medtl.conftest import MakeMr

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


@pytest.mark.parametrize(
    ("tesla", "text"),
    [(1.5, "1.5 T"), (1.494, "1.5 T"), (2.89362, "3 T"), (3.0, "3 T"), (0.06, "0.06 T"), (2000.0, ""), (None, "")],
)
def test_a_field_strength_is_nominal_so_that_neighbours_differ(tesla: float | None, text: str) -> None:
    assert field_text(tesla) == text


@pytest.mark.parametrize(
    ("part", "found"),
    [("HEAD", "head"), ("Brain", "head"), ("", NOT_STATED), ("Schädel", NOT_STATED), ("Qwrtz", NOT_STATED)],
)
def test_a_body_part_counts_only_in_terms_of_dicom(make_mr: MakeMr, to_bytes: Any, part: str, found: str) -> None:
    header = read_header(to_bytes(make_mr(PIXELS, BodyPartExamined=part, SpecificCharacterSet="ISO_IR 192")))
    assert properties(view_of(header.geometry.planes), [header])["body part"] == found


def test_headers_that_differ_state_nothing(make_mr: MakeMr, to_bytes: Any) -> None:
    headers = [read_header(to_bytes(make_mr(PIXELS, MagneticFieldStrength=one))) for one in ("1.5", "3")]
    assert properties(View(), headers[:1])["field strength"] == "1.5 T"
    assert properties(View(), headers)["field strength"] == NOT_STATED


def test_a_volume_without_headers_states_no_more_than_how_it_lies() -> None:
    assert set(properties(View()).values()) == {NOT_STATED}
