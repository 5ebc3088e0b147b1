from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handwriting.datasets import load, read
from shared.errors import ConfigError, DataError


def picture(path: Path, value: int = 200) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.zeros((12, 10), dtype=np.uint8)
    grey[2:10, 3:7] = value
    Image.fromarray(grey).save(path)


def packed(root: Path) -> Path:
    target = root.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as file:
        for path in root.rglob("*"):
            file.write(path, path.relative_to(root))
    return target


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_dhcd_keeps_its_official_split_in_folder_and_zip(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for split, count in (("Train", 3), ("Test", 2)):
        for name in ("character_10_yna", "character_2_kha", "digit_0"):
            for number in range(count):
                picture(root / "DevanagariHandwrittenCharacterDataset" / split / name / f"{number}.png", 100 + number)
    plain, zipped = load(root, {}), load(packed(root), {})
    assert plain.classes == ("kha", "yna", "digit_0")
    assert Counter((s.split, s.label) for s in plain.samples) == {
        (split, name): count for split, count in (("train", 3), ("test", 2)) for name in plain.classes
    }
    assert {(s.domain, s.group) for s in plain.samples} == {("dhcd", None)}
    assert [s.id for s in plain.samples] == [s.id for s in zipped.samples]
    assert plain.content_hash == zipped.content_hash
    np.testing.assert_array_equal(read(plain.samples[0]), read(zipped.samples[0]))


def test_nhcd_groups_by_writer_across_its_families(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for family, folder in (("consonants", "1"), ("numerals", "0"), ("vowels", "12")):
        for writer in ("001", "002"):
            picture(root / "nhcd" / family / folder / f"{writer}_01.jpg")
    dataset = load(root, {})
    assert dataset.classes == ("ka", "digit_0", "vowel_12")
    groups = {s.group for s in dataset.samples}
    assert len(groups) == 2
    assert not groups & {"001", "002", None}
    assert {s.domain for s in dataset.samples} == {"nhcd"}
    assert [Path(s.source).name for s in dataset.samples[:2]] == ["001_01.jpg", "002_01.jpg"]
    assert dataset.samples[0].group != dataset.samples[1].group


def test_nhcd_may_be_given_without_its_wrapping_folder_or_with_one_family(tmp_path: Path) -> None:
    picture(tmp_path / "both" / "vowels" / "1" / "001_01.jpg")
    picture(tmp_path / "both" / "numerals" / "3" / "001_01.jpg")
    picture(tmp_path / "one" / "vowels" / "1" / "001_01.jpg")
    assert load(tmp_path / "both", {}).classes == ("digit_3", "vowel_1")
    assert load(tmp_path / "one", {}).classes == ("vowel_1",)


def test_any_folders_by_class_with_a_note_of_what_is_unknown_or_left_out(tmp_path: Path) -> None:
    for name in ("ka", "ख", "mystery"):
        picture(tmp_path / name / "1.png")
    picture(tmp_path / "stray.png")
    (tmp_path / "ka" / "notes.txt").write_text("hello")
    dataset = load(tmp_path, {})
    assert dataset.classes == ("ka", "kha", "mystery")
    assert {s.domain for s in dataset.samples} == {"unknown"}
    assert "2 files" in dataset.notes[0]
    assert "'mystery'" in dataset.notes[1]


def test_tree_that_fits_no_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load(tmp_path / "missing", {})
    (tmp_path / "flat").mkdir()
    picture(tmp_path / "flat" / "1.png")
    with pytest.raises(DataError, match="no layout"):
        load(tmp_path / "flat", {})
    picture(tmp_path / "deep" / "ka" / "good" / "1.png")
    picture(tmp_path / "deep" / "kha" / "1.png")
    with pytest.raises(DataError, match="within ka lies another folder"):
        load(tmp_path / "deep", {})
    picture(tmp_path / "nhcd" / "consonants" / "37" / "001_01.png")
    with pytest.raises(DataError, match="within consonants lies another folder"):
        load(tmp_path / "nhcd", {})


def test_table_gives_everything_a_sample_can_have(tmp_path: Path) -> None:
    for name in ("a1", "a2", "b1"):
        picture(tmp_path / "images" / f"{name}.png", 100 + ord(name[0]) + int(name[1]))
    lines = (
        "Path;Label;Writer;Domain;Split;Remark",
        "images\\a1.png;क;asha;village;train;x",
        "images/b1.png;digit_0;;;val;",
        "images/a2.png;character_1_ka;asha;village;;",
    )
    beside = load(table(tmp_path / "list.csv", *lines), {})
    table(tmp_path / "images" / "labels.csv", *(line.replace("images\\", "").replace("images/", "") for line in lines))
    within = load(packed(tmp_path / "images"), {})
    for dataset in (beside, within):
        assert [(s.label, s.domain, s.split) for s in dataset.samples] == [
            ("ka", "village", "train"),
            ("ka", "village", None),
            ("digit_0", "unknown", "validation"),
        ]
        first, second, third = (s.group for s in dataset.samples)
        assert first == second
        assert first not in (None, "asha")
        assert third is None
        assert read(dataset.samples[2]).max() == 199


def test_faults_of_a_table_are_reported_together_without_file_names(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    source = table(
        tmp_path / "m.csv",
        "path,label,split",
        "a.png,ka,train",
        "a.png,kha,",
        "asha.png,ka,",
        "a.png,,",
        ",ka,",
        "a.png,ka,x",
    )
    with pytest.raises(DataError) as caught:
        load(source, {})
    text = str(caught.value)
    assert text.startswith("5 faults in m.csv")
    for words in (
        "row 3: it names the same image as row 2",
        "row 4: the file does not exist",
        "row 6: the path of the file is empty; give one",
    ):
        assert words in text
    assert "asha" not in text


def test_table_without_columns_or_rows_is_refused(tmp_path: Path) -> None:
    for lines, words in (
        (("path,kind", "a.png,ka"), "no column label"),
        (("path,label",), "no row"),
        (("path,image,label", "a,b,c"), "for one thing"),
        (("path,label", "a,b,c"), "more fields"),
    ):
        with pytest.raises(DataError, match=words):
            load(table(tmp_path / "m.csv", *lines), {})


def test_options_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown option 'colour'"):
        load(tmp_path, {"colour": 1})


def test_damaged_file_is_refused_when_it_is_read_and_can_be_found(tmp_path: Path) -> None:
    (tmp_path / "ka").mkdir()
    (tmp_path / "ka" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    with pytest.raises(DataError, match=r"damaged .*, in '.*/ka/1\.png'$"):
        read(load(tmp_path, {}).samples[0])


@pytest.mark.data
def test_real_sets_have_the_counts_that_were_published(data_dir: Path) -> None:
    nhcd = load(data_dir / "nhcd.zip", {})
    assert (len(nhcd.samples), len(nhcd.classes)) == (12_912, 58)
    counts = Counter(s.label for s in nhcd.samples)
    assert {counts["ka"], counts["digit_7"], counts["vowel_12"]} == {205, 288, 221}
    assert all(s.group for s in nhcd.samples)


@pytest.mark.data
@pytest.mark.slow
def test_dhcd_has_its_official_split(data_dir: Path) -> None:
    dhcd = load(data_dir / "dhcd.zip", {})
    assert Counter(s.split for s in dhcd.samples) == {"train": 78_200, "test": 13_800}
    assert set(Counter((s.split, s.label) for s in dhcd.samples).values()) == {1_700, 300}
    assert len(dhcd.classes) == 46


def test_further_labels_of_a_table_come_with_the_sample(tmp_path: Path) -> None:
    for number in (1, 2):
        picture(tmp_path / f"{number}.png", 100 + number)
    path = table(tmp_path / "labels.csv", "path,label,label:pen", "1.png,ka,ball", "2.png,kha,")
    assert [dict(s.auxiliary) for s in load(path, {}).samples] == [{"pen": "ball"}, {}]
