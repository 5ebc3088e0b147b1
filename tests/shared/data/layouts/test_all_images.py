from __future__ import annotations

from pathlib import Path

import pytest

from shared.data.layouts import find_layout
from shared.errors import DataError
from tests.shared.data.layouts.trees import SEARCH, fill


@pytest.mark.parametrize("folder", ["a", "site/a"])
def test_without_labels_folders_are_neither_classes_nor_sites(tmp_path: Path, folder: str) -> None:
    names = (f"{folder}/10.png", f"{folder}/9.png", "1.png", f"{folder}/info.txt")
    layout = find_layout(fill(tmp_path, *names), SEARCH, unlabelled=True)
    assert [(one.place, one.path, one.label, one.domain, one.folders) for one in layout.entries] == [
        ("file 1 (by name)", "1.png", "", "", ()),
        ("file 2 (by name)", f"{folder}/9.png", "", "", ()),
        ("file 3 (by name)", f"{folder}/10.png", "", "", ()),
    ]
    assert layout.unlabelled
    assert layout.notes == ("1 files that are no image were left out.",)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no image"):
        find_layout(fill(tmp_path, "info.txt"), SEARCH, unlabelled=True)
