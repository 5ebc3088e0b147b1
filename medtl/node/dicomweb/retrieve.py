"""WADO-RS: hands out result objects, whole or as metadata. Source: DICOM PS3.18, section 10.4."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pydicom

from medtl.dicom.reader import untrusted_decoding
from medtl.node.dicomweb.catalog import as_json
from medtl.node.dicomweb.stow import DICOM
from shared.io.multipart import content_type

BLOCK = 1 << 18
MULTIPART, JSON, ANY = "multipart/related", "application/dicom+json", "*/*"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
"""Transfer Syntax UID of all results."""


def is_accepted(accept: str) -> bool:
    """Says whether a client takes several DICOM files as they are.

    Args:
        accept: The header Accept of its request; empty: it takes anything.
    """
    for one in accept.split(",") if accept.strip() else [ANY]:
        kind, options = content_type(one.strip())
        whole = kind in (ANY, "multipart/*") or (kind == MULTIPART and options.get("type", DICOM).lower() == DICOM)
        if whole and options.get("transfer-syntax", "*") in ("*", EXPLICIT_LITTLE_ENDIAN):
            return True
    return False


def multipart(paths: Sequence[Path]) -> tuple[str, Iterator[bytes]]:
    """Makes the body of a response with DICOM files: its Content-Type, and its bytes while files are read.

    Args:
        paths: The files; where one was deleted meanwhile, the body breaks off.
    """
    boundary = secrets.token_hex(16)
    return f'{MULTIPART}; type="{DICOM}"; boundary={boundary}', _body(paths, boundary)


def _body(paths: Sequence[Path], boundary: str) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            yield f"--{boundary}\r\nContent-Type: {DICOM}\r\n\r\n".encode()
            while block := file.read(BLOCK):
                yield block
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def metadata(path: Path) -> dict[str, Any]:
    """Reads all attributes of a result but its pixels, as DICOM JSON.

    Args:
        path: Its file.

    Raises:
        OSError: It was deleted meanwhile.
        InputRefused: It is damaged.
    """
    with path.open("rb") as file, untrusted_decoding():
        return as_json(pydicom.dcmread(file, stop_before_pixels=True))
