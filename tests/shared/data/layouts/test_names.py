from __future__ import annotations

import pytest

from shared.data.layouts import normal_path, parse_split, split_name
from shared.data.layouts._names import natural, wrapping_folder
from shared.errors import DataError


def no_class(folder: str) -> bool:
    return False


def test_numbers_in_names_are_sorted_as_numbers() -> None:
    assert sorted(["a10", "a9", "b", "a"], key=natural) == ["a", "a9", "a10", "b"]


def test_splits_are_known_under_their_usual_names() -> None:
    words = ("Training", "VAL", " test ", "trainer")
    assert [split_name(word) for word in words] == ["train", "validation", "test", None]
    words = ("train_set", "Training Data", "valid-images", "testset", "data", "set", "test_1", "contest_set")
    assert [split_name(word) for word in words] == ["train", "train", "validation", "test", None, None, None, None]


def test_a_split_is_a_known_word_or_empty() -> None:
    assert [parse_split(text) for text in ("", "Testing")] == [None, "test"]
    with pytest.raises(DataError, match="the split is 'holdout'; allowed are train, validation, test or nothing"):
        parse_split("holdout")


def test_paths_of_a_table_lose_detours_and_backslashes() -> None:
    assert [normal_path(path) for path in ("x\\1.png", "./x/../1.png", "")] == ["x/1.png", "1.png", ""]


def test_one_folder_above_everything_is_a_wrapping() -> None:
    assert wrapping_folder(["set/a/1.png", "set/b/1.png", "readme"], no_class) == "set/"
    assert wrapping_folder(["x/set/Train/a/1.png", "x/set/Test/a/1.png", "x/2.png"], no_class) == "x/set/"
    assert wrapping_folder(["a/1.png", "b/1.png"], no_class) == ""
    assert wrapping_folder(["Train/a/1.png"], no_class) == ""
    assert wrapping_folder(["a/1.png", "a/2.png"], no_class) == ""
    assert wrapping_folder(["a/x/1.png"], lambda folder: folder == "a") == ""
