from __future__ import annotations

from pathlib import Path

from shared.data.layouts import find_layout
from shared.data.layouts.class_folders import class_folders
from tests.shared.data.layouts.trees import SEARCH, fill


def test_files_are_placed_by_split_and_class_and_named_by_their_number_only() -> None:
    names = ["Test/a/asha/1.png", "Train/a/9.png", "Train/a/10.png", "stray.png"]
    placed = class_folders(names, SEARCH)
    assert [(one.split, one.folders, one.path) for one in placed] == [
        ("test", ("a", "asha"), "Test/a/asha/1.png"),
        ("train", ("a",), "Train/a/9.png"),
        ("train", ("a",), "Train/a/10.png"),
    ]
    assert placed[2].place == "file 2 (by name) in Train/a"


def test_place_of_a_file_ends_at_its_class_for_a_folder_below_may_be_a_person() -> None:
    (entry,) = class_folders(["a/doe-john/1.png"], SEARCH)
    assert entry.folders == ("a", "doe-john")
    assert entry.place == "file 1 (by name) in a"


def test_folders_by_class_are_found_with_a_note_of_what_was_left_out(tmp_path: Path) -> None:
    layout = find_layout(fill(tmp_path, "set/a/1.png", "set/other/1.png", "set/b/info.txt", "stray.png"), SEARCH)
    assert (layout.folder, layout.table) == ("set/", None)
    assert [(entry.label, entry.path) for entry in layout.entries] == [("a", "a/1.png"), ("other", "other/1.png")]
    assert {entry.domain for entry in layout.entries} == {""}
    assert layout.notes == ("2 files that are no image in a class folder were left out.",)
    assert Path(layout.file("a/1.png")).read_bytes() == b"set/a/1.png"
