from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from shared.errors import DataError
from shared.io import pictures as images
from shared.io.pictures import is_picture, is_picture_data, read_picture

GREY = np.arange(60, dtype=np.uint8).reshape(6, 10) * 4


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_grey_and_colour_come_back_to_the_last_value(kind: str) -> None:
    grey = read_picture(encoded(Image.fromarray(GREY), kind), "white")
    assert (grey.dtype, grey.shape) == (np.float32, (6, 10))
    np.testing.assert_array_equal(grey, GREY)
    colour = np.stack([GREY, GREY[::-1], 255 - GREY], axis=2)
    np.testing.assert_array_equal(read_picture(encoded(Image.fromarray(colour), kind), "white"), colour)


def test_jpeg_is_near_the_original() -> None:
    np.testing.assert_allclose(read_picture(encoded(Image.fromarray(GREY), "JPEG", quality=100), "white"), GREY, atol=3)


def test_webp_of_one_frame_is_read() -> None:
    colour = np.stack([GREY, GREY[::-1], 255 - GREY], axis=2)
    data = encoded(Image.fromarray(colour), "WEBP", lossless=True)
    np.testing.assert_array_equal(read_picture(data, "white"), colour)
    assert (
        np.abs(read_picture(encoded(Image.fromarray(GREY), "WEBP", quality=95), "white").mean(axis=2) - GREY).max() < 12
    )
    assert is_picture("a.WebP")
    assert is_picture_data(data)
    frames = encoded(Image.fromarray(colour), "WEBP", save_all=True, append_images=[Image.fromarray(colour[::-1])])
    with pytest.raises(DataError, match="2 pages"):
        read_picture(frames, "white")


@pytest.mark.parametrize(
    "options", [{"lossless": True}, {"quality": 80}, {"quality": 80, "exif": b"Exif\0\0MM\0*\0\0\0\x08"}]
)
def test_size_of_a_webp_is_bounded_before_it_is_opened(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    data = encoded(Image.fromarray(GREY), "WEBP", **options)
    monkeypatch.setattr(images, "MAX_PIXELS", 59)
    monkeypatch.setattr(images, "_open", None)
    with pytest.raises(DataError, match="10 x 6 pixels"):
        read_picture(data, "white")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7", "a PDF document; save its pages"),
        (b"\0\0\0\x1cftypheic", "a HEIC picture"),
        (b"RIFF\0\0\0\0WEBPJUNK", "WebP without an image"),
        (bytes(range(1, 100)), "no picture that is known; read are PNG"),
    ],
)
def test_other_files_are_named_for_what_they_are(data: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_picture(data, "white")


def test_one_bit_is_black_and_white() -> None:
    values = read_picture(encoded(Image.fromarray(GREY > 100)), "white")
    assert set(np.unique(values)) == {0.0, 255.0}


def test_sixteen_bits_are_kept() -> None:
    deep = GREY.astype(np.uint16) * 257
    np.testing.assert_array_equal(read_picture(encoded(Image.fromarray(deep)), "white"), deep)
    np.testing.assert_array_equal(read_picture(encoded(Image.fromarray(deep), "TIFF"), "white"), deep)


def sixteen_bits_with_a_clear_value() -> bytes:
    """A grey PNG of the values 7, which stands for transparent, and 9."""
    header = struct.pack(">IIBBBBB", 2, 1, 16, 0, 0, 0, 0)
    row = zlib.compress(b"\0" + struct.pack(">HH", 7, 9))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"tRNS", struct.pack(">H", 7))
    return data + chunk(b"IDAT", row) + chunk(b"IEND", b"")


def test_transparent_value_of_a_sixteen_bit_png_is_white() -> None:
    np.testing.assert_array_equal(read_picture(sixteen_bits_with_a_clear_value(), "white"), [[65535, 9]])


def test_transparency_becomes_white_paper() -> None:
    alpha = np.zeros((6, 10), dtype=np.uint8)
    alpha[2:4] = 255
    expected = np.where(alpha > 0, GREY, 255)
    grey = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)])
    np.testing.assert_array_equal(read_picture(encoded(grey), "white"), expected)
    colour = Image.merge("RGBA", [*[Image.fromarray(GREY)] * 3, Image.fromarray(alpha)])
    np.testing.assert_array_equal(read_picture(encoded(colour), "white"), np.stack([expected] * 3, axis=2))


def test_white_ink_on_nothing_is_seen_on_black() -> None:
    alpha = np.zeros((6, 10), dtype=np.uint8)
    alpha[2:4] = 255
    white = Image.new("L", (10, 6), 255)
    drawing = encoded(Image.merge("LA", [white, Image.fromarray(alpha)]))
    np.testing.assert_array_equal(read_picture(drawing, "white"), alpha)
    opaque = Image.merge("LA", [white, white])
    assert read_picture(encoded(opaque), "white").min() == 255.0


def test_palette_gives_its_colours_and_its_transparent_entry_white() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 1, 2, 3])
    image.putdata([0, 1, 2])
    data = encoded(image, transparency=2)
    np.testing.assert_array_equal(read_picture(data, "white"), [[[10, 20, 30], [40, 50, 60], [255, 255, 255]]])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_transparency_becomes_black_where_the_application_says_so(kind: str) -> None:
    alpha = np.zeros((6, 10), dtype=np.uint8)
    alpha[2:4], alpha[4] = 255, 128
    expected = np.rint(GREY * (alpha / 255.0))
    grey = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)])
    np.testing.assert_allclose(read_picture(encoded(grey, kind), "black"), expected, atol=1)
    colour = Image.merge("RGBA", [*[Image.fromarray(GREY)] * 3, Image.fromarray(alpha)])
    np.testing.assert_allclose(read_picture(encoded(colour, kind), "black"), np.stack([expected] * 3, axis=2), atol=1)
    white = Image.merge("LA", [Image.new("L", (10, 6), 255), Image.fromarray(alpha)])
    np.testing.assert_allclose(read_picture(encoded(white, kind), "black"), alpha, atol=1)


def test_transparent_entries_and_values_become_black() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 200, 200, 200])
    image.putdata([0, 1, 2])
    data = encoded(image, transparency=2)
    np.testing.assert_array_equal(read_picture(data, "black"), [[[10, 20, 30], [40, 50, 60], [0, 0, 0]]])
    np.testing.assert_array_equal(read_picture(sixteen_bits_with_a_clear_value(), "black"), [[0, 9]])


def test_cmyk_black_is_black() -> None:
    ink = Image.new("CMYK", (8, 8), (0, 0, 0, 255))
    paper = Image.new("CMYK", (8, 8), (0, 0, 0, 0))
    for kind in ("JPEG", "TIFF"):
        assert read_picture(encoded(ink, kind), "white").max() < 5
        assert read_picture(encoded(paper, kind), "white").min() > 250


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8, 99])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_exif_orientation_is_undone(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    data = encoded(Image.fromarray(GREY), kind, exif=exif)
    expected = Image.fromarray(GREY)
    expected.getexif()[images.ORIENTATION] = orientation
    np.testing.assert_array_equal(read_picture(data, "white"), np.asarray(ImageOps.exif_transpose(expected)))


@pytest.mark.parametrize("orientation", [1, 6])
def test_picture_of_several_bands_is_whole(orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (40, 30, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    data = encoded(Image.fromarray(colour), exif=exif)
    at_once = read_picture(data, "white")
    monkeypatch.setattr(images, "BAND", 7)
    np.testing.assert_array_equal(read_picture(data, "white"), at_once)


def test_what_libtiff_says_of_a_damaged_file_is_not_seen(capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded(Image.fromarray(np.tile(GREY, (40, 20))), "TIFF", compression="tiff_lzw")
    strip = data.index(b"\x80", 8)
    with pytest.raises(DataError):
        read_picture(data[: strip + 4] + b"\xff" * 40 + data[strip + 44 :], "white")
    assert capfd.readouterr().err == ""


def test_other_formats_are_refused_by_their_content() -> None:
    for data in (
        b"",
        b"hello",
        b"%PDF-1.7",
        encoded(Image.fromarray(GREY), "GIF"),
        encoded(Image.fromarray(GREY), "PPM"),
    ):
        with pytest.raises(DataError):
            read_picture(data, "white")
    assert is_picture("scan.TIFF")
    assert not is_picture("scan.gif")


def test_several_pages_are_refused() -> None:
    page = Image.fromarray(GREY)
    for kind in ("TIFF", "PNG"):
        data = encoded(page, kind, save_all=True, append_images=[Image.fromarray(255 - GREY)])
        with pytest.raises(DataError, match="2 pages"):
            read_picture(data, "white")


def test_stated_size_is_bounded_before_decoding_and_without_warning() -> None:
    for side in (9_000, 12_000, 60_000):  # beyond our bound, beyond Pillow's warning, beyond Pillow's own bound
        header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        with pytest.raises(DataError):
            read_picture(data, "white")


def test_numbers_that_are_not_finite_are_left_to_the_application() -> None:
    values = np.array([[1.0, np.nan]], dtype=np.float32)
    np.testing.assert_array_equal(read_picture(encoded(Image.fromarray(values), "TIFF"), "white"), values)


def test_truncated_files_are_refused() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP"):
        data = encoded(noise, kind)
        with pytest.raises(DataError):
            read_picture(data[: len(data) // 2], "white")


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "BMP", "TIFF", "WEBP"]),
    place=st.integers(0, 400),
    junk=st.binary(min_size=1, max_size=8),
)
def test_damage_anywhere_gives_pixels_or_a_refusal(kind: str, place: int, junk: bytes) -> None:
    data = bytearray(encoded(Image.fromarray(GREY), kind))
    place %= len(data)
    data[place : place + len(junk)] = junk
    with suppress(DataError):
        pixels = read_picture(bytes(data), "white")
        assert pixels.dtype == np.float32
        assert pixels.ndim in (2, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_picture_is_synthetic_where_its_xmp_says_so(kind: str) -> None:
    image = Image.fromarray(GREY)
    marked = Image.open(io.BytesIO(encoded(image, pnginfo=images.synthetic_png_info())))
    packet = marked.info["XML:com.adobe.xmp"]
    options = {"pnginfo": images.synthetic_png_info()} if kind == "PNG" else {"xmp": packet.encode()}
    if kind == "TIFF":
        options = {"tiffinfo": {700: packet.encode()}}
    assert images.is_synthetic_picture(encoded(image, kind, **options))
    assert not images.is_synthetic_picture(encoded(image, kind))


@pytest.mark.parametrize("source_type", ["digitalCapture", "compositeSynthetic", "algorithmicMediaOfAnotherKind"])
def test_other_sources_of_a_picture_are_not_synthetic(source_type: str) -> None:
    data = encoded(Image.fromarray(GREY), "WEBP", xmp=f'<a b="{images.SOURCE_TYPE}{source_type}"/>'.encode())
    assert not images.is_synthetic_picture(data)


def test_a_damaged_picture_is_not_said_to_be_synthetic() -> None:
    assert not images.is_synthetic_picture(encoded(Image.fromarray(GREY), pnginfo=images.synthetic_png_info())[:40])
