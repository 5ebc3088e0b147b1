from __future__ import annotations

from pathlib import Path

import pytest

from shared.data.layouts import ImageEntry, Layout
from shared.errors import DataError
from tests.shared.data.layouts.trees import fill


def test_missing_files_are_refused_without_their_name(tmp_path: Path) -> None:
    layout = Layout((), fill(tmp_path, "1.png"))
    assert layout.file("1.png") == str(tmp_path / "1.png")
    for path, words in (
        ("doe-john.png", "^the mask does not exist$"),
        ("", "^the path of the mask is empty; give one$"),
    ):
        with pytest.raises(DataError, match=words):
            layout.file(path, "mask")


def test_names_that_count_within_a_domain_are_told_apart_across_domains() -> None:
    assert ImageEntry("row 2", "1.png", domain="north").within_domain("7") == "north/7"
    assert ImageEntry("row 2", "1.png", domain="north").within_domain("") == ""
    assert ImageEntry("row 2", "1.png").within_domain("7") == "7"
