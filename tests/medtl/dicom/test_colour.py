"""Grey images in every colour encoding that MR images come in, and true colour."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRBigEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from medtl.dicom import bounds as dicom_bounds
from medtl.dicom.reader import read_dicom
from medtl.inputs import read_inputs
from shared.errors import InputRefused

ROWS, COLUMNS = 40, 48
GREY = (np.add.outer(np.arange(ROWS), np.arange(COLUMNS)) * 2 + 10).astype(np.uint8)
COLOURED = np.stack([GREY, GREY, GREY], axis=-1)
COLOURED[5:9, 5:9] = (200, 30, 30)
Make = Callable[..., Any]


def refusal(data: bytes) -> str:
    with pytest.raises(InputRefused) as caught:
        read_dicom(data)
    return str(caught.value)


def in_rgb(make_mr: Make, colours: np.ndarray) -> Dataset:
    return make_mr(colours)


def in_planes(make_mr: Make, colours: np.ndarray) -> Dataset:
    return make_mr(colours, PlanarConfiguration=1, PixelData=np.ascontiguousarray(colours.transpose(2, 0, 1)).tobytes())


def _ybr(colours: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(colours).convert("YCbCr"))


def in_ybr(make_mr: Make, colours: np.ndarray) -> Dataset:
    return make_mr(_ybr(colours), PhotometricInterpretation="YBR_FULL")


def in_ybr_planes(make_mr: Make, colours: np.ndarray) -> Dataset:
    dataset = in_planes(make_mr, _ybr(colours))
    dataset.PhotometricInterpretation = "YBR_FULL"
    return dataset


def in_ybr_422(make_mr: Make, colours: np.ndarray) -> Dataset:
    ybr = _ybr(colours)
    pairs = np.stack([ybr[:, ::2, 0], ybr[:, 1::2, 0], ybr[:, ::2, 1], ybr[:, ::2, 2]], axis=-1)
    return make_mr(ybr, PhotometricInterpretation="YBR_FULL_422", PixelData=pairs.tobytes())


def in_run_lengths(make_mr: Make, colours: np.ndarray) -> Dataset:
    dataset = make_mr(colours)
    dataset.compress(RLELossless)
    return dataset


def _compressed(
    make_mr: Make, colours: np.ndarray, syntax: UID, photometric: str, form: str, **options: Any
) -> Dataset:
    stream = io.BytesIO()
    Image.fromarray(colours).save(stream, form, **options)
    dataset = make_mr(colours, PhotometricInterpretation=photometric, PixelData=encapsulate([stream.getvalue()]))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset["PixelData"].is_undefined_length = True
    return dataset


def in_jpeg_422(make_mr: Make, colours: np.ndarray) -> Dataset:
    return _compressed(make_mr, colours, JPEGBaseline8Bit, "YBR_FULL_422", "JPEG", quality=95, subsampling="4:2:2")


def in_jpeg_full(make_mr: Make, colours: np.ndarray) -> Dataset:
    return _compressed(make_mr, colours, JPEGBaseline8Bit, "YBR_FULL", "JPEG", quality=95, subsampling="4:4:4")


def in_jpeg_rgb(make_mr: Make, colours: np.ndarray) -> Dataset:
    return _compressed(make_mr, colours, JPEGBaseline8Bit, "RGB", "JPEG", quality=95, keep_rgb=True)


def in_jpeg_2000(make_mr: Make, colours: np.ndarray) -> Dataset:
    return _compressed(make_mr, colours, JPEG2000Lossless, "YBR_RCT", "JPEG2000", mct=1, no_jp2=True)


def in_palette(make_mr: Make, colours: np.ndarray, bits: int = 16, first: int = 0, **tags: Any) -> Dataset:
    """Each grey value, or else the one colour, by its entry; entries of 16 bits are 256 times those of 8."""
    grey, colour = (colours[..., 0] == colours[..., 1]), np.array([200, 30, 30])
    stored = np.where(grey, colours[..., 0], 255).astype(np.uint8)
    table = np.repeat(np.arange(first, 256)[:, None], 3, axis=1)
    table[-1] = table[-1] if grey.all() else colour
    entries = (table * 256).astype("<u2") if bits == 16 else table.astype(np.uint8)
    palette: dict[str, Any] = {}
    for index, name in enumerate(("Red", "Green", "Blue")):
        palette[f"{name}PaletteColorLookupTableDescriptor"] = [len(entries), first, bits]
        palette[f"{name}PaletteColorLookupTableData"] = entries[:, index].tobytes()
    return make_mr(stored, PhotometricInterpretation="PALETTE COLOR", **palette | tags)


ENCODINGS = (
    in_rgb,
    in_planes,
    in_ybr,
    in_ybr_planes,
    in_ybr_422,
    in_run_lengths,
    in_jpeg_422,
    in_jpeg_full,
    in_jpeg_rgb,
    in_jpeg_2000,
)
LOSSY = (in_jpeg_422, in_jpeg_full, in_jpeg_rgb)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_grey_that_is_stored_as_colour_is_read_as_grey(encoding: Make, make_mr: Make, to_bytes: Make) -> None:
    frames = read_dicom(to_bytes(encoding(make_mr, np.stack([GREY] * 3, axis=-1)))).frames
    assert frames.shape == (1, ROWS, COLUMNS)
    assert frames.dtype == np.float32
    np.testing.assert_allclose(frames[0], GREY, atol=6 if encoding in LOSSY else 1)


@pytest.mark.parametrize("encoding", [*ENCODINGS, in_palette])
def test_colours_are_refused_as_a_map(encoding: Make, make_mr: Make, to_bytes: Make) -> None:
    assert "derived map in colour" in refusal(to_bytes(encoding(make_mr, COLOURED)))


@pytest.mark.parametrize(("bits", "unit"), [(16, 256.0), (8, 1.0)])
def test_palette_of_greys_is_applied(make_mr: Make, to_bytes: Make, bits: int, unit: float) -> None:
    colours = np.stack([GREY] * 3, axis=-1)
    frames = read_dicom(to_bytes(in_palette(make_mr, colours, bits))).frames
    np.testing.assert_array_equal(frames[0], GREY * unit)
    clipped = read_dicom(to_bytes(in_palette(make_mr, colours, bits, first=50))).frames
    np.testing.assert_array_equal(clipped[0], np.maximum(GREY, 50) * unit)


def test_palette_of_a_big_endian_file_is_read(make_mr: Make, to_bytes: Make) -> None:
    dataset = in_palette(make_mr, np.stack([GREY] * 3, axis=-1))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    for name in ("Red", "Green", "Blue"):
        element = dataset[f"{name}PaletteColorLookupTableData"]
        element.VR, element.value = "OW", np.frombuffer(element.value, "<u2").astype(">u2").tobytes()
    np.testing.assert_array_equal(read_dicom(to_bytes(dataset)).frames[0], GREY * 256.0)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"RedPaletteColorLookupTableData": b"\0" * 20}, "entries are missing"),
        ({"RedPaletteColorLookupTableDescriptor": [255, 0, 16]}, "differ in length"),
        ({"SegmentedRedPaletteColorLookupTableData": b"\0\0"}, "segmented palette"),
    ],
)
def test_damaged_palettes_are_refused(make_mr: Make, to_bytes: Make, tags: dict[str, Any], reason: str) -> None:
    assert reason in refusal(to_bytes(in_palette(make_mr, np.stack([GREY] * 3, axis=-1), **tags)))


def test_missing_palette_is_said(make_mr: Make, to_bytes: Make) -> None:
    assert "lacks the palette" in refusal(to_bytes(make_mr(GREY, PhotometricInterpretation="PALETTE COLOR")))


@pytest.mark.parametrize("encoding", [in_rgb, in_ybr_422])
def test_truncated_colour_is_refused(encoding: Make, make_mr: Make, to_bytes: Make) -> None:
    data = to_bytes(encoding(make_mr, np.stack([GREY] * 3, axis=-1)))
    assert "is truncated" in refusal(data[:-20])


def test_three_samples_a_pixel_count_as_three(make_mr: Make, to_bytes: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    data = to_bytes(in_rgb(make_mr, np.stack([GREY] * 3, axis=-1)))
    monkeypatch.setattr(dicom_bounds, "MAX_PIXELS", 3 * ROWS * COLUMNS)
    assert read_dicom(data).frames.any()
    monkeypatch.setattr(dicom_bounds, "MAX_PIXELS", 3 * ROWS * COLUMNS - 1)
    assert "40 x 48 pixels with 3 samples each" in refusal(data)


@pytest.mark.parametrize("encoding", [in_jpeg_full, in_jpeg_2000])
def test_codestream_with_more_samples_than_stated_is_not_decoded(encoding: Make, make_mr: Make, to_bytes: Make) -> None:
    dataset = encoding(make_mr, np.stack([GREY] * 3, axis=-1))
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    assert "has not the samples" in refusal(to_bytes(dataset))


def test_series_of_maps_in_colour_is_refused_with_one_reason(make_mr: Make, to_bytes: Make, tmp_path: Path) -> None:
    for index in range(3):
        dataset = in_rgb(make_mr, COLOURED)
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 5 * index], [1, 0, 0, 0, 1, 0]
        (tmp_path / f"{index}.dcm").write_bytes(to_bytes(dataset))
    (item,) = read_inputs([tmp_path])
    assert item.refusal == "is a derived map in colour; only grey MR images are judged"
