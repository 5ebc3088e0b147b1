"""Reading one DICOM object without trusting it.

The files are untrusted: every fault, whatever pydicom or a codec makes of it, leaves as `InputRefused` with one
line that names nobody. Only MR images of the head are decoded, to grey; all else is recognised and refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator, read_partial
from pydicom.tag import BaseTag

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
ELEMENT_BYTES = 1 << 10
"""Bytes that an element takes in memory beside its value, about: a small one a hundred times those in the file."""
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""Tags of Float Pixel Data, Double Float Pixel Data and Pixel Data. Source: DICOM PS3.6."""
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


class DicomObject:
    """A DICOM object of any kind whose header was read, and whose pixels can be decoded without reading it again.

    Its bytes stay in memory as long as it does.

    Args:
        data: The bytes of one file.
        header: Its header, where that was read before.
        read: Reads the header from a pydicom dataset, as `parse_header` does.

    Attributes:
        header: The header; what the file does not state is empty or None in it.
        size: Bytes that it takes in memory, about.

    Raises:
        InputRefused: The file is not DICOM, or is damaged.
    """

    def __init__(
        self,
        data: bytes,
        header: DicomHeader | None = None,
        *,
        read: Callable[[Any], DicomHeader] = parse_header,
    ) -> None:
        with untrusted_decoding():
            self._dataset, self._pixels = _parse(data)
            self.header = header or read(self._dataset)
            unpacked = self._dataset.buffer.getbuffer().nbytes
            copied = unpacked if self._pixels is None else self._pixels.start
            self.size = unpacked + copied + ELEMENT_BYTES * _count_elements(self._dataset)

    def decode(self, *, allow_blank: bool = False) -> DicomImage:
        """Decodes the pixels, as `read_dicom` does.

        Args:
            allow_blank: Whether an image without any contrast is accepted.

        Raises:
            InputRefused: As of `read_dicom`.
        """
        check_suitable(self.header)
        check_size(self.header.layout)
        quiet = nullcontext() if self.header.layout.is_native else suppressed_native_stderr()
        with untrusted_decoding(), quiet:
            frames = decode(self._whole(), self.header.layout)
        if not np.isfinite(frames).all():
            raise InputRefused("has pixel values that are not finite")
        if not allow_blank and frames.min() == frames.max():
            raise InputRefused("is blank: all pixels have the same value")
        return DicomImage(self.header, frames)

    def check_complete(self) -> None:
        """Checks that all pixels are there that the header states; none is decoded.

        Raises:
            InputRefused: They are not, or there are too many.
        """
        check_size(self.header.layout)
        with untrusted_decoding():
            check_there(self._whole(), self.header.layout)

    def _whole(self) -> Dataset:
        """All elements: those of the header, the pixels, and what follows on them."""
        elements = dict(self._dataset.items())
        if self._pixels is not None:
            # an end within the pixels leaves none, as in pydicom
            with suppress(EOFError, NotImplementedError):
                elements |= self._pixels.read()
        whole = Dataset(elements)
        implicit, little = self._dataset.original_encoding
        whole.set_original_encoding(implicit, little, self._dataset.original_character_set)
        return whole


def read_header(data: bytes) -> DicomHeader:
    """Reads the header of a DICOM object of any kind, and decodes no pixel.

    Args:
        data: The bytes of one file.

    Returns:
        The header; what the file does not state is empty or None in it.

    Raises:
        InputRefused: The file is not DICOM, or is damaged.
    """
    return DicomObject(data).header


def read_dicom(data: bytes, *, allow_blank: bool = False) -> DicomImage:
    """Decodes an MR image of the head: a single slice, several frames, or a mosaic.

    Args:
        data: The bytes of one file.
        allow_blank: Whether an image without any contrast is accepted: the outer slices of a series may have none.

    Returns:
        The header, and the slices in grey, float32 [slices, rows, columns].

    Raises:
        InputRefused: The file is not DICOM, is damaged, blank or too large, is compressed in a way that neither
            pydicom nor GDCM decodes, or is something else than an MR image of the head in grey.
    """
    return DicomObject(data).decode(allow_blank=allow_blank)


def check_complete(data: bytes) -> None:
    """Checks that an image has all the pixels that its header states; none is decoded.

    Args:
        data: The bytes of one file.

    Raises:
        InputRefused: The file is not DICOM, is damaged, cut off or too large, or holds no image.
    """
    DicomObject(data).check_complete()


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
        dataset, _ = _parse(data)
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
        return _parse(data)[0]


@contextmanager
def untrusted_decoding() -> Iterator[None]:
    """Contains decoders of untrusted files: their warnings and logs stay inside, their faults become refusals.

    Raises:
        InputRefused: Anything was raised inside; the message names its type, never its text.
    """
    with contained(InputRefused, *LOGGERS_THAT_QUOTE_VALUES):
        yield


def _count_elements(dataset: Any) -> int:
    """Counts the elements that lie parsed in memory, those of sequences too."""
    parsed = [one for one in dataset.values() if isinstance(one, DataElement) and one.VR == "SQ"]
    return len(dataset) + sum(_count_elements(item) for sequence in parsed for item in sequence.value)


class _Pixels:
    """The place in a file from which on its pixels are read.

    Attributes:
        start: Number of the byte.

    Args:
        dataset: What was read before; pydicom has interpreted no element of it yet.
    """

    def __init__(self, dataset: Any) -> None:
        self._stream = dataset.buffer
        self.start = self._stream.tell()
        # the file as a whole may state another encoding than it has
        raw = (element for element in dataset.values() if isinstance(element, RawDataElement))
        found = ((element.is_implicit_VR, element.is_little_endian) for element in raw)
        self._encoding = next(found, dataset.original_encoding)

    def read(self) -> dict[BaseTag, RawDataElement | DataElement]:
        """Reads the pixels, and all elements that follow on them."""
        self._stream.seek(self.start)
        return {element.tag: element for element in data_element_generator(self._stream, *self._encoding)}


def _parse(data: bytes) -> tuple[Any, _Pixels | None]:
    """A pydicom dataset of all before the pixels, and where these begin; None where there are none.

    A file without preamble counts where what comes out of it looks like DICOM.
    """
    marked = data[128:132] == b"DICM"
    if not marked and data[:2] not in FIRST_GROUPS:
        raise InputRefused(NOT_RECOGNISED)
    reached = False

    def at_pixels(tag: BaseTag, *_: Any) -> bool:
        nonlocal reached
        reached = tag in PIXELS
        return reached

    try:
        dataset = read_partial(Metered(inflated(data)), at_pixels, force=True)
        pixels = _Pixels(dataset) if reached else None
        plausible = marked or sop_class_of(dataset).startswith("1.2.840.10008.") or bool(text_of(dataset, "Modality"))
    except Exception:
        if marked:
            raise
        plausible = False
    if not plausible:
        raise InputRefused(NOT_RECOGNISED)
    return dataset, pixels
