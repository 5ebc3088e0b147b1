"""A synthetic multi-scanner head-MRI dataset, written as DICOM series with masks and `labels.csv`."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from medtl.phantom_anatomy import KINDS, SPACING_MM, Head, Lesion, draw_head, draw_lesions, slice_labels
from medtl.phantom_physics import SCANNERS, TISSUES, Scanner, acquire, enhanced_signal, receive_field, signal
from shared.errors import DataError
from shared.registry import unknown_name
from shared.seeding import generator

COLUMNS = ("path", "mask", "patient", "scanner", "slice", "label", "tumour_pixels")
LOWEST, HIGHEST = 0.12, 0.86
"""Heights of the first and last slice in the head, from the sella to the convexity."""
MIN_TUMOUR_PIXELS = 30
"""A slice with fewer tumour pixels is labelled no_tumour: nobody could be asked to see it."""
FULL_SCALE = 1000.0
"""Stored value of white matter, about that of clinical magnitude images."""
STUDY_DATE = "20000101"


def write_phantom(
    out: Path,
    *,
    patients: int,
    scanners: Sequence[str],
    slices: int = 12,
    seed: int = 0,
    kinds: Sequence[str] = KINDS[:3],
    healthy_share: float = 1 / 3,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Path:
    """Writes the dataset; the folder appears only when it is complete, and the same seed gives the same bytes.

    Args:
        out: A folder that does not exist or is empty.
        patients: For each scanner.
        scanners: Names in `SCANNERS`.
        slices: Axial slices of each patient.
        seed: Of all that is drawn.
        kinds: Tumour kinds that occur, from `KINDS`.
        healthy_share: Share of patients without a tumour.
        progress: Called with (patients done, patients in all).

    Raises:
        DataError: `out` holds something, or a scanner or kind is unknown.
    """
    for what, names, known in (("scanner", scanners, list(SCANNERS)), ("tumour kind", kinds, list(KINDS))):
        for name in names:
            if name not in known:
                raise DataError(unknown_name(what, name, known))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} exists already; give a new folder")
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        rows: list[dict[str, object]] = []
        for number, (scanner, patient) in enumerate((s, p) for s in scanners for p in range(patients)):
            rows += _write_patient(partial, SCANNERS[scanner], patient, slices, seed, kinds, healthy_share)
            progress(number + 1, len(scanners) * patients)
        _write_table(partial / "labels.csv", rows)
        facts = {
            "synthetic": True,
            "seed": seed,
            "scanners": list(scanners),
            "patients": patients,
            "kinds": list(kinds),
        }
        (partial / "phantom.json").write_text(json.dumps(facts, indent=2) + "\n")
        if out.exists():
            out.rmdir()
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _write_patient(
    folder: Path,
    scanner: Scanner,
    patient: int,
    slices: int,
    seed: int,
    kinds: Sequence[str],
    healthy_share: float,
) -> list[dict[str, object]]:
    random = generator(seed, "phantom", scanner.name, patient)
    name = f"PHANTOM-{scanner.name}-{patient:04d}"
    head = draw_head(random)
    healthy = random.random() < healthy_share
    kind = "no_tumour" if healthy else str(random.choice(list(kinds)))
    lesions = [] if healthy else draw_lesions(kind, head, random)
    gadolinium_mm = random.uniform(0.25, 0.7)
    rows = []
    series = folder / name / "T1C"
    series.mkdir(parents=True)
    (folder / "masks").mkdir(exist_ok=True)
    gain = random.uniform(0.7, 1.4)
    for number, z in enumerate(np.linspace(LOWEST, HIGHEST, slices), start=1):
        image, mask = _image(scanner, head, lesions, float(z), gadolinium_mm, random)
        count = int(mask.sum())
        path, mask_path = f"{name}/T1C/IM{number:04d}.dcm", ""
        if count >= MIN_TUMOUR_PIXELS:
            mask_path = f"masks/{name}_{number:04d}.png"
            PillowImage.fromarray(mask.astype(np.uint8) * 255).save(folder / mask_path)
        stored = np.clip(image * gain * FULL_SCALE / signal(scanner)[TISSUES.index("white")], 0, 65535)
        _write_slice(folder / path, stored.astype(np.uint16), scanner, name, number, float(z) * head.height, seed)
        rows.append(
            {
                "path": path,
                "mask": mask_path,
                "patient": name,
                "scanner": f"{scanner.manufacturer} {scanner.model}",
                "slice": number,
                "label": kind if count >= MIN_TUMOUR_PIXELS else "no_tumour",
                "tumour_pixels": count,
            }
        )
    return rows


def _image(
    scanner: Scanner, head: Head, lesions: list[Lesion], z: float, gadolinium_mm: float, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    labels, mask = slice_labels(head, lesions, z)
    truth = signal(scanner, gadolinium_mm)[labels]
    # contrast agent fills the tumour unevenly: vessels of different density
    uneven = 1.0 + 0.12 * head.folds[3] / np.abs(head.folds[3]).max()
    tumour = labels == TISSUES.index("tumour")
    truth = np.where(tumour, enhanced_signal(scanner, "tumour", gadolinium_mm) * uneven, truth)
    truth = truth * (1.0 + 0.03 * head.folds[5] / np.abs(head.folds[5]).max())
    field = receive_field(truth.shape, scanner, random)
    image = acquire(truth, scanner, field, SPACING_MM, random)
    rows = np.minimum((np.arange(image.shape[0]) * mask.shape[0]) // image.shape[0], mask.shape[0] - 1)
    columns = np.minimum((np.arange(image.shape[1]) * mask.shape[1]) // image.shape[1], mask.shape[1] - 1)
    return image, mask[np.ix_(rows, columns)]


def _write_slice(
    path: Path, stored: NDArray[np.uint16], scanner: Scanner, name: str, number: int, height_mm: float, seed: int
) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = _uid(seed, name, "instance", number)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    tags = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    tags.ImageType = ["DERIVED", "PRIMARY", "OTHER"]
    tags.SOPClassUID, tags.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    tags.StudyDate, tags.StudyTime, tags.AccessionNumber, tags.ReferringPhysicianName = STUDY_DATE, "", "", ""
    tags.Modality, tags.BodyPartExamined = "MR", "BRAIN"
    tags.Manufacturer, tags.ManufacturerModelName = scanner.manufacturer, scanner.model
    tags.SeriesDescription = "SYNTHETIC T1 POST CONTRAST"
    tags.PatientName, tags.PatientID, tags.PatientBirthDate, tags.PatientSex = f"PHANTOM^{name}", name, "", ""
    tags.ScanningSequence = "SE" if scanner.sequence == "spin_echo" else "GR"
    tags.SequenceVariant, tags.ScanOptions, tags.MRAcquisitionType = "NONE", "", "2D"
    tags.MagneticFieldStrength, tags.RepetitionTime = scanner.field_strength_t, scanner.tr_ms
    tags.EchoTime, tags.FlipAngle, tags.SliceThickness = scanner.te_ms, scanner.flip_deg, 5.0
    tags.StudyInstanceUID, tags.SeriesInstanceUID = _uid(seed, name, "study"), _uid(seed, name, "series")
    tags.FrameOfReferenceUID, tags.PositionReferenceIndicator = _uid(seed, name, "frame"), ""
    tags.StudyID, tags.SeriesNumber, tags.InstanceNumber = "1", 1, number
    tags.ImagePositionPatient = [0.0, 0.0, round(height_mm, 3)]
    tags.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    tags.SamplesPerPixel, tags.PhotometricInterpretation = 1, "MONOCHROME2"
    tags.Rows, tags.Columns = stored.shape
    tags.PixelSpacing = [scanner.spacing_mm, scanner.spacing_mm]
    tags.BitsAllocated, tags.BitsStored, tags.HighBit, tags.PixelRepresentation = 16, 16, 15, 0
    tags.RescaleSlope, tags.RescaleIntercept = 1, 0
    tags.PixelData = stored.tobytes()
    tags.save_as(path, enforce_file_format=True)


def _uid(seed: int, *words: str | int) -> str:
    """A UID under 2.25 (PS3.5 B.2) that is a function of its arguments."""
    digest = hashlib.blake2b(repr((seed, *words)).encode(), digest_size=16).digest()
    return f"2.25.{int.from_bytes(digest, 'big')}"


def _write_table(path: Path, rows: Sequence[dict[str, object]]) -> None:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(stream.getvalue())
