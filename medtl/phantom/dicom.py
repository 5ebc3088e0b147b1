"""One slice of the phantom as a DICOM MR image, marked as synthetic."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from medtl.phantom.physics import Scanner

SLICE_THICKNESS_MM = 5.0
IMPLEMENTATION = "2.25.120817443962150381776023498415207193846"
"""Names the program that wrote a file (PS3.7 D.3.3.2); fixed, or pydicom's version would change the bytes."""


@dataclass(frozen=True)
class Series:
    """What all slices of one patient share.

    Attributes:
        patient_id: Written as it is; there is no such person.
        patient_name: In DICOM's form, family^given.
        spacing_mm: Between slices.
        seed: From which all UIDs are derived.
    """

    scanner: Scanner
    patient_id: str
    patient_name: str
    date: str
    spacing_mm: float
    seed: int

    def uid(self, *words: str | int) -> str:
        """A UID under 2.25 (PS3.5 B.2) that depends on the seed, the patient and `words` only."""
        digest = hashlib.blake2b(repr((self.seed, self.patient_id, *words)).encode(), digest_size=16).digest()
        return f"2.25.{int.from_bytes(digest, 'big')}"


def write_slice(path: Path, stored: NDArray[np.uint16], series: Series, number: int, height_mm: float) -> None:
    """Writes stored values [rows, columns] as an MR image, Explicit VR Little Endian.

    Args:
        path: Of the new file.
        stored: Without unit; slope 1 and intercept 0 are written.
        series: To which the slice belongs.
        number: From 1, from the feet up.
        height_mm: Along the z axis of the patient.
    """
    scanner = series.scanner
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = series.uid("instance", number)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID, meta.ImplementationVersionName = IMPLEMENTATION, "MEDTL_PHANTOM"
    tags = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    tags.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    tags.SOPClassUID, tags.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    tags.StudyDate, tags.StudyTime, tags.AccessionNumber, tags.ReferringPhysicianName = series.date, "", "", ""
    tags.Modality, tags.BodyPartExamined = "MR", "BRAIN"
    tags.Manufacturer, tags.ManufacturerModelName = scanner.manufacturer, scanner.model
    tags.SeriesDescription = "SYNTHETIC T1 post contrast"
    tags.PatientName, tags.PatientID = series.patient_name, series.patient_id
    tags.PatientBirthDate, tags.PatientSex = "", ""
    tags.ScanningSequence = "SE" if scanner.sequence == "spin_echo" else "GR"
    tags.SequenceVariant = "NONE" if scanner.sequence == "spin_echo" else "SP"
    tags.ScanOptions, tags.MRAcquisitionType, tags.EchoTrainLength = "", "2D", 1
    tags.MagneticFieldStrength, tags.RepetitionTime = scanner.field_strength_t, scanner.tr_ms
    tags.EchoTime, tags.FlipAngle = scanner.te_ms, scanner.flip_deg
    tags.SliceThickness, tags.SpacingBetweenSlices = SLICE_THICKNESS_MM, round(series.spacing_mm, 4)
    tags.StudyInstanceUID, tags.SeriesInstanceUID = series.uid("study"), series.uid("series")
    tags.FrameOfReferenceUID, tags.PositionReferenceIndicator = series.uid("frame"), ""
    tags.StudyID, tags.SeriesNumber, tags.InstanceNumber = "1", 1, number
    # The centre of the first pixel; x grows to the patient's left and y to the back (PS3.3 C.7.6.2.1.1).
    corner = -0.5 * (scanner.matrix - 1) * scanner.pixel_spacing_mm
    tags.ImagePositionPatient = [round(corner, 4), round(corner, 4), round(height_mm, 4)]
    tags.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    tags.SamplesPerPixel, tags.PhotometricInterpretation = 1, "MONOCHROME2"
    tags.Rows, tags.Columns = stored.shape
    tags.PixelSpacing = [scanner.pixel_spacing_mm, scanner.pixel_spacing_mm]
    tags.BitsAllocated, tags.BitsStored, tags.HighBit, tags.PixelRepresentation = 16, 16, 15, 0
    tags.RescaleSlope, tags.RescaleIntercept = 1, 0
    tags.PixelData = stored.astype("<u2").tobytes()
    tags.save_as(path, enforce_file_format=True)
