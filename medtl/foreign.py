"""What files are that `medtl` does not read, by their bytes: what the engine knows, and volumes of other programs."""

from __future__ import annotations

from dataclasses import dataclass

from shared.io.kinds import GZIP, FileKind, Signature, gunzipped_head, identify

NIFTI_MAGIC = {(344, b"n+1\0"), (4, b"n+2\0")}
"""Offset and bytes that mark NIfTI-1 and NIfTI-2 files. Source: nifti1.h and nifti2.h of the NIfTI standard."""
AS_NIFTI = "convert it to NIfTI (.nii.gz)"
MGH = FileKind("a FreeSurfer volume (MGH)", "volume", "convert it to NIfTI: mri_convert in.mgz out.nii.gz")
PAIR = FileKind("the header of a volume in two files (.hdr and .img)", "volume", f"{AS_NIFTI}, which is one file")


@dataclass(frozen=True)
class _MghSignature(Signature):
    """The start of an MGH file: version 1 alone would be any small number.

    Source: FreeSurfer, MghFormat: version, width, height, depth, frames and type, each an int32 in big endian.
    """

    def fits(self, head: bytes) -> bool:
        sizes = [int.from_bytes(head[at : at + 4]) for at in (4, 8, 12, 16)]
        kind = int.from_bytes(head[20:24])
        return len(head) > 24 and head.startswith(self.magic) and all(0 < one < 65_536 for one in sizes) and kind < 16


SIGNATURES = (
    _MghSignature(MGH, b"\0\0\0\1"),
    Signature(PAIR, b"ni1\0", 344),
    Signature(FileKind("an NRRD volume", "volume", AS_NIFTI), b"NRRD0"),
    Signature(FileKind("a MetaImage volume", "volume", AS_NIFTI), b"ObjectType = Image"),
    Signature(FileKind("a MetaImage volume", "volume", AS_NIFTI), b"NDims = "),
    Signature(FileKind("a NumPy array", "volume", AS_NIFTI), b"\x93NUMPY"),
    Signature(FileKind("a MATLAB file", "volume", AS_NIFTI), b"MATLAB "),
    Signature(FileKind("an HDF5 or MINC file", "volume", AS_NIFTI), b"\x89HDF\r\n\x1a\n"),
    Signature(FileKind("a MINC volume", "volume", f"{AS_NIFTI}: mnc2nii"), b"CDF\1"),
    Signature(FileKind("the header of a Philips PAR/REC volume", "volume", AS_NIFTI), b"# === DATA DESCRIPTION FILE"),
    Signature(FileKind("DICOM compressed by gzip", "archive", "unpack it first"), b"DICM", 128),
)
"""Volumes of other programs, and within gzip also DICOM. Source: the documents of the formats."""


def foreign_kind(data: bytes) -> FileKind | None:
    """Says what a file is that is neither DICOM, picture nor NIfTI volume.

    Args:
        data: The bytes of the file.

    Returns:
        The kind; None where the bytes do not show it.
    """
    return identify(data, SIGNATURES)


def is_nifti(head: bytes) -> bool:
    """Says whether a file is NIfTI, by its first bytes, out of gzip where they were in it."""
    return any(head[at : at + len(magic)] == magic for at, magic in NIFTI_MAGIC)


def kind_of_no_image(data: bytes) -> FileKind | None:
    """Says what a file is that was taken for DICOM or a NIfTI volume by its name, and is neither.

    Args:
        data: The bytes of the file.

    Returns:
        The kind; None for DICOM and volumes, and where the bytes do not show it.
    """
    if data[128:132] == b"DICM" or is_nifti(gunzipped_head(data)):
        return None
    kind = foreign_kind(data)
    return None if kind is GZIP else kind
