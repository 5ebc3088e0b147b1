"""Whole files of every kind that medtl reads, small and with a planted person in them: what mutations begin with."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gdcm
import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    RLELossless,
)

from medtl.phantom.dataset import write_phantom

PLANTED: Mapping[str, str] = {
    "PatientName": "Planted^Person",
    "PatientID": "PLANTED4711",
    "PatientBirthDate": "19511224",
    "AccessionNumber": "ACC8150815",
    "InstitutionName": "Plantation Hospital",
    "ReferringPhysicianName": "Planter^Refers",
    "PatientAddress": "Plantstreet 12",
}
"""A person who must appear nowhere."""
MARKS = ("Planted", "PLANTED4711", "19511224", "ACC8150815", "Plantation", "Planter", "Plantstreet")
"""Parts of `PLANTED` that are looked for."""
FRAMES = 3
_GDCM = {
    "jpeg_lossless": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    "jpeg_ls": gdcm.TransferSyntax.JPEGLSLossless,
    "jpeg_2000": gdcm.TransferSyntax.JPEG2000Lossless,
}


@cache
def slices() -> tuple[Dataset, ...]:
    """Three slices of the phantom, every second row and column of them, with `PLANTED`."""
    with TemporaryDirectory() as folder:
        write_phantom(Path(folder) / "data", patients=1, scanners=["atlas"], slices=FRAMES, healthy_share=0.0)
        read = [pydicom.dcmread(path) for path in sorted(Path(folder).rglob("*.dcm"))]
    for dataset in read:
        pixels = np.ascontiguousarray(dataset.pixel_array[::2, ::2])
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.PixelData = pixels.tobytes()
        for keyword, value in PLANTED.items():
            setattr(dataset, keyword, value)
    return tuple(read)


def written(dataset: Any, syntax: str = ExplicitVRLittleEndian, **options: Any) -> bytes:
    """The bytes of a dataset in a transfer syntax without compression of pixels."""
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset, **(options or {"enforce_file_format": True}))
    return stream.getvalue()


@cache
def dicom_seeds() -> dict[str, bytes]:
    """DICOM objects by name: one slice in every encoding, and an enhanced object of three frames."""
    plain = written(pydicom.dcmread(io.BytesIO(written(slices()[1]))))
    found = {"plain": plain, "enhanced": written(_enhanced())}
    found["implicit"] = written(_fresh(plain), ImplicitVRLittleEndian)
    found["deflated"] = written(_fresh(plain), DeflatedExplicitVRLittleEndian)
    swapped = _fresh(plain)
    swapped["PixelData"]._value = swapped.pixel_array.astype(">u2").tobytes()
    found["big_endian"] = written(swapped, ExplicitVRBigEndian)
    bare = _fresh(plain)
    del bare.file_meta
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, bare, implicit_vr=True, little_endian=True, enforce_file_format=False)
    found["bare"] = stream.getvalue()
    packed = _fresh(plain)
    packed.compress(RLELossless, encoding_plugin="pydicom")
    found["rle"] = written(packed, RLELossless)
    return found | {name: _by_gdcm(plain, syntax) for name, syntax in _GDCM.items()}


@cache
def directory_seed() -> bytes:
    """A DICOMDIR with a record of the planted person and one of each slice, `IM0` to `IM2`."""
    index = Dataset()
    index.preamble = b"\0" * 128
    index.file_meta = FileMetaDataset()
    index.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    index.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    index.FileSetID = "DISC"
    index.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 400
    index.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 400
    index.FileSetConsistencyFlag = 0
    records = []
    for kind, tags in (("PATIENT", dict(PLANTED)), *(("IMAGE", {"ReferencedFileID": [f"IM{i}"]}) for i in range(3))):
        record = Dataset()
        record.OffsetOfTheNextDirectoryRecord = record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
        record.RecordInUseFlag, record.DirectoryRecordType = 0xFFFF, kind
        for keyword, value in tags.items():
            setattr(record, keyword, value)
        records.append(record)
    index.DirectoryRecordSequence = records
    return written(index)


@cache
def picture_seeds() -> dict[str, bytes]:
    """Pictures and volumes, by the suffix that they are written under."""
    grey = np.asarray(slices()[1].pixel_array >> 5, dtype=np.uint8)[:64, :64]
    colour = Image.fromarray(np.stack([grey, grey // 2, grey], axis=2))
    seeds = {}
    for name, picture, options in (
        ("grey.png", Image.fromarray(grey), {}),
        ("deep.png", Image.fromarray(grey.astype(np.uint16) * 257), {}),
        ("palette.png", colour.quantize(16), {"transparency": 0}),
        ("colour.png", colour.convert("RGBA"), {}),
        ("grey.jpg", Image.fromarray(grey), {"quality": 90}),
        ("colour.jpg", colour, {"progressive": True}),
        ("cmyk.jpg", colour.convert("CMYK"), {}),
        ("grey.bmp", Image.fromarray(grey), {}),
        ("grey.tif", Image.fromarray(grey), {"compression": "tiff_lzw"}),
        ("colour.tif", colour, {"compression": "tiff_deflate"}),
    ):
        stream = io.BytesIO()
        picture.save(stream, {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "tif": "TIFF"}[name[-3:]], **options)
        seeds[name] = stream.getvalue()
    voxels = np.stack([grey] * FRAMES, axis=2).astype(np.int16)
    first = nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 5.0, 1.0]))
    first.header["descrip"] = PLANTED["PatientName"].encode()
    seeds["volume.nii"] = first.to_bytes()
    seeds["volume.nii.gz"] = gzip.compress(seeds["volume.nii"], mtime=0)
    seeds["second.nii"] = nibabel.Nifti2Image(voxels, np.eye(4)).to_bytes()
    return seeds


def zipped(members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive; names are written as they are, whatever they hold."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.filename = name  # ZipInfo itself cuts a name at a NUL
            archive.writestr(info, data, compression)
    return stream.getvalue()


def marks_in(data: bytes, marks: Iterable[str] = MARKS) -> list[str]:
    """Those marks that stand in some bytes, as UTF-8 or UTF-16, in whatever case."""
    folded = data.lower()
    return [
        mark
        for mark in marks
        if any(mark.lower().encode(coding) in folded for coding in ("utf-8", "utf-16-le", "utf-16-be"))
    ]


def _fresh(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def _enhanced() -> Dataset:
    """The slices in one Enhanced MR object; place and scale stand in functional groups."""
    dataset = _fresh(written(slices()[0]))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    dataset.NumberOfFrames = FRAMES
    dataset.PixelData = b"".join(one.PixelData for one in slices())
    plane, group = Dataset(), Dataset()
    plane.ImageOrientationPatient = dataset.ImageOrientationPatient
    group.PlaneOrientationSequence = [plane]
    dataset.SharedFunctionalGroupsSequence = [group]
    groups = []
    for one in slices():
        group, position, values = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = one.ImagePositionPatient
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = "1", "0", "US"
        group.PlanePositionSequence, group.PixelValueTransformationSequence = [position], [values]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient
    return dataset


def _by_gdcm(data: bytes, syntax: int) -> bytes:
    with TemporaryDirectory() as folder:
        whole, packed = f"{folder}/whole.dcm", f"{folder}/packed.dcm"
        Path(whole).write_bytes(data)
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(whole)
        read = reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
        change.SetInput(reader.GetImage())
        changed = change.Change()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(packed)
        if not (read and changed and writer.Write()):
            raise RuntimeError("GDCM does not encode")
        return Path(packed).read_bytes()
