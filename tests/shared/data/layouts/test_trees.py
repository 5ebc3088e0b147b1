"""Trees as people download them: wrapped, split deep down, doubled, with masks and augmented copies."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from shared.data.layouts import find_layout
from shared.errors import DataError
from tests.shared.data.layouts.trees import SEARCH, fill

MASKED = replace(SEARCH, is_mask=lambda name: "mask" in name)


@pytest.mark.parametrize(
    "form",
    [
        "{split}/{name}",
        "dataset/images/{split}/{name}",
        "{split}/images/{name}",
        "images/{split}/{name}",
        "x/archive (1)/{split}/{name}",
        "{split}/{split}/{name}",
        "{split}/{name}/images",
        "{split}_images/{name}",
    ],
)
def test_splits_deep_down_are_found_and_folders_that_say_nothing_are_passed(tmp_path: Path, form: str) -> None:
    for split in ("TRAIN", "valid", "Testing"):
        for name in ("a", "b"):
            fill(tmp_path, f"{form.format(split=split, name=name)}/1.png")
    layout = find_layout(tmp_path, SEARCH)
    assert {(entry.split, entry.label, entry.folders) for entry in layout.entries} == {
        (split, name, (name,)) for split in ("train", "validation", "test") for name in ("a", "b")
    }
    assert all(Path(layout.file(entry.path)).is_file() for entry in layout.entries)


@pytest.mark.parametrize("folder", ["augmented data", "Augmented", "data_aug", "augmentation/x"])
def test_augmented_copies_beside_originals_are_left_out_and_counted(tmp_path: Path, folder: str) -> None:
    tree = fill(tmp_path, "a/1.png", "b/1.png", f"{folder}/a/1.png", f"{folder}/b/1.png", "a/info.txt")
    layout = find_layout(tree, SEARCH)
    assert [entry.path for entry in layout.entries] == ["a/1.png", "b/1.png"]
    assert layout.notes == (
        "2 files that are augmented copies by their folders were left out.",
        "1 files that are no image in a class folder were left out.",
    )


def test_augmented_copies_alone_are_the_data(tmp_path: Path) -> None:
    layout = find_layout(fill(tmp_path, "augmented/a/1.png", "augmented/b/1.png"), SEARCH)
    assert [entry.label for entry in layout.entries] == ["a", "b"]


def test_originals_beside_augmented_copies_are_wrapped_and_no_site(tmp_path: Path) -> None:
    layout = find_layout(fill(tmp_path, "original/a/1.png", "original/b/1.png", "augmented/a/1.png"), SEARCH)
    assert [(entry.domain, entry.label) for entry in layout.entries] == [("", "a"), ("", "b")]


def test_masks_are_left_out_and_counted(tmp_path: Path) -> None:
    tree = fill(tmp_path, "a/1.png", "a/1_mask.png", "b/1.png", "masks/b/1.png")
    for unlabelled in (False, True):
        layout = find_layout(tree, MASKED, unlabelled=unlabelled)
        assert sorted(entry.path for entry in layout.entries) == ["a/1.png", "b/1.png"]
        assert layout.notes == ("2 files that are masks by their names were left out.",)


def test_a_folder_of_masks_alone_is_said_to_be_that(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="and 2 masks by their names, which are no images"):
        find_layout(fill(tmp_path, "a/1_mask.png", "b/1_mask.png"), MASKED)


@pytest.mark.parametrize("folder", ["dataset", "images"])
def test_a_tree_twice_is_refused_with_the_path_to_give(tmp_path: Path, folder: str) -> None:
    tree = fill(tmp_path, "a/1.png", "b/1.png", f"{folder}/a/1.png", f"{folder}/b/1.png")
    with pytest.raises(DataError) as caught:
        find_layout(tree, SEARCH)
    assert "folders by class in 2 places" in str(caught.value)
    assert str(caught.value).endswith(f"give one tree alone: {tmp_path / folder}")


@pytest.mark.parametrize("wrapped", ["", "x/"])
def test_a_tree_within_one_of_its_own_name_is_refused_with_the_path_to_give(tmp_path: Path, wrapped: str) -> None:
    root = tmp_path / "Heads"
    inner = f"{wrapped}Heads" if not wrapped else "x/x"
    tree = fill(root, *(f"{at}{name}/1.png" for at in (wrapped, f"{inner}/") for name in "ab"))
    with pytest.raises(DataError, match=re.escape(f"give one tree alone: {root / inner};")):
        find_layout(tree, SEARCH)


@pytest.mark.parametrize("form", ["{split}/{kind}/1", "{kind}/{split}/1", "export/{split}/{kind}/1"])
def test_an_export_of_boxes_says_that_its_folders_say_no_class(tmp_path: Path, form: str) -> None:
    for split in ("train", "valid"):
        fill(tmp_path, f"{form.format(split=split, kind='images')}.png")
        fill(tmp_path, f"{form.format(split=split, kind='labels')}.txt")
    with pytest.raises(DataError, match=r"2 images with a text file of the same name.*\(YOLO\).*labels\.csv"):
        find_layout(tmp_path, SEARCH)
