"""A multipart message is taken apart within bounds."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from shared.io.multipart import MultipartFault, Parts


class Taken:
    """Keeps the headers and bytes of the parts."""

    def __init__(self) -> None:
        self.parts: list[tuple[dict[str, bytes], bytearray]] = []
        self.ended = 0

    def begin(self, headers: Mapping[str, bytes]) -> None:
        self.parts.append((dict(headers), bytearray()))

    def data(self, data: bytes) -> None:
        self.parts[-1][1].extend(data)

    def end(self) -> None:
        self.ended += 1


def test_parts_are_the_same_however_the_message_is_cut() -> None:
    message = b"--b\r\nContent-Type: a/b\r\nX: y\r\n\r\none\r\n--bb\r\n--b\r\n\r\n\r\n--b--\r\n"
    for size in (1, 7, len(message)):
        taken = Taken()
        parts = Parts("b", taken, 2)
        for start in range(0, len(message), size):
            parts.feed(message[start : start + size])
        parts.finish()
        assert taken.parts == [({"content-type": b"a/b", "x": b"y"}, b"one\r\n--bb"), ({}, b"")]
        assert taken.ended == 2


@pytest.mark.parametrize("headers", [b"A: b\r\n" * 9, b"A: " + b"b" * 5000 + b"\r\n", b"A" * 5000 + b": b\r\n"])
def test_headers_of_a_part_are_bounded(headers: bytes, caplog: pytest.LogCaptureFixture) -> None:
    taken = Taken()
    parts = Parts("b", taken, 2)
    with pytest.raises(MultipartFault, match="damaged"):
        for start in range(0, len(headers), 1000):
            parts.feed((b"" if start else b"--b\r\n") + headers[start : start + 1000])
    with pytest.raises(MultipartFault, match="damaged"):
        Parts("b", taken, 2).feed(b"SURNAME")
    assert taken.parts == []
    assert caplog.text == ""  # what is damaged is said once, without its bytes
