"""How a DICOM MR image was acquired: kind of image, pulse sequence, and the contrast of each slice."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from medtl.dicom.values import float_of, functional_groups, integer_of, read_each, text_of, texts_of
from medtl.dicom.weighting import read_weighting

Number = TypeVar("Number", int, float)

LOCALIZER = re.compile(r"locali[sz]er|scout|survey|\bpilot", re.IGNORECASE)
"""How Image Type, series and protocols name the images by which an examination is planned."""


@dataclass(frozen=True)
class Contrast:
    """The properties by which images of one place in the patient differ; None where one is not stated.

    Attributes:
        echo_time_ms: Echo time in milliseconds.
        time_point: Number of the time point, as in a dynamic series.
        acquisition: Number of the acquisition.
    """

    echo_time_ms: float | None = None
    time_point: int | None = None
    acquisition: int | None = None


@dataclass(frozen=True)
class Acquisition:
    """The acquisition parameters of one MR image. Source: DICOM PS3.3, C.8.3.1 (MR Image), C.8.13 (Enhanced MR).

    Attributes:
        image_type: Values of Image Type, upper case.
        complex_component: MAGNITUDE, PHASE, REAL, IMAGINARY or MIXED in enhanced objects; empty where not stated.
        field_strength_t: Magnetic field in tesla, or None.
        weighting: Weighting, and whether contrast agent was given, as `medtl.dicom.weighting` reads them ("T1 with
            contrast agent"); empty where it is not stated.
        is_localizer: Whether Image Type, protocol or series is named as a localizer, scout, survey or pilot.
        is_echo_planar: Whether echo-planar imaging made it, as for diffusion, perfusion and function.
        is_diffusion: Whether any frame is weighted by diffusion (b-value above 0).
        contrasts: One for each slice: for each frame, or for each tile of a mosaic.
    """

    image_type: tuple[str, ...]
    complex_component: str
    field_strength_t: float | None
    weighting: str
    is_localizer: bool
    is_echo_planar: bool
    is_diffusion: bool
    contrasts: tuple[Contrast, ...]


def read_image_type(dataset: Any) -> tuple[str, ...]:
    """Reads the values of Image Type (0008,0008) in upper case.

    Args:
        dataset: A pydicom dataset.

    Returns:
        The values in order; empty where the element is missing.

    Raises:
        InputRefused: The element is damaged.
    """
    return tuple(text.upper() for text in texts_of(dataset, "ImageType"))


def read_acquisition(dataset: Any, frames: int, slices: int) -> Acquisition:
    """Reads how an MR image was acquired.

    Args:
        dataset: A pydicom dataset.
        frames: Number of frames of the object.
        slices: Number of slices that it is decoded to: as many as frames, or the tiles of a mosaic in its only frame.

    Returns:
        The acquisition; what the object does not state is empty, None or False.

    Raises:
        InputRefused: An element is damaged.
    """
    image_type = read_image_type(dataset)
    names = " ".join([*image_type, text_of(dataset, "SeriesDescription"), text_of(dataset, "ProtocolName")])
    groups = functional_groups(dataset, frames)("MRDiffusionSequence")
    b_values = read_each(groups, lambda group: float_of(group, "DiffusionBValue"))
    return Acquisition(
        image_type=image_type,
        complex_component=text_of(dataset, "ComplexImageComponent").upper(),
        field_strength_t=float_of(dataset, "MagneticFieldStrength"),
        weighting=read_weighting(dataset, frames),
        is_localizer=LOCALIZER.search(names) is not None,
        is_echo_planar="EP" in texts_of(dataset, "ScanningSequence")
        or text_of(dataset, "EchoPlanarPulseSequence").upper() == "YES",
        is_diffusion=any((value or 0) > 0 for value in b_values),
        contrasts=_contrasts(dataset, frames) * (slices // frames),
    )


def _contrasts(dataset: Any, frames: int) -> tuple[Contrast, ...]:
    """The contrast of each frame.

    Source: DICOM PS3.3, C.8.3.1 of single slices; C.8.13.5.4 and C.7.6.16.2.2 of frames.
    """
    groups = functional_groups(dataset, frames)
    echoes = read_each(groups("MREchoSequence"), lambda group: _first(float_of, group, "EffectiveEchoTime", "EchoTime"))
    content = groups("FrameContentSequence")
    points = read_each(
        content, lambda group: _first(integer_of, group, "TemporalPositionIndex", "TemporalPositionIdentifier")
    )
    acquisitions = read_each(
        content, lambda group: _first(integer_of, group, "FrameAcquisitionNumber", "AcquisitionNumber")
    )
    return tuple(Contrast(*values) for values in zip(echoes, points, acquisitions, strict=True))


def _first(read: Callable[[Any, str], Number | None], group: Any, *keywords: str) -> Number | None:
    """The first of several elements that is stated."""
    return next((value for value in (read(group, keyword) for keyword in keywords) if value is not None), None)
