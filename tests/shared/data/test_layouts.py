from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from shared.data.layouts import (
    COLUMNS,
    Layout,
    Row,
    Search,
    class_folders,
    collect,
    find_layout,
    natural,
    split_name,
    wrapping_folder,
)
from shared.errors import DataError
from shared.samples import Sample


def no_class(folder: str) -> bool:
    return False


SEARCH = Search(COLUMNS | {"ink": ("ink", "pen")}, lambda name: name.endswith(".png"), no_class, "a/, b/")


def fill(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_numbers_in_names_are_sorted_as_numbers() -> None:
    assert sorted(["a10", "a9", "b", "a"], key=natural) == ["a", "a9", "a10", "b"]


def test_splits_are_known_under_their_usual_names() -> None:
    assert [split_name(word) for word in ("Training", "VAL", " test ", "trainer")] == [
        "train",
        "validation",
        "test",
        None,
    ]


def test_one_folder_above_everything_is_a_wrapping() -> None:
    assert wrapping_folder(["set/a/1.png", "set/b/1.png", "readme"], no_class) == "set/"
    assert wrapping_folder(["a/1.png", "b/1.png"], no_class) == ""
    assert wrapping_folder(["Train/a/1.png"], no_class) == ""
    assert wrapping_folder(["a/1.png", "a/2.png"], no_class) == ""
    assert wrapping_folder(["a/x/1.png"], lambda folder: folder == "a") == ""


def test_files_are_placed_by_split_and_class_and_named_by_their_number_only() -> None:
    names = ["set/Train/a/10.png", "set/Train/a/9.png", "set/Test/a/asha/1.png", "set/stray.png", "other/a/1.png"]
    placed = class_folders(names, "set/")
    assert [(one.split, one.folders, one.path) for one in placed] == [
        ("test", ("a", "asha"), "Test/a/asha/1.png"),
        ("train", ("a",), "Train/a/9.png"),
        ("train", ("a",), "Train/a/10.png"),
    ]
    assert placed[2].place == "file 2 (by name) in Train/a"


def test_place_of_a_file_ends_at_its_class_for_a_folder_below_may_be_a_person() -> None:
    (row,) = class_folders(["a/doe-john/1.png"], "")
    assert row.folders == ("a", "doe-john")
    assert row.place == "file 1 (by name) in a"


def test_folders_by_class_are_found_with_a_note_of_what_was_left_out(tmp_path: Path) -> None:
    layout = find_layout(fill(tmp_path, "set/a/1.png", "set/b/1.png", "set/b/info.txt", "stray.png"), SEARCH)
    assert (layout.folder, layout.table) == ("set/", None)
    assert [(row.label, row.path) for row in layout.rows] == [("a", "a/1.png"), ("b", "b/1.png")]
    assert layout.notes == ("2 files that are no image in a class folder were left out.",)
    assert Path(layout.file("a/1.png")).read_bytes() == b"set/a/1.png"


def test_without_labels_folders_are_no_classes(tmp_path: Path) -> None:
    layout = find_layout(fill(tmp_path, "a/10.png", "a/9.png", "1.png", "a/info.txt"), SEARCH, unlabelled=True)
    assert [(row.place, row.path, row.label, row.folders) for row in layout.rows] == [
        ("file 1 (by name)", "1.png", "", ()),
        ("file 2 (by name)", "a/9.png", "", ()),
        ("file 3 (by name)", "a/10.png", "", ()),
    ]
    assert layout.unlabelled
    with pytest.raises(DataError, match="has no image"):
        find_layout(fill(tmp_path / "empty", "info.txt"), SEARCH, unlabelled=True)


def test_table_is_found_by_its_own_path_and_in_a_tree(tmp_path: Path) -> None:
    table = fill(tmp_path, "tree/x/1.png") / "tree" / "labels.csv"
    table.write_text("Image;Class;Pen;Other\nx\\1.png; a ;blue;z\n")
    for source, folder, name in ((tmp_path, "tree/", "tree/labels.csv"), (table, "", "labels.csv")):
        layout = find_layout(source, SEARCH)
        (row,) = layout.rows
        assert (layout.folder, layout.table) == (folder, name)
        assert (row.place, row.path, row.label, row.split) == ("row 2", "x/1.png", "a", "")
        assert (row.cell("ink"), row.cell("group"), row.cell("other")) == ("blue", "", "")
        assert Path(layout.file(row.path)).read_bytes() == b"tree/x/1.png"


def test_members_of_an_archive_are_found_under_the_names_that_it_gives_them(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("./a/1.png", "./b/1.png"):
            archive.writestr(name, b"x")
    layout = find_layout(tmp_path / "set.zip", SEARCH)
    assert [layout.file(row.path) for row in layout.rows] == [
        f"{tmp_path / 'set.zip'}::./a/1.png",
        f"{tmp_path / 'set.zip'}::./b/1.png",
    ]


def test_several_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"several tables: labels\.csv, manifest\.csv"):
        find_layout(fill(tmp_path, "labels.csv", "manifest.csv"), SEARCH)


def test_missing_files_are_refused_without_their_name(tmp_path: Path) -> None:
    layout = Layout((), fill(tmp_path, "1.png"))
    assert layout.file("1.png") == str(tmp_path / "1.png")
    for path, words in (("doe-john.png", "^the mask does not exist$"), ("", "^the path is empty$")):
        with pytest.raises(DataError, match=words):
            layout.file(path, "mask")


def test_samples_come_in_natural_order_and_all_faults_at_once(tmp_path: Path) -> None:
    rows = [Row(f"row {number}", path, "a") for number, path in enumerate(("10.png", "9.png", "9.png", "bad"), start=2)]

    def samples_of(row: Row) -> list[Sample]:
        if row.path == "bad":
            raise DataError("it is bad")
        return [Sample(f"{row.path}#{frame}", row.path, frame=frame) for frame in (1, 0)]

    found = collect(Layout(rows[:2], tmp_path), samples_of)
    assert [sample.id for sample in found] == ["9.png#0", "9.png#1", "10.png#0", "10.png#1"]
    with pytest.raises(DataError) as caught:
        collect(Layout(rows, tmp_path, table="m.csv"), samples_of)
    assert str(caught.value) == "2 faults in m.csv: row 4: it names the same image as row 3; row 5: it is bad"


def test_further_labels_are_read_under_headings_that_say_so_and_nothing_else_is(tmp_path: Path) -> None:
    table = "path,label,Label: Plane,label:side,patient name\n1.png,a,axial,,Jane\n2.png,b,,left,Jane\n"
    (tmp_path / "labels.csv").write_text(table)
    rows = find_layout(tmp_path / "labels.csv", SEARCH).rows
    assert [dict(row.auxiliary) for row in rows] == [{"plane": "axial"}, {"side": "left"}]
