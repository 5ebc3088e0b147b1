"""Receives an upload: writes `multipart/form-data` (RFC 7578) into its folder chunk by chunk, within bounds.

No file is held in memory, and every bound is checked before it is exceeded. No file name leads out of the folder of the
upload: each part of it must be a plain name, and no link is ever made there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from python_multipart.multipart import parse_options_header

from shared.errors import MedtlError, machine_fault
from shared.io.archives import SEPARATOR
from shared.io.multipart import MultipartFault, Parts, TooManyParts
from shared.io.multipart import content_type as read_content_type

FIELD = "files"
MAX_BYTES = 2 << 30
"""2 GiB: a study of several thousand slices."""
MAX_FILES = 10_000
MAX_PARTS = MAX_FILES + 8
MAX_FIELD_BYTES = 8192
MAX_NAME_BYTES = 200
"""Longest name of a file or folder; file systems take 255, and some bytes are left for partial names."""
MAX_DEPTH = 16
STALLED_S = 30.0
"""Seconds without a byte after which the sender counts as lost."""


class RequestRefused(MedtlError):
    """A request was refused; the message is the reason.

    Attributes:
        status: The HTTP status of the response.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


async def receive(
    body: AsyncIterator[bytes], content_type: str, folder: Path, max_bytes: int = MAX_BYTES
) -> dict[str, str]:
    """Writes the files of a request into a folder.

    Args:
        body: Chunks of the request's body.
        content_type: The `Content-Type` that the request states.
        folder: An empty folder; nothing is written outside of it.
        max_bytes: Largest number of bytes of the whole body.

    Returns:
        The values of the other fields, by name.

    Raises:
        RequestRefused: The body is no multipart form, exceeds a bound, has no file, or a file name is not allowed.
    """
    kind, options = read_content_type(content_type)
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not boundary:
        raise RequestRefused("send files as multipart/form-data, in parts named `files`", 415)
    writer = _Writer(folder)
    try:
        try:
            too_large = f"the upload is larger than {max_bytes >> 20} MiB"
            await feed(body, Parts(boundary, writer, MAX_PARTS), max_bytes, too_large)
        except TooManyParts:
            raise RequestRefused(f"the upload has more than {MAX_FILES} files", 413) from None
        except MultipartFault as fault:
            raise RequestRefused(str(fault)) from None
        except OSError as error:
            if (number := machine_fault(error)) is None:
                raise
            raise RequestRefused(f"the server cannot store it: {os.strerror(number)}; try again later", 507) from None
    finally:
        writer.close()
    if not writer.files:
        raise RequestRefused("the upload has no file; send at least one, in a part named `files`")
    return writer.fields


def upload_path(folder: Path, name: str) -> Path:
    """Returns the path that an uploaded file gets; nothing is made.

    Args:
        folder: Folder of the upload.
        name: The file's name as it was sent, with slashes between folders.

    Raises:
        RequestRefused: The name leads out of the folder, or no file can have it.
    """
    parts = name.split("/")
    if len(parts) > MAX_DEPTH or any(_is_odd(part) for part in parts):
        raise RequestRefused(
            "a file has a name that is not allowed (an absolute path, `..`, `::`, or control characters)"
        )
    return folder / PurePosixPath(*parts)


def _is_odd(part: str) -> bool:
    return (
        part in ("", ".", "..")
        or "\\" in part
        or SEPARATOR in part
        or not part.isprintable()
        or len(part.encode()) > MAX_NAME_BYTES
    )


async def feed(body: AsyncIterator[bytes], parts: Parts, max_bytes: int, too_large: str) -> None:
    """Hands a body to the parts of its message, each chunk in a thread, for it may wait for the disk.

    Args:
        body: Chunks of the request's body.
        parts: Takes them.
        max_bytes: Largest number of bytes of the whole body.
        too_large: The reason that is given where it has more.

    Raises:
        RequestRefused: The body has more, or the sender counts as lost.
        TooManyParts: It has more parts than `parts` takes.
        MultipartFault: It is no multipart message.
    """
    taken = 0
    async for chunk in _unstalled(body):
        taken += len(chunk)
        if taken > max_bytes:
            raise RequestRefused(too_large, 413)
        await asyncio.to_thread(parts.feed, chunk)
    parts.finish()


async def _unstalled(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Hands on the chunks of a body, and gives a sender up that sends nothing for `STALLED_S`.

    Args:
        body: Chunks of the request's body.

    Raises:
        RequestRefused: The sender counts as lost.
    """
    while True:
        try:
            async with asyncio.timeout(STALLED_S):
                chunk = await anext(body, None)
        except TimeoutError:
            raise RequestRefused(f"no byte arrived for {STALLED_S:g} s; send the files again", 408) from None
        if chunk is None:
            return
        yield chunk


@dataclass
class _Writer:
    """Takes the parts of a form, and writes each file to its path."""

    folder: Path
    files: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    _field: str | None = None
    _value: bytearray = field(default_factory=bytearray)
    _stream: BinaryIO | None = None

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def begin(self, headers: Mapping[str, bytes]) -> None:
        """Opens a file or a field for the part, by its header."""
        self._field, self._value = None, bytearray()
        _, options = parse_options_header(headers.get("content-disposition", b""))
        try:
            name = options.get(b"name", b"").decode()
            file_name = options[b"filename"].decode() if b"filename" in options else None
        except UnicodeDecodeError:
            raise RequestRefused("a name in the form is not UTF-8") from None
        if file_name is None:
            self._field = name
            return
        if name != FIELD:
            raise RequestRefused(f"a file came in a part that is not named `{FIELD}`")
        self.files += 1
        if self.files > MAX_FILES:
            raise RequestRefused(f"the upload has more than {MAX_FILES} files", 413)
        path = upload_path(self.folder, file_name)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._stream = path.open("xb")
        except (FileExistsError, NotADirectoryError):
            raise RequestRefused("two files of the upload have the same name") from None

    def data(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.write(data)
            return
        self._value.extend(data)
        if len(self._value) > MAX_FIELD_BYTES:
            raise RequestRefused(f"a field of the form is longer than {MAX_FIELD_BYTES} bytes", 413)

    def end(self) -> None:
        self.close()
        if self._field is not None:
            self.fields[self._field] = self._value.decode(errors="replace")
