from __future__ import annotations

from pathlib import Path

import pytest

from shared.data.layouts import Layout, find_layout
from shared.errors import DataError
from tests.shared.data.layouts.trees import SEARCH, fill, packed


def _said(layout: Layout) -> list[tuple[str, str, str]]:
    return [(entry.domain, entry.label, entry.split) for entry in layout.entries]


@pytest.mark.parametrize("wrapping", ["", "set/"])
def test_folder_of_the_site_is_the_domain_in_a_folder_and_in_a_zip(tmp_path: Path, wrapping: str) -> None:
    names = ("north/a/1.png", "north/b/1.png", "south/a/10.png", "south/a/9.png", "south/b/2.png")
    root = fill(tmp_path / "root", *(f"{wrapping}{name}" for name in names), "stray.png", f"{wrapping}north/a/info.txt")
    for source in (root, packed(root)):
        layout = find_layout(source, SEARCH)
        assert _said(layout) == [
            ("north", "a", ""),
            ("north", "b", ""),
            ("south", "a", ""),
            ("south", "a", ""),
            ("south", "b", ""),
        ]
        assert [entry.path for entry in layout.entries[2:4]] == ["south/a/9.png", "south/a/10.png"]
        assert layout.entries[3].place == "file 2 (by name) in south/a"
        assert layout.notes == (
            "The folders above the classes are taken for sites (2); if they are patients, list the files in labels.csv "
            "with the column group.",
            "2 files that are no image in a folder of a site and a class were left out.",
        )


@pytest.mark.parametrize(
    "names",
    [
        ("Train/north/a/1.png", "Train/south/a/1.png", "Test/north/a/1.png"),
        ("north/Train/a/1.png", "south/train/a/1.png", "north/Testing/a/1.png"),
    ],
)
def test_splits_lie_above_the_sites_or_within_each(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert sorted(_said(find_layout(fill(tmp_path, *names), SEARCH))) == [
        ("north", "a", "test"),
        ("north", "a", "train"),
        ("south", "a", "train"),
    ]


def test_folders_below_the_class_are_kept_and_not_named_in_messages(tmp_path: Path) -> None:
    layout = find_layout(fill(tmp_path, "north/a/doe-john/1.png", "south/a/7/x/1.png"), SEARCH)
    assert [entry.folders for entry in layout.entries] == [("a", "doe-john"), ("a", "7", "x")]
    assert layout.entries[0].place == "file 1 (by name) in north/a"


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("smith/a/1.png", "doe/b/1.png"), "has 2 folders above those of the classes, and 2 of them lack a class"),
        (("smith/a/1.png", "smith/b/1.png", "doe/b/1.png"), "and 1 of them lack a class: they may be patients"),
        (tuple(f"p{n}/a/1.png" for n in range(21)), "has 21 folders above those of the classes, and 0 of them lack"),
    ],
)
def test_folders_that_may_be_patients_are_refused_and_not_named(
    tmp_path: Path, names: tuple[str, ...], found: str
) -> None:
    with pytest.raises(DataError, match="with the column group for patients") as fault:
        find_layout(fill(tmp_path / "root", *names), SEARCH)
    assert found in str(fault.value)
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
    assert f"mixes folders of sites with others: {found}; allowed is one of site/class, split/site/class" in str(
        caught.value
    )
    assert "north" not in str(caught.value)


def test_one_site_alone_is_a_wrapping_folder_and_a_site_below_one(tmp_path: Path) -> None:
    bare = find_layout(fill(tmp_path / "bare", "north/a/1.png", "north/b/1.png"), SEARCH)
    assert (bare.folder, _said(bare)) == ("north/", [("", "a", ""), ("", "b", "")])
    wrapped = find_layout(fill(tmp_path / "wrapped", "set/north/a/1.png", "set/north/b/1.png"), SEARCH)
    assert (wrapped.folder, _said(wrapped)) == ("set/", [("north", "a", ""), ("north", "b", "")])
    split = find_layout(fill(tmp_path / "split", "Train/north/a/1.png", "Test/north/a/1.png"), SEARCH)
    assert sorted(_said(split)) == [("north", "a", "test"), ("north", "a", "train")]


def test_sites_of_unknown_classes_alone_are_folders_by_class(tmp_path: Path) -> None:
    """Nothing tells `site/class` from `class/patient` there: the application decides what it makes of that."""
    layout = find_layout(fill(tmp_path, "north/x/1.png", "south/y/1.png"), SEARCH)
    assert _said(layout) == [("", "north", ""), ("", "south", "")]
