"""Takes a multipart message (RFC 2046) apart while it comes in, within bounds; nothing of it stays in memory here.

python-multipart bounds the headers of a part: 8, of 4 KiB each.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from shared.errors import MedtlError

SILENT = logging.Logger("silent", logging.CRITICAL + 1)
"""In place of the parser's, which tells each damaged message a second time, and quotes bytes of it."""


class MultipartFault(MedtlError):
    """A multipart message is damaged; the message is the reason."""


class TooManyParts(MultipartFault):
    """A multipart message has more parts than are taken."""


class Taker(Protocol):
    """Takes the parts of a message one after the other; what its methods raise, `Parts.feed` raises."""

    def begin(self, headers: Mapping[str, bytes]) -> None:
        """Begins a part.

        Args:
            headers: Its headers; their names are in small letters.
        """

    def data(self, data: bytes) -> None:
        """Takes the next bytes of the part."""

    def end(self) -> None:
        """Ends the part, all of which has come."""


def content_type(value: str) -> tuple[str, Mapping[str, str]]:
    """Reads a Content-Type: the type in small letters, and its parameters; both are empty where there is none.

    Args:
        value: What the message states.
    """
    kind, options = parse_options_header(value)
    return kind.decode("latin-1").lower(), {
        name.decode("latin-1").lower(): text.decode("latin-1") for name, text in options.items()
    }


class Parts:
    """Hands the parts of a message to a taker.

    Args:
        boundary: What the message states as its boundary.
        taker: Takes the parts.
        max_parts: Largest number of parts.

    Raises:
        MultipartFault: The boundary cannot be one.
    """

    def __init__(self, boundary: str, taker: Taker, max_parts: int) -> None:
        self._taker, self._left, self._ended = taker, max_parts, False
        self._headers: dict[str, bytes] = {}
        self._header = bytearray(), bytearray()
        callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": lambda: taker.begin(self._headers),
            "on_part_data": lambda data, start, end: taker.data(data[start:end]),
            "on_part_end": taker.end,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary.encode("latin-1", "replace"), callbacks)  # type: ignore[arg-type]
            self._parser.logger = SILENT
        except FormParserError:
            raise MultipartFault("the multipart message has a boundary that is not allowed") from None

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes of the message.

        Args:
            chunk: Any number of bytes.

        Raises:
            MultipartFault: They go beyond a bound, or are no such message.
        """
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise MultipartFault("the multipart message is damaged") from None

    def finish(self) -> None:
        """Checks that the message has come to its end.

        Raises:
            MultipartFault: It has not.
        """
        if not self._ended:
            raise MultipartFault("the multipart message ends too soon")

    def _begin(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooManyParts("the multipart message has too many parts")
        self._headers = {}

    def _end_header(self) -> None:
        name, value = (bytes(one) for one in self._header)
        for one in self._header:
            one.clear()
        self._headers[name.decode("latin-1").lower()] = value

    def _end(self) -> None:
        self._ended = True
