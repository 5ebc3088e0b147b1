"""Fixtures: Devanagari fonts where the system has them."""

from __future__ import annotations

import pytest

from handwriting.glyphs.fonts import Font, find_fonts
from shared.errors import DataError


@pytest.fixture(scope="session")
def fonts() -> tuple[Font, ...]:
    """All of them; at least three families, as a split needs."""
    try:
        found = find_fonts()
    except DataError as error:
        pytest.skip(str(error))
    if len({font.family for font in found}) < 3:
        pytest.skip("fewer than three families of Devanagari fonts are installed")
    return found
