"""A file may be gone back in, but not for ever."""

from __future__ import annotations

import pytest

from medtl.dicom.bounds import MAX_REREADINGS, REREAD_ALLOWANCE, Metered
from shared.errors import InputRefused


def test_file_that_is_read_again_and_again_is_refused() -> None:
    file = Metered(b"x" * (1 << 20))
    allowed = MAX_REREADINGS + REREAD_ALLOWANCE // (1 << 20)
    for _ in range(allowed):
        assert len(file.read()) == 1 << 20
        assert file.seek(0) == 0
    file.read()
    with pytest.raises(InputRefused, match="have no end"):
        file.seek(0)


def test_a_place_behind_the_end_is_no_more_than_the_end() -> None:
    file = Metered(b"four")
    for _ in range(100):
        assert file.seek(1 << 31) == 1 << 31
        assert file.read() == b""
        assert file.seek(0) == 0
    assert file.read() == b"four"
