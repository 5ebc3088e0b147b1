from __future__ import annotations

import gzip

import numpy as np
import pytest

from medtl.foreign import foreign_kind, kind_of_no_image

MGH = np.array([1, 40, 40, 10, 1, 0, 0], ">i4").tobytes() + bytes(2000)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (MGH, "a FreeSurfer volume (MGH); convert it to NIfTI"),
        (gzip.compress(MGH, mtime=0), "a FreeSurfer volume (MGH)"),
        (b"NRRD0005\ntype: short\n", "an NRRD volume; convert it to NIfTI"),
        (b"ObjectType = Image\nNDims = 3\n", "a MetaImage volume"),
        (bytes(344) + b"ni1\0", "two files (.hdr and .img)"),
        (b"\x93NUMPY\1\0", "a NumPy array; convert it to NIfTI"),
        (gzip.compress(bytes(128) + b"DICM" + bytes(50), mtime=0), "DICOM compressed by gzip"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 or MINC file"),
        (b"GIF89a", "a GIF picture"),
    ],
)
def test_volumes_of_other_programs_are_named_with_the_way_out(data: bytes, words: str) -> None:
    kind = foreign_kind(data)
    assert kind is not None
    assert words in kind.reason


def test_small_number_alone_is_no_volume() -> None:
    assert foreign_kind(b"\0\0\0\1" + bytes(100)) is None


def test_dicom_volumes_and_what_may_be_one_are_no_foreign_files() -> None:
    volume = bytes(344) + b"n+1\0"
    for data in (
        bytes(128) + b"DICM",
        volume,
        gzip.compress(volume, mtime=0),
        gzip.compress(volume, mtime=0)[:20],
        bytes(400),
    ):
        assert kind_of_no_image(data) is None
    kind = kind_of_no_image(b"version https://git-lfs.github.com/spec/v1\n")
    assert kind is not None
    assert "git lfs pull" in kind.reason
