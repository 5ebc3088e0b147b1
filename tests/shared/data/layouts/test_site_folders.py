"""Folders above those of the classes: the configuration says whether they are sites or patients."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from shared.data.layouts import Layout, find_layout
from shared.errors import DataError, MeaningError
from shared.samples import Meanings
from tests.shared.data.layouts.trees import SEARCH, fill, packed

SITES, PATIENTS = Meanings(folders_above="domains"), Meanings(folders_above="groups")


def _said(layout: Layout) -> list[tuple[str, str, str]]:
    return [(entry.domain, entry.label, entry.split) for entry in layout.entries]


@pytest.mark.parametrize("wrapping", ["", "set/", "archive/set/"])
def test_folder_of_the_site_is_the_domain_in_a_folder_and_in_a_zip(tmp_path: Path, wrapping: str) -> None:
    names = ("north/a/1.png", "north/b/1.png", "south/a/10.png", "south/a/9.png", "south/b/2.png")
    root = fill(tmp_path / "root", *(f"{wrapping}{name}" for name in names), "stray.png", f"{wrapping}north/a/info.txt")
    for source in (root, packed(root)):
        layout = find_layout(source, SEARCH, meanings=SITES)
        assert _said(layout) == [
            ("north", "a", ""),
            ("north", "b", ""),
            ("south", "a", ""),
            ("south", "a", ""),
            ("south", "b", ""),
        ]
        assert [entry.path for entry in layout.entries[2:4]] == ["south/a/9.png", "south/a/10.png"]
        assert layout.entries[3].place == "file 2 (by name) in a of south"
        assert layout.used == {"data.folders_above"}
        assert layout.notes == (
            "The 2 folders above those of the classes are domains, as data.folders_above says.",
            "2 files that are no image in a folder above a class were left out.",
        )


def test_folder_of_the_patient_is_the_group_and_no_place_names_it(tmp_path: Path) -> None:
    names = ("smith/a/1.png", "smith/b/1.png", "doe/b/1.png")
    layout = find_layout(fill(tmp_path / "root", *names), SEARCH, meanings=PATIENTS)
    assert [(entry.group, entry.domain, entry.label) for entry in layout.entries] == [
        ("doe", "", "b"),
        ("smith", "", "a"),
        ("smith", "", "b"),
    ]
    assert [entry.place for entry in layout.entries] == [
        "file 1 (by name) in b of folder 1",
        "file 1 (by name) in a of folder 2",
        "file 1 (by name) in b of folder 2",
    ]
    assert not any(name in note for name in ("smith", "doe") for note in layout.notes)


@pytest.mark.parametrize(
    "names",
    [
        ("Train/north/a/1.png", "Train/south/a/1.png", "Test/north/a/1.png"),
        ("north/Train/a/1.png", "south/train/a/1.png", "north/Testing/a/1.png"),
        ("images/north/Train/a/1.png", "images/south/train/a/1.png", "images/north/Testing/a/1.png"),
    ],
)
def test_splits_lie_above_the_sites_or_within_each(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert sorted(_said(find_layout(fill(tmp_path, *names), SEARCH, meanings=SITES))) == [
        ("north", "a", "test"),
        ("north", "a", "train"),
        ("south", "a", "train"),
    ]


def test_folders_below_the_class_are_kept_and_not_named_in_messages(tmp_path: Path) -> None:
    layout = find_layout(fill(tmp_path, "north/a/doe-john/1.png", "south/a/7/x/1.png"), SEARCH, meanings=SITES)
    assert [entry.folders for entry in layout.entries] == [("a", "doe-john"), ("a", "7", "x")]
    assert layout.entries[0].place == "file 1 (by name) in a of north"


@pytest.mark.parametrize(
    "names",
    [
        ("smith/a/1.png", "doe/b/1.png"),
        ("smith/a/1.png", "smith/b/1.png", "doe/a/1.png", "doe/b/1.png"),
        tuple(f"p{n}/a/1.png" for n in range(21)),
    ],
)
def test_folders_that_may_be_sites_or_patients_are_a_question_and_not_named(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    with pytest.raises(MeaningError, match=r"data\.folders_above=domains makes each a domain") as fault:
        find_layout(fill(tmp_path / "root", *names), SEARCH)
    assert f"has {len({name.split('/')[0] for name in names})} folders" in str(fault.value)
    assert not any(name in str(fault.value) for name in ("smith", "doe", "p7"))


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("north/a/1.png", "south/a/1.png", "a/1.png"), "1 images in class, 2 images in site/class"),
        (("north/a/1.png", "south/1.png"), "1 images in folders of no known class, 1 images in site/class"),
        (("north/a/1.png", "south/other/1.png"), "1 images in folders of no known class, 1 images in site/class"),
        (("north/a/1.png", "x/south/a/1.png"), "1 images in site/class, 1 images in site/site/class"),
        (("north/a/1.png", "south/Train/a/1.png"), "1 images in site/class, 1 images in site/split/class"),
        (("Train/north/a/1.png", "Test/a/1.png"), "1 images in split/class, 1 images in split/site/class"),
        (("north/Train/a/1.png", "Test/north/a/1.png"), "1 images in site/split/class, 1 images in split/site/class"),
    ],
)
def test_mixed_depths_are_refused_with_what_was_seen_and_what_is_allowed(
    tmp_path: Path, names: tuple[str, ...], found: str
) -> None:
    with pytest.raises(DataError) as caught:
        find_layout(fill(tmp_path, *names), SEARCH)
    assert f"mixes folders above those of classes with others: {found}; give" in str(caught.value)
    assert "let all images lie in one of site/class, split/site/class" in str(caught.value)
    assert "north" not in str(caught.value)


def test_one_folder_above_the_classes_wraps_them_and_is_no_site(tmp_path: Path) -> None:
    bare = find_layout(fill(tmp_path / "bare", "north/a/1.png", "north/b/1.png"), SEARCH)
    assert (bare.folder, _said(bare)) == ("north/", [("", "a", ""), ("", "b", "")])
    wrapped = find_layout(fill(tmp_path / "wrapped", "set/north/a/1.png", "set/north/b/1.png"), SEARCH)
    assert (wrapped.folder, _said(wrapped)) == ("set/north/", [("", "a", ""), ("", "b", "")])
    split = find_layout(fill(tmp_path / "split", "Train/north/a/1.png", "Test/north/a/1.png"), SEARCH)
    assert sorted(_said(split)) == [("", "a", "test"), ("", "a", "train")]


def test_a_tree_within_a_tree_is_refused_with_the_path_to_give_where_that_is_a_word(tmp_path: Path) -> None:
    words = replace(SEARCH, nearest=lambda name: "" if name == "archive" else None)
    root = fill(tmp_path / "root", "a/1.png", "b/1.png", "archive/a/1.png", "archive/b/1.png", "doe/a/1.png")
    with pytest.raises(DataError, match=re.escape(f"give one tree alone: {root / 'archive'};")) as fault:
        find_layout(root, words)
    assert "doe" not in str(fault.value)
    with pytest.raises(DataError, match="unpack the zip and give one tree alone: archive; or"):
        find_layout(packed(root), words)
    with pytest.raises(DataError, match="give the path of one of the folders that hold folders by class"):
        find_layout(root, SEARCH)


def test_sites_of_unknown_classes_alone_are_folders_by_class(tmp_path: Path) -> None:
    """Nothing tells `site/class` from `class/patient` there: the application decides what it makes of that."""
    layout = find_layout(fill(tmp_path, "north/x/1.png", "south/y/1.png"), SEARCH)
    assert _said(layout) == [("", "north", ""), ("", "south", "")]
