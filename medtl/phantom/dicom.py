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
"""Implementation Class UID of the files (PS3.7, D.3.3.2); fixed, or pydicom's version would change the bytes."""


@dataclass(frozen=True)
class Series:
    """The identifiers and facts that all slices of one patient share.

    Attributes:
        scanner: The scanner with its protocol.
        patient_id: Patient ID; there is no such person.
        patient_name: Patient's Name, in DICOM's form family^given.
        date: Study Date, as YYYYMMDD.
        spacing_mm: Distance of neighbouring slices.
        seed: Seed of the dataset, from which all UIDs are derived.
    """

    scanner: Scanner
    patient_id: str
    patient_name: str
    date: str
    spacing_mm: float
    seed: int

    def uid(self, *words: str | int) -> str:
        """Derives a DICOM UID under 2.25 (PS3.5, B.2) from the seed, the patient and `words` alone.

        Args:
            *words: Any number of words or numbers; the same ones always give the same UID for this series.

        Returns:
            The UID as text of digits and dots.
        """
        digest = hashlib.blake2b(repr((self.seed, self.patient_id, *words)).encode(), digest_size=16).digest()
        return f"2.25.{int.from_bytes(digest, 'big')}"


def write_slice(path: Path, stored: NDArray[np.uint16], series: Series, number: int, height_mm: float) -> None:
    """Writes stored values as an MR image, in Explicit VR Little Endian.

    Args:
        path: The new file.
        stored: Pixels, uint16 [rows, columns], without unit: slope 1 and intercept 0 are written.
        series: The series that the slice belongs to.
        number: Instance Number, from 1, from the feet up.
        height_mm: Place of the slice along the z axis of the patient.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = series.uid("instance", number)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID, meta.ImplementationVersionName = IMPLEMENTATION, "MEDTL_PHANTOM"
    tags = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    tags.SOPClassUID, tags.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    tags.SyntheticData = "YES"  # PS3.3 C.12.1: made artificially; a model of such images judges no others
    tags.InstanceNumber = number
    _describe_series(tags, series)
    _describe_acquisition(tags, series.scanner)
    _place(tags, series, height_mm)
    tags.SamplesPerPixel, tags.PhotometricInterpretation = 1, "MONOCHROME2"
    tags.Rows, tags.Columns = stored.shape
    tags.BitsAllocated, tags.BitsStored, tags.HighBit, tags.PixelRepresentation = 16, 16, 15, 0
    tags.RescaleSlope, tags.RescaleIntercept = 1, 0
    tags.PixelData = stored.astype("<u2").tobytes()
    tags.save_as(path, enforce_file_format=True)


def _describe_series(tags: FileDataset, series: Series) -> None:
    tags.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    tags.StudyDate, tags.StudyTime, tags.AccessionNumber, tags.ReferringPhysicianName = series.date, "", "", ""
    tags.Modality, tags.BodyPartExamined = "MR", "BRAIN"
    tags.SeriesDescription = "SYNTHETIC T1 post contrast"
    tags.PatientName, tags.PatientID = series.patient_name, series.patient_id
    tags.PatientBirthDate, tags.PatientSex = "", ""
    tags.StudyInstanceUID, tags.SeriesInstanceUID = series.uid("study"), series.uid("series")
    tags.StudyID, tags.SeriesNumber = "1", 1


def _describe_acquisition(tags: FileDataset, scanner: Scanner) -> None:
    tags.Manufacturer, tags.ManufacturerModelName = scanner.manufacturer, scanner.model
    tags.ScanningSequence = "SE" if scanner.sequence == "spin_echo" else "GR"
    tags.SequenceVariant = "NONE" if scanner.sequence == "spin_echo" else "SP"
    tags.ScanOptions, tags.MRAcquisitionType, tags.EchoTrainLength = "", "2D", 1
    tags.MagneticFieldStrength, tags.RepetitionTime = scanner.field_strength_t, scanner.tr_ms
    tags.EchoTime, tags.FlipAngle = scanner.te_ms, scanner.flip_deg


def _place(tags: FileDataset, series: Series, height_mm: float) -> None:
    tags.FrameOfReferenceUID, tags.PositionReferenceIndicator = series.uid("frame"), ""
    tags.SliceThickness, tags.SpacingBetweenSlices = SLICE_THICKNESS_MM, round(series.spacing_mm, 4)
    tags.PixelSpacing = [series.scanner.pixel_spacing_mm, series.scanner.pixel_spacing_mm]
    # The centre of the first pixel; x grows to the patient's left and y to the back (PS3.3 C.7.6.2.1.1).
    corner = -0.5 * (series.scanner.matrix - 1) * series.scanner.pixel_spacing_mm
    tags.ImagePositionPatient = [round(corner, 4), round(corner, 4), round(height_mm, 4)]
    tags.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
