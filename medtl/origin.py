"""What the file of a sample says of itself: frames, patient, series, scanner, and how it was acquired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medtl.dicom.properties import properties
from medtl.dicom.reader import read_header
from medtl.dicom.rules import check_suitable
from medtl.dicom.view import view_of
from medtl.foreign import kind_of_no_image
from medtl.nifti import is_volume, read_placement
from medtl.scanners import scanner_of_header
from shared.errors import DataError, InputRefused
from shared.io.archives import read_source
from shared.io.pictures import is_picture
from shared.samples import Position


@dataclass(frozen=True)
class Origin:
    """What a file itself says: its frames, how they were acquired, and for DICOM the patient, series and scanner.

    Attributes:
        frames: Number of its frames or slices.
        volume: Whether it is a NIfTI volume.
        patient: Its PatientID; empty where none is stated.
        series: Its Series Instance UID; empty where none is stated.
        scanner: Manufacturer and model; empty where they are not stated.
        acquisition: How it was acquired, as in `shared.samples.Sample.acquisition`.
        notes: What it leaves open.
        synthetic: Whether it says that a program made it.
        positions: Place of each slice along the normal; empty where that of any is not known.
    """

    frames: int = 1
    volume: bool = False
    patient: str = ""
    series: str = ""
    scanner: str = ""
    acquisition: Mapping[str, str | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    synthetic: bool = False
    positions: tuple[Position, ...] = ()


def origin_of(source: str) -> Origin:
    """Reads what a file says of itself: the header of a DICOM file or volume; nothing of a picture.

    Args:
        source: The file, as `shared.io.archives.read_source` takes it.

    Raises:
        DataError: The file is damaged, none that is read, or not suitable.
    """
    if is_picture(source):
        return Origin()
    data = read_source(source)
    if (kind := kind_of_no_image(data)) is not None:
        raise DataError(f"the file {kind.reason}")
    if is_volume(source):
        placement = read_placement(data)
        return Origin(
            frames=placement.count,
            volume=True,
            acquisition=properties(placement.view),
            notes=(*placement.view.unstated, *placement.notes),
            positions=placement.positions,
        )
    try:
        header = read_header(data)
        check_suitable(header)
        view = view_of(header.geometry.planes)
    except InputRefused as refusal:
        raise DataError(str(refusal)) from None
    places = [one.position_mm for one in header.geometry.planes]
    return Origin(
        frames=header.layout.slices,
        patient=header.identifiers.patient_id.strip(),
        series=header.identifiers.series_uid,
        scanner=scanner_of_header(header.equipment.manufacturer, header.equipment.model),
        acquisition=properties(view, [header]),
        notes=view.unstated,
        synthetic=header.synthetic,
        positions=view.positions([places[index] for index in view.order(places)]),
    )
