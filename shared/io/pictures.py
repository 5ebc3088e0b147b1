"""Decodes one picture file from anyone: within bounds, upright, on an opaque ground; refuses doubtful ones."""

from __future__ import annotations

import io
import threading
import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from shared.errors import DataError
from shared.io.foreign import contained
from shared.io.kinds import identify
from shared.io.quiet import suppressed_native_stderr
from shared.io.structure import MAX_PAGES, MAX_SCANS, has_many_scans, tiff_pages

Pixels = NDArray[np.float32]
Ground = Literal["black", "white"]
"""What lies behind transparent parts: nothing that was measured, or paper."""

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
JPEG, TIFFS, EXIF = b"\xff\xd8\xff", (b"II*\0", b"MM\0*"), b"Exif\0\0"
SIGNATURES = (b"\x89PNG\r\n\x1a\n", JPEG, b"BM", *TIFFS)
"""How files of `FORMATS` begin, but for WebP. Source: PNG 5.2; ITU-T T.81 B.1.1.3; the headers of BMP and of TIFF 6.0,
section 2."""
MAX_PIXELS = 64_000_000
"""768 MB as float32 colour: above a slice (2048 x 2048) or a photographed page (50 million), below a full memory."""
ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held. Source: TIFF 6.0, section 8, Orientation."""
TRANSPOSED_ORIENTATIONS = (5, 6, 7, 8)
"""Values of `ORIENTATION` that mean a quarter turn."""
XMP_KEYS = ("XML:com.adobe.xmp", "xmp")
"""Where Pillow keeps the XMP of a PNG, and of the other formats."""
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SYNTHETIC_TYPES = ("algorithmicMedia", "trainedAlgorithmicMedia")
"""IPTC digital source types of pictures that a program made whole. Source: IPTC NewsCodes, digitalsourcetype."""
BAND = 256
"""Rows that are converted at once."""
WHITE, WHITE_16 = 255, 65535
DEEP_GREY = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes of grey with more than 8 bits; converting them to 8 would clip."""

_OPENING = threading.Lock()
"""Python's warning filters belong to all threads: only one thread at a time may change them."""


def is_picture(name: str) -> bool:
    """Whether a file name has, in any case, a suffix of the formats that `read_picture` decodes."""
    return name.lower().endswith(SUFFIXES)


def is_picture_data(data: bytes) -> bool:
    """Whether a file begins like one of the formats that `read_picture` decodes, whatever its name says."""
    return data.startswith(SIGNATURES) or _is_webp(data)


def read_picture(data: bytes, ground: Ground) -> Pixels:
    """Decodes a PNG, JPEG, BMP, TIFF or WebP and turns it upright.

    Palettes and CMYK become RGB.

    Args:
        data: The bytes of the file.
        ground: What transparent parts show. Instead of a white ground, a drawing that is white throughout gets a black
            one, as on a blackboard: it would vanish.

    Returns:
        float32 [rows, columns], or [rows, columns, 3] for colour (red, green, blue); 0 to 255, and grey with more
        than 8 bits in the file's own unit. A TIFF of floating-point numbers may have values that are not finite.

    Raises:
        DataError: The picture is damaged, of another format, too large, or of several pages.
    """
    if not is_picture_data(data):
        kind = identify(data)
        known = f"the file {kind.reason}; " if kind else "the file is no picture that is known; "
        raise DataError(f"{known}read are {', '.join(FORMATS)}")
    if _is_webp(data):
        _check_size(*_webp_size(data))  # Pillow reserves memory for it when it opens the file
    _check_structure(data)
    with contained(_refusal), suppressed_native_stderr(), _open(data) as image:
        _check(image)
        image.load()
        # After loading: Pillow itself turns a TIFF upright then, and takes the tag away.
        return _pixels(image, _orientation(image), ground)


def is_synthetic_picture(data: bytes) -> bool:
    """Tells whether a picture file says that a program made it: by the IPTC Digital Source Type in its XMP.

    Args:
        data: The bytes of a file that `read_picture` decodes.

    Returns:
        Whether the type is one of `SYNTHETIC_TYPES`; False where the file says nothing of its origin or is damaged.

    Source: IPTC Photo Metadata Standard, Digital Source Type; PNG, chunk iTXt "XML:com.adobe.xmp".
    """
    try:
        with suppressed_native_stderr(), _open(data) as image:
            packets = [str(image.info[key]) for key in XMP_KEYS if key in image.info]
    except Exception:  # a codec fed with hostile bytes may raise anything
        return False
    stated = [f"{SOURCE_TYPE}{name}{end}" for name in SYNTHETIC_TYPES for end in "\"'<"]
    return any(one in packet for one in stated for packet in packets)


def synthetic_png_info() -> PngInfo:
    """Makes the text of a PNG that says that a program made it, for Pillow's `save(pnginfo=...)`."""
    info = PngInfo()
    info.add_itxt(
        XMP_KEYS[0],
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}{SYNTHETIC_TYPES[0]}"/></rdf:RDF></x:xmpmeta>',
    )
    return info


def _open(data: bytes) -> PillowImage.Image:
    # Pillow warns of sizes (checked here in `_check`) and of odd metadata, which do not touch the pixels.
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PillowImage.open(io.BytesIO(data), formats=FORMATS)


def _refusal(words: str) -> DataError:
    return DataError(f"the picture {words}")


def _check_structure(data: bytes) -> None:
    """Checks scans and pages by the bytes alone: a decoder would walk through all of them."""
    if data.startswith(JPEG) and has_many_scans(data):
        raise DataError(f"the picture has more than {MAX_SCANS} scans, as no encoder writes; save it again")
    if data.startswith(TIFFS):
        _check_pages(tiff_pages(data))


def _check(image: PillowImage.Image) -> None:
    """Checks size and number of pages by the header alone, before any pixel is decoded."""
    _check_size(image.width, image.height)
    # Phones add a depth map or preview to a JPEG behind the picture itself, so for JPEG the first one is meant.
    _check_pages(getattr(image, "n_frames", 1) if image.format in ("PNG", "WEBP") else 1)


def _check_pages(pages: int) -> None:
    if pages > 1:
        count = f"more than {MAX_PAGES}" if pages > MAX_PAGES else str(pages)
        raise DataError(f"the picture has {count} pages; save each one as a file of its own")


def _orientation(image: PillowImage.Image) -> object:
    """How the camera was held, by the EXIF of a picture; 1 where it does not say."""
    exif = image.info.get("exif", b"").removeprefix(EXIF)
    if exif.startswith(TIFFS):
        tiff_pages(exif)
    return image.getexif().get(ORIENTATION, 1)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise DataError(f"the picture has {width} x {height} pixels; at most {MAX_PIXELS} are read")


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height that a WebP picture states in its first chunk. Source: RFC 9649, sections 2.5 to 2.7.

    Raises:
        DataError: Its first chunk is none that states them.
    """
    if data[12:16] == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if data[12:16] == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    raise DataError("the picture is damaged: it is a WebP without an image")


def _pixels(image: PillowImage.Image, orientation: object, ground: Ground) -> Pixels:
    """Flattens the picture band by band into an upright array: several forms of the whole would fill the memory."""
    lying: tuple[int, ...] = (image.height, image.width)
    upright = lying[::-1] if orientation in TRANSPOSED_ORIENTATIONS else lying
    mode = "F" if image.mode in DEEP_GREY else "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    pixels = np.empty((*upright, 3) if mode == "RGB" else upright, dtype=np.float32)
    view = _lying(pixels, orientation)
    _fill(view, image, mode, ground)
    if ground == "white" and mode != "F" and image.has_transparency_data and pixels.min() == WHITE:
        # white strokes on nothing, as drawing programs in dark colours save them: on white they would vanish
        _fill(view, image, mode, "black")
    return pixels


def _fill(view: Pixels, image: PillowImage.Image, mode: str, ground: Ground) -> None:
    for top in range(0, image.height, BAND):
        bottom = min(image.height, top + BAND)
        view[top:bottom] = _flat(image.crop((0, top, image.width, bottom)), mode, ground)


def _flat(band: PillowImage.Image, mode: str, ground: Ground) -> NDArray[np.generic]:
    if mode == "F":
        pixels = np.asarray(band, dtype=np.float32)
        clear = band.info.get("transparency")
        # In a 16-bit grey PNG one value may stand for transparent (PNG, 11.3.2.1).
        level = np.float32(WHITE_16 if ground == "white" else 0)
        return np.where(pixels == clear, level, pixels) if isinstance(clear, int) else pixels
    if band.has_transparency_data:
        behind = PillowImage.new("RGBA", band.size, ground)
        band = PillowImage.alpha_composite(behind, band.convert("RGBA"))
    return np.asarray(band.convert(mode))


def _lying(upright: Pixels, orientation: object) -> Pixels:
    """Returns a view of an upright array turned as the camera stored the picture, by the orientation of EXIF.

    An unknown value means that it was stored upright (EXIF 2.32, 4.6.4).
    """
    if orientation in (2, 3, 6, 7):
        upright = upright[:, ::-1]
    if orientation in (3, 4, 7, 8):
        upright = upright[::-1]
    return upright.swapaxes(0, 1) if orientation in TRANSPOSED_ORIENTATIONS else upright
