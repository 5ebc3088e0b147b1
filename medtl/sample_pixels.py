"""The pixels of one sample, its mask, and the size of a pixel, in the view in which slices are judged."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medtl.dicom.properties import PIXEL_SPACING
from medtl.dicom.reader import read_dicom
from medtl.dicom.view import View, view_of
from medtl.measured import GROUND, measured
from medtl.nifti import Pixels, is_volume, read_volume
from medtl.transforms import crop_box, preprocess_mask
from shared.errors import DataError, InputRefused
from shared.io.archives import naming, read_source
from shared.io.pictures import is_picture, read_picture
from shared.samples import Sample
from shared.task import Preprocessing

_DECODING = threading.Lock()
"""One volume at a time: two threads would decode the same one twice, and warnings are silenced for all threads."""


def read(sample: Sample) -> Pixels:
    """Reads the raw pixels of one sample as prediction does, in the view in which they are judged.

    Returns:
        float32 [rows, columns], or [rows, columns, 3] of a colour picture; finite.

    Raises:
        DataError: The file is damaged, in false colours, or has values within the head that are no numbers; the message
            names it.
    """
    pixels, view = _measured(sample)
    return pixels if view is None else view.apply(pixels)


def read_stored(sample: Sample) -> Pixels:
    """Reads the raw pixels of one sample as they lie in the file, in which prediction looks for a head.

    Returns:
        float32 [rows, columns], or [rows, columns, 3] of a colour picture; finite.

    Raises:
        DataError: As `read` raises it.
    """
    return _measured(sample)[0]


def read_mask(sample: Sample, spec: Preprocessing) -> NDArray[np.bool_] | None:
    """Reads a sample's mask, turned, cut and resized as its image.

    A mask that is a picture, or does not say how it lies in space, lies on the stored pixels of its image.

    Args:
        sample: The sample.
        spec: Preprocessing of its image.

    Returns:
        bool [size, size], true in the finding; None where the sample has no mask.

    Raises:
        DataError: Mask or image is damaged, or they differ in shape; the message names the file.
    """
    if sample.mask is None:
        return None
    # JPEG leaves a grey fringe around what was black and white; other files mean every value but 0.
    level = 127.5 if sample.mask.lower().endswith((".jpg", ".jpeg")) else 0.0
    image = read(sample)
    with naming(sample.mask):
        pixels, view = _mask_pixels(sample)
        drawn = ((pixels.max(axis=2) if pixels.ndim == 3 else pixels) > level).astype(np.float32)
        return preprocess_mask((drawn if view is None else view.apply(drawn)) >= 0.5, image, spec)


def pixel_mm(sample: Sample, spec: Preprocessing) -> float | None:
    """Computes the side of one pixel of a sample's preprocessed image.

    Args:
        sample: The sample; its pixels are read where its spacing is stated, as the head that is cut out decides.
        spec: Preprocessing of its image.

    Returns:
        The side in mm; None where the header does not state the spacing of the pixels.

    Raises:
        DataError: The image is damaged; the message names the file.
    """
    spacing_mm = sample.acquisition.get(PIXEL_SPACING)
    if not isinstance(spacing_mm, (int, float)):
        return None
    return spacing_mm * crop_box(read(sample), spec).side / spec.size


def _measured(sample: Sample) -> tuple[Pixels, View | None]:
    """The stored pixels of a sample, their background filled; and its view, None for a picture."""
    with naming(sample.source):
        stored, view = _stored(sample.source, sample.frame)
        try:
            (pixels,), _ = measured([stored])
        except InputRefused as refusal:
            raise DataError(str(refusal)) from None
        return pixels, view


def _mask_pixels(sample: Sample) -> tuple[Pixels, View | None]:
    """The stored pixels of a mask, and the view that brings them onto the image of the sample."""
    pixels, own = _stored(str(sample.mask), sample.frame)
    if own is not None and own.plane is not None:
        return pixels, own
    if is_picture(sample.source):
        return pixels, None
    with _DECODING:
        return pixels, _slices(sample.source)[1]


def _stored(source: str, frame: int) -> tuple[Pixels, View | None]:
    """A picture, or one slice of a DICOM file or volume, as it is stored; and its view, None for a picture."""
    if is_picture(source):
        return read_picture(read_source(source), ground=GROUND), None
    with _DECODING:
        slices, view = _slices(source)
    if frame >= len(slices):
        raise DataError(f"slice {frame} does not exist; the file has {len(slices)}")
    return slices[frame], view


@lru_cache(maxsize=2)
def _slices(source: str) -> tuple[Sequence[Pixels], View]:
    """Decodes all slices of a file, in the order of their view.

    The last files are kept, so that a volume is decoded once, not once a slice.
    """
    data = read_source(source)
    if is_volume(source):
        slices, placement = read_volume(data)
        return list(slices), placement.view
    try:
        # A series may have slices outside the head, without any contrast.
        image = read_dicom(data, allow_blank=True)
        planes = image.header.geometry.planes
        view = view_of(planes)
        return [image.frames[index] for index in view.order([one.position_mm for one in planes])], view
    except InputRefused as refusal:
        raise DataError(str(refusal)) from None
