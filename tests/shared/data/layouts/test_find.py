from __future__ import annotations

import pkgutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

import shared.data.layouts
from shared.data.layouts import LAYOUTS, LayoutRule, find_layout
from shared.errors import DataError
from shared.registry import Registry
from tests.shared.data.layouts.trees import SEARCH, fill


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> Registry[LayoutRule]:
    """A copy of the registry to which a test may add rules."""
    copy = Registry[LayoutRule]("layout")
    for name in LAYOUTS:
        copy.add(name, LAYOUTS.get(name))
    for module in ("_find", "_layout"):
        monkeypatch.setattr(f"shared.data.layouts.{module}.LAYOUTS", copy)
    return copy


def test_each_file_of_the_package_is_a_layout_of_its_name() -> None:
    files = [module.name for module in pkgutil.iter_modules(shared.data.layouts.__path__)]
    assert sorted(LAYOUTS) == [name for name in files if not name.startswith("_")]


def test_members_of_an_archive_are_found_under_their_names_without_detours(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("./a/1.png", "./b/1.png"):
            archive.writestr(name, b"x")
    layout = find_layout(tmp_path / "set.zip", SEARCH)
    assert [layout.file(entry.path) for entry in layout.entries] == [
        f"{tmp_path / 'set.zip'}::a/1.png",
        f"{tmp_path / 'set.zip'}::b/1.png",
    ]


def test_unknown_layouts_are_refused_with_all_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_layout(fill(tmp_path, "1.png"), SEARCH)
    text = str(caught.value)
    assert text.startswith(
        f"{tmp_path.name} has no layout that is known; give folders by class (a/), or folders by site"
    )
    assert "labels.csv" in text
    for name in ("nothing", "nothing.csv"):
        with pytest.raises(DataError, match=f"{name} does not exist"):
            find_layout(tmp_path / name, SEARCH)


def test_two_layouts_of_one_priority_are_refused_and_a_higher_one_is_taken(
    tmp_path: Path, rules: Registry[LayoutRule]
) -> None:
    tree = fill(tmp_path, "a/1.png")
    twin = rules.add("twin", replace(rules.get("class_folders"), advice=""))
    with pytest.raises(DataError, match="fits several layouts: class_folders and twin; keep the files of one of them"):
        find_layout(tree, SEARCH)
    found = find_layout(tree, SEARCH, unlabelled=True)
    rules.add("higher", replace(twin, recognise=lambda listing, search: found, priority=twin.priority + 1))
    assert find_layout(tree, SEARCH) is found


def test_a_layout_says_which_files_it_takes_by_their_own_path(tmp_path: Path, rules: Registry[LayoutRule]) -> None:
    source = fill(tmp_path, "images.json") / "images.json"
    with pytest.raises(DataError, match="neither a folder nor a zip"):
        find_layout(source, SEARCH)
    table = rules.get("table")
    rules.add("json", replace(table, recognise=lambda *_: None, file_suffixes=(".json",)))
    with pytest.raises(DataError, match="the table has no"):
        find_layout(source, SEARCH)
