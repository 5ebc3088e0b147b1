from __future__ import annotations

from shared.layouts import class_folders, natural, split_name, wrapping_folder


def no_class(folder: str) -> bool:
    return False


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
