"""One slice in every way in which DICOM files store it: what is judged must not depend on that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from medtl.dicom.reader import read_dicom

SIDE = 64
Make = Callable[..., Any]


def anatomy() -> np.ndarray:
    """A smooth oval with an edge, a bright spot and noise, 0 to 4095: what codecs of 12 bits meet in practice."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    head = np.where(x**2 / 0.5 + y**2 / 0.8 < 1, 1800 + 600 * np.cos(5 * x) * np.cos(4 * y), 30.0)
    spot = 1400 * np.exp(-((x - 0.2) ** 2 + y**2) / 0.01)
    return np.clip(head + spot + np.random.default_rng(0).normal(0, 8, head.shape), 0, 4095).astype(np.uint16)


STORED = anatomy()


@dataclass(frozen=True)
class Way:
    """A way of storing.

    Attributes:
        write: Gives the bytes of the file from the maker of datasets, the writer and a scratch folder.
        loss: The largest difference that its codec may make, in units of the 12 bits.
        unit: What one step of the stored values is worth in them.
        offset: What is added to the values read.
    """

    write: Callable[[Make, Make, Path], bytes]
    loss: float = 0.0
    unit: float = 1.0
    offset: float = 0.0


def plain(syntax: str | None = None, **tags: Any) -> Callable[[Make, Make, Path], bytes]:
    def write(make_mr: Make, to_bytes: Make, scratch: Path) -> bytes:
        stored = STORED.astype(">u2" if syntax == ExplicitVRBigEndian else "<u2")
        dataset: Dataset = make_mr(stored, **tags)
        if syntax == ExplicitVRBigEndian:
            dataset["PixelData"].VR = "OW"
        if syntax:
            dataset.file_meta.TransferSyntaxUID = syntax
        return bytes(to_bytes(dataset))

    return write


def of_values(convert: Callable[[np.ndarray], np.ndarray], **tags: Any) -> Callable[[Make, Make, Path], bytes]:
    return lambda make_mr, to_bytes, scratch: to_bytes(make_mr(convert(STORED), **tags))


def without(preamble: bool, meta: bool) -> Callable[[Make, Make, Path], bytes]:
    def write(make_mr: Make, to_bytes: Make, scratch: Path) -> bytes:
        data = to_bytes(make_mr(STORED))
        if meta:
            return bytes(data[132:]) if preamble else data
        # After the preamble, the group length of the meta header says where the dataset begins.
        return bytes(data[144 + int.from_bytes(data[140:144], "little") :])

    return write


def compressed(
    syntax: int, bits: int = 12, codec: Callable[[], Any] | None = None
) -> Callable[[Make, Make, Path], bytes]:
    def write(make_mr: Make, to_bytes: Make, scratch: Path) -> bytes:
        stored = STORED if bits > 8 else (STORED >> 4).astype(np.uint8)
        source, target = scratch / "source.dcm", scratch / "target.dcm"
        source.write_bytes(to_bytes(make_mr(stored, BitsStored=bits)))
        reader = gdcm.ImageReader()
        reader.SetFileName(str(source))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
        change.SetInput(reader.GetImage())
        chosen = codec() if codec else None  # gdcm keeps a bare pointer to it
        if chosen is not None:
            change.SetUserCodec(chosen)
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(str(target))
        assert writer.Write()
        data = target.read_bytes()
        assert str(gdcm.TransferSyntax(syntax).GetString()).encode() in data[:400]
        return data

    return write


def near_lossless() -> Any:
    codec = gdcm.JPEGLSCodec()
    codec.SetLossless(False)
    codec.SetLossyError(5)
    return codec


def wavelets() -> Any:
    codec = gdcm.JPEG2000Codec()
    codec.SetReversible(False)
    codec.SetRate(0, 3)
    return codec


SYNTAX = gdcm.TransferSyntax
WAYS = {
    "implicit VR": Way(plain(ImplicitVRLittleEndian)),
    "explicit VR": Way(plain()),
    "big-endian": Way(plain(ExplicitVRBigEndian)),
    "deflated": Way(plain(DeflatedExplicitVRLittleEndian)),
    "12 bits in 16": Way(plain(BitsStored=12)),
    "without preamble": Way(without(preamble=True, meta=True)),
    "without meta header": Way(without(preamble=True, meta=False)),
    "MONOCHROME1": Way(of_values(lambda x: 65535 - x, PhotometricInterpretation="MONOCHROME1")),
    "MONOCHROME1, 12 bits": Way(of_values(lambda x: 4095 - x, PhotometricInterpretation="MONOCHROME1", BitsStored=12)),
    "signed 16 bits": Way(of_values(lambda x: x.astype("<i2") - np.int16(2048)), offset=2048),
    "signed 16 bits, inverted": Way(
        of_values(lambda x: -1 - x.astype("<i2"), PhotometricInterpretation="MONOCHROME1"),
    ),
    "rescaled": Way(of_values(lambda x: x + np.uint16(24), RescaleSlope="0.5", RescaleIntercept="-12"), unit=2.0),
    "8 bits": Way(of_values(lambda x: (x >> 4).astype(np.uint8)), loss=16, unit=16.0),
    "run lengths": Way(compressed(SYNTAX.RLELossless)),
    "JPEG lossless, process 14": Way(compressed(SYNTAX.JPEGLosslessProcess14)),
    "JPEG lossless, first-order": Way(compressed(SYNTAX.JPEGLosslessProcess14_1)),
    "JPEG-LS": Way(compressed(SYNTAX.JPEGLSLossless)),
    "JPEG-LS, near": Way(compressed(SYNTAX.JPEGLSNearLossless, codec=near_lossless), loss=5),
    "JPEG 2000": Way(compressed(SYNTAX.JPEG2000Lossless)),
    "JPEG 2000, lossy": Way(compressed(SYNTAX.JPEG2000, codec=wavelets), loss=120),
    "JPEG, 8 bits": Way(compressed(SYNTAX.JPEGBaselineProcess1, bits=8), loss=160, unit=16.0),
    "JPEG lossless, 8 bits": Way(compressed(SYNTAX.JPEGLosslessProcess14_1, bits=8), loss=16, unit=16.0),
}
LOSSY = [name for name in WAYS if name in ("JPEG-LS, near", "JPEG 2000, lossy", "JPEG, 8 bits")]


def read(way: Way, make_mr: Make, to_bytes: Make, scratch: Path) -> np.ndarray:
    (frame,) = read_dicom(way.write(make_mr, to_bytes, scratch)).frames
    return np.asarray(frame * way.unit + way.offset)


@pytest.mark.parametrize("name", WAYS)
def test_slice_is_the_same_however_it_is_stored(name: str, make_mr: Make, to_bytes: Make, tmp_path: Path) -> None:
    way = WAYS[name]
    values = read(way, make_mr, to_bytes, tmp_path)
    assert values.shape == STORED.shape
    assert np.abs(values - STORED).max() <= way.loss
    assert np.corrcoef(values.ravel(), STORED.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_ways_do_lose(name: str, make_mr: Make, to_bytes: Make, tmp_path: Path) -> None:
    """Else the tolerances above would prove nothing."""
    values = read(WAYS[name], make_mr, to_bytes, tmp_path)
    assert len(np.unique(values - (STORED >> 4 << 4 if "8 bits" in name else STORED))) > 1
