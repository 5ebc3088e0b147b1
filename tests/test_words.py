"""Docstrings say what they are about: argument texts that only point at another argument are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAYS_NOTHING = re.compile(
    r"^ +[a-z_]+: (Of [^,;:]{1,30}\.|The same\.|By which\.|As of .{1,20}\.|Its options\.|Theirs\.)$", re.MULTILINE
)


@pytest.mark.parametrize("package", ["medtl", "handwriting", "shared"])
def test_no_argument_text_says_nothing(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group(0).strip()}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for match in SAYS_NOTHING.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("text", ["Of the latter.", "The same.", "By which.", "As of `run`.", "Its options."])
def test_such_texts_are_seen(text: str) -> None:
    assert SAYS_NOTHING.search(f"        rule: {text}")
