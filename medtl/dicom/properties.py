"""The properties by which a model knows the images it was trained and validated on, from header and view."""

from __future__ import annotations

from collections.abc import Sequence

from medtl.dicom.header import DicomHeader
from medtl.dicom.rules import is_head_by_header
from medtl.dicom.view import View
from shared.samples import NOT_STATED

PIXEL_SPACING = "pixel spacing in mm"
"""Name of the side of a pixel, in the view in which slices are judged, among the properties."""
FIELDS_T = (0.2, 0.3, 0.35, 0.5, 0.55, 1.0, 1.5, 3.0, 7.0)
"""Field strengths of clinical scanners, in tesla."""
NEARLY = 0.05
"""Share by which the stated field strength differs from the nominal one at most: headers say 1.494 and 2.894."""
MAX_FIELD_T = 20.0
"""Stated field strengths above are no tesla: some consoles wrote gauss, others a number of their own."""


def properties(view: View, headers: Sequence[DicomHeader] = ()) -> dict[str, str | float]:
    """Lists how slices were acquired, as `shared.samples.Sample.acquisition` holds it.

    Args:
        view: The view of the slices.
        headers: The headers of their DICOM objects; none of a volume that has no such header.

    Returns:
        Plane, pixel spacing, field strength, contrast and body part by their names; each `NOT_STATED` where no header
        states it, or where the headers differ.
    """
    plane, spacing = view.plane, view.pixel_mm
    return {
        "plane": NOT_STATED if plane is None else plane.name,
        PIXEL_SPACING: NOT_STATED if spacing is None else spacing,
        "field strength": _common([field_text(one.acquisition.field_strength_t) for one in headers]),
        "contrast": _common([one.acquisition.weighting for one in headers]),
        "body part": _common(["head" if is_head_by_header(one) else "" for one in headers]),
    }


def field_text(tesla: float | None) -> str:
    """Names a field strength as people do: "1.5 T" for 1.494.

    Args:
        tesla: Magnetic Field Strength; None where it is not stated.

    Returns:
        The nominal field strength; empty where none is stated in tesla.
    """
    if tesla is None or not 0.0 < tesla <= MAX_FIELD_T:
        return ""
    near = [one for one in FIELDS_T if abs(tesla - one) <= NEARLY * one]
    return f"{near[0] if near else tesla:.2g} T"


def _common(texts: Sequence[str]) -> str:
    """The text that all agree on; `NOT_STATED` where one is empty, or two differ."""
    distinct = set(texts)
    return distinct.pop() if len(distinct) == 1 and "" not in distinct else NOT_STATED
