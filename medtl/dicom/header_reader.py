"""Headers of one object after another: an element that says what it said in the object before is not interpreted again.

The slices of a series state nearly the same, and what pydicom makes of an element takes far longer than to compare its
bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag, Tag

from medtl.dicom.geometry import Geometry
from medtl.dicom.header import DicomHeader, parse_header
from medtl.dicom.values import floats_of, integer_of

NUMBER, POSITION = Tag("InstanceNumber"), Tag("ImagePositionPatient")
"""The elements in which slices of a series differ, of those that a header is read from."""


class HeaderReader:
    """Reads the headers of objects, fastest where those of a series follow each other."""

    def __init__(self) -> None:
        self._last: _Read | None = None

    def read(self, dataset: Any) -> DicomHeader:
        """Reads a header; it is the one that `parse_header` reads.

        Args:
            dataset: A pydicom dataset as it was read from a file, with its meta header.

        Raises:
            InputRefused: As of `parse_header`.
        """
        if self._last is not None and (header := self._last.header_of(dataset)) is not None:
            return header
        noted = _Noted(dataset)
        header = parse_header(noted)
        self._last = _Read(header, _encoding(dataset), noted.stated, noted.file_meta.stated) if noted.is_whole else None
        return header


@dataclass(frozen=True)
class _Read:
    """A header that was read, and what the object stated for it.

    Attributes:
        header: The header.
        encoding: Encoding and character set of the object.
        stated: What it stated in the elements that were asked for, by their tags.
        meta: The same of its meta header.
    """

    header: DicomHeader
    encoding: tuple[Any, ...]
    stated: Mapping[BaseTag, object]
    meta: Mapping[BaseTag, object]

    def header_of(self, dataset: Any) -> DicomHeader | None:
        """The header of another object; None where it differs in more than its number and position."""
        if _encoding(dataset) != self.encoding or _differing(dataset.file_meta, self.meta):
            return None
        differing = _differing(dataset, self.stated)
        if not differing:
            return self.header
        if differing <= {NUMBER, POSITION} and self.header.layout.frames == 1:
            return _at_another_place(self.header, dataset, differing)
        return None


class _Noted:
    """A pydicom dataset that notes which elements are asked for, and what they state.

    Attributes:
        stated: What is stated by the elements that were asked for, by their tags; None where there is none.
        is_whole: Whether nothing else of the dataset was asked for.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self.stated: dict[BaseTag, object] = {}
        self.is_whole = True

    @cached_property
    def file_meta(self) -> _Noted:
        """The meta header."""
        return _Noted(self._dataset.file_meta)

    @property
    def original_encoding(self) -> Any:
        """As of the dataset."""
        return self._dataset.original_encoding

    def get_item(self, tag: BaseTag) -> Any:
        """Returns an element as it is: raw, unless pydicom has interpreted it; None where there is none."""
        element = self._dataset.get_item(tag)
        self.stated.setdefault(tag, _stated(element))
        return element

    def __getitem__(self, tag: BaseTag) -> Any:
        return self._dataset[tag]

    def __getattr__(self, name: str) -> Any:
        self.is_whole = False
        return getattr(self._dataset, name)


def _encoding(dataset: Any) -> tuple[Any, ...]:
    return (*dataset.original_encoding, dataset.original_character_set)


def _differing(dataset: Any, stated: Mapping[BaseTag, object]) -> set[BaseTag]:
    elements = dict(dataset.items())
    return {tag for tag, before in stated.items() if _stated(elements.get(tag)) != before}


def _stated(element: Any) -> object:
    """What an element states, to be compared; where pydicom has interpreted it, an object that equals nothing else."""
    if element is None:
        return None
    if isinstance(element, RawDataElement) or isinstance(element.value, str):
        return element.VR, element.value
    return object()


def _at_another_place(header: DicomHeader, dataset: Any, differing: set[BaseTag]) -> DicomHeader:
    """The header of a slice that differs in its number and position alone."""
    identifiers, (plane,) = header.identifiers, header.geometry.planes
    if NUMBER in differing:
        identifiers = replace(identifiers, instance_number=integer_of(dataset, "InstanceNumber"))
    if POSITION in differing:
        plane = replace(plane, position_mm=floats_of(dataset, "ImagePositionPatient", 3))
    return replace(header, identifiers=identifiers, geometry=Geometry((plane,)))
