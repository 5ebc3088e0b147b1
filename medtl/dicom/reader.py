"""Reading one DICOM object without trusting it.

The files are untrusted: every fault, whatever pydicom or a codec makes of it, leaves as `InputRefused` with one
line that names nobody. Only MR images of the head are decoded, to grey; all else is recognised and refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from medtl.dicom.bounds import Metered, check_size, inflated
from medtl.dicom.header import DicomHeader, parse_header, sop_class_of
from medtl.dicom.pixels import check_there, decode
from medtl.dicom.rules import MEDIA_DIRECTORY, check_suitable
from medtl.dicom.values import text_of, texts_of
from shared.errors import InputRefused
from shared.io.foreign import contained
from shared.io.quiet import suppressed_native_stderr

LOGGERS_THAT_QUOTE_VALUES = ("pydicom", "nibabel.global")
"""Loggers that quote damaged values, which may be a name or a date of birth."""
NOT_RECOGNISED = "is neither DICOM nor a picture or volume that is known"
FIRST_GROUPS = (b"\x02\0", b"\x08\0", b"\0\x08")
"""Groups that a file without preamble begins with, the last in big endian: from any other bytes pydicom would try to
make elements for minutes. Source: DICOM PS3.10, 7.1, and PS3.6: the tags of group 0008 are the lowest of an image."""


@dataclass(frozen=True)
class DicomImage:
    """A decoded DICOM object.

    Attributes:
        header: The header of the object.
        frames: float32 [slices, rows, columns] after rescale slope and intercept; bright is a high value also where
            the file is MONOCHROME1. A mosaic is cut into its slices; grey that is stored as colour is grey again.
    """

    header: DicomHeader
    frames: NDArray[np.float32]


def read_header(data: bytes) -> DicomHeader:
    """Reads the header of a DICOM object of any kind, and decodes no pixel.

    Args:
        data: The bytes of one file.

    Returns:
        The header; what the file does not state is empty or None in it.

    Raises:
        InputRefused: The file is not DICOM, or is damaged.
    """
    with untrusted_decoding():
        return parse_header(_parse(data, stop_before_pixels=True))


def read_dicom(data: bytes, *, header: DicomHeader | None = None, allow_blank: bool = False) -> DicomImage:
    """Decodes an MR image of the head: a single slice, several frames, or a mosaic.

    Args:
        data: The bytes of one file.
        header: What `read_header` returned for `data`, where it was called before: half of the time goes into it.
        allow_blank: Whether an image without any contrast is accepted: the outer slices of a series may have none.

    Returns:
        The header, and the slices in grey, float32 [slices, rows, columns].

    Raises:
        InputRefused: The file is not DICOM, is damaged, blank or too large, is compressed in a way that neither
            pydicom nor GDCM decodes, or is something else than an MR image of the head in grey.
    """
    header = header or read_header(data)
    check_suitable(header)
    check_size(header.layout)
    with untrusted_decoding(), suppressed_native_stderr():
        frames = decode(_parse(data, stop_before_pixels=False), header.layout)
    if not np.isfinite(frames).all():
        raise InputRefused("has pixel values that are not finite")
    if not allow_blank and frames.min() == frames.max():
        raise InputRefused("is blank: all pixels have the same value")
    return DicomImage(header, frames)


def check_complete(data: bytes) -> None:
    """Checks that an image has all the pixels that its header states; none is decoded.

    Args:
        data: The bytes of one file.

    Raises:
        InputRefused: The file is not DICOM, is damaged, cut off or too large, or holds no image.
    """
    layout = read_header(data).layout
    check_size(layout)
    with untrusted_decoding():
        check_there(_parse(data, stop_before_pixels=False), layout)


def read_file_ids(data: bytes) -> list[tuple[str, ...]]:
    """Reads which files a DICOMDIR lists. Source: DICOM PS3.3, F.3.2.2 (Referenced File ID).

    Args:
        data: The bytes of the DICOMDIR.

    Returns:
        Each file as the parts of its path, relative to the folder of the DICOMDIR; empty where it lists none.

    Raises:
        InputRefused: The file is no DICOMDIR, or is damaged.
    """
    with untrusted_decoding():
        dataset = _parse(data, stop_before_pixels=True)
        if sop_class_of(dataset) != MEDIA_DIRECTORY:
            raise InputRefused("is not a DICOMDIR")
        listed = (texts_of(record, "ReferencedFileID") for record in dataset.get("DirectoryRecordSequence") or ())
        return [parts for parts in listed if parts]


def read_attributes(data: bytes) -> Any:
    """Reads all elements of a DICOM object but its pixels.

    Args:
        data: The bytes of one file.

    Returns:
        A pydicom dataset, which interprets a value when it is asked for: damaged ones raise only then.

    Raises:
        InputRefused: The file is not DICOM, or is damaged.
    """
    with untrusted_decoding():
        return _parse(data, stop_before_pixels=True)


@contextmanager
def untrusted_decoding() -> Iterator[None]:
    """Contains decoders of untrusted files: their warnings and logs stay inside, their faults become refusals.

    Raises:
        InputRefused: Anything was raised inside; the message names its type, never its text.
    """
    with contained(InputRefused, *LOGGERS_THAT_QUOTE_VALUES):
        yield


def _parse(data: bytes, *, stop_before_pixels: bool) -> Any:
    """A pydicom dataset, also of a file without preamble where what then comes out looks like DICOM."""
    marked = data[128:132] == b"DICM"
    if not marked and data[:2] not in FIRST_GROUPS:
        raise InputRefused(NOT_RECOGNISED)
    try:
        dataset = pydicom.dcmread(Metered(inflated(data)), stop_before_pixels=stop_before_pixels, force=True)
        plausible = marked or sop_class_of(dataset).startswith("1.2.840.10008.") or bool(text_of(dataset, "Modality"))
    except Exception:
        if marked:
            raise
        plausible = False
    if not plausible:
        raise InputRefused(NOT_RECOGNISED)
    return dataset
