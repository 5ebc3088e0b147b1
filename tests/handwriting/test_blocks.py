from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from handwriting.blocks import blocks, file_number
from handwriting.datasets import load
from handwriting.settings import Settings
from shared.errors import ConfigError, DataError


def test_a_block_ends_where_a_class_comes_back() -> None:
    numbers = [10, 11, 20, 30, 31, 40, 50]
    classes = ["a", "a", "b", "a", "a", "c", "b"]
    assert blocks(numbers, classes) == [0, 0, 0, 1, 1, 1, 1]


def test_the_order_in_which_files_are_given_does_not_matter() -> None:
    assert blocks([50, 10, 30, 20], ["b", "a", "a", "b"]) == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("path", "number"),
    [("Train/character_1_ka/10962.png", 10962), ("7.png", 7), ("001_ka.png", None), ("a.png", None)],
)
def test_a_file_number_is_the_whole_name(path: str, number: int | None) -> None:
    assert file_number(path) == number


def _tree(root: Path, names: dict[str, list[str]]) -> Path:
    for folder, files in names.items():
        (root / folder).mkdir(parents=True)
        for name in files:
            Image.new("L", (32, 32), 9).save(root / folder / name)
    return root


def test_images_are_grouped_by_blocks_and_free_of_the_official_split(tmp_path: Path) -> None:
    names = {
        "Train/digit_0": ["1.png", "5.png"],
        "Test/digit_0": ["2.png"],
        "Train/digit_1": ["3.png"],
        "Test/digit_1": ["6.png"],
    }
    samples = load(_tree(tmp_path, names), {"blocks": True}).samples
    groups = {sample.source.rsplit("/", 1)[1]: sample.group for sample in samples}
    assert groups["1.png"] == groups["2.png"] == groups["3.png"] != groups["5.png"] == groups["6.png"]
    assert {sample.split for sample in samples} == {None}


def test_other_file_names_have_no_blocks(tmp_path: Path) -> None:
    tree = _tree(tmp_path, {"ka": ["1.png", "scan.png"], "kha": ["2.png"]})
    with pytest.raises(DataError, match="1 of 3 files"):
        load(tree, {"blocks": True})
    with pytest.raises(ConfigError, match="blocks is 'yes'"):
        Settings.of({"blocks": "yes"})


@pytest.mark.slow
@pytest.mark.data
def test_dhcd_falls_into_34_blocks(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handwriting.datasets.hash_sources", lambda _: "")  # reads all images; blocks are names alone
    counts = Counter(sample.group for sample in load(data_dir / "dhcd.zip", {"blocks": True}).samples)
    assert len(counts) == 34
    assert (min(counts.values()), max(counts.values()), sum(counts.values())) == (39, 11_879, 92_000)
