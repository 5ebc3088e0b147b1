"""What the configuration says of folders and labels, and what is asked where it says nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from shared.config.read import load_config
from shared.data.layouts import find_layout
from shared.data.layouts._classes import folded, in_yaml, on_command_line, question
from shared.errors import ConfigError, MeaningError
from shared.samples import LEAVE_OUT, Meanings
from tests.shared.data.layouts.trees import SEARCH, fill

WORDS = {"other a": "a", "pred": LEAVE_OUT, "thing": ""}
ASKING = replace(SEARCH, classes=("a", "b", "c"), nearest=WORDS.get)


def test_a_class_that_is_not_known_is_a_question_with_the_key_to_set(tmp_path: Path) -> None:
    with pytest.raises(MeaningError) as caught:
        find_layout(fill(tmp_path / "set", "a/1.png", "pred/1.png", "thing/1.png"), ASKING)
    assert str(caught.value) == (
        "set has 2 classes that are not known: 'pred' (nearest: leave_out), 'thing'. Say what each is, for example "
        "data.classes.pred=leave_out data.classes.thing=CLASS, or in YAML data: {classes: {pred: leave_out, thing: "
        "CLASS}}; allowed are a, b, c, and leave_out. The nearest meaning is a guess"
    )


def test_names_that_are_no_words_are_counted_and_where_they_are_most_no_name_is_shown(tmp_path: Path) -> None:
    one = question(["pred", "doe-john"], ASKING)
    assert "'pred'" in one
    assert "the name of 1 is not shown here" in one
    most = question(["pred", "doe-john", "smith"], ASKING)
    assert most.startswith("has 3 classes that are not known; the names of 3 are not shown here")
    assert not any(name in one + most for name in ("doe", "smith"))
    assert "pred" not in most
    table = fill(tmp_path, "1.png") / "labels.csv"
    table.write_text("path,label\n1.png,doe-john\n")
    with pytest.raises(MeaningError, match=r"labels\.csv has 1 class that is not known; its name is not shown"):
        find_layout(table, ASKING)


def test_a_name_with_a_line_break_is_not_shown() -> None:
    assert "\n" not in question(["pred\n"], replace(ASKING, nearest=lambda _: "a"))


def test_many_words_are_counted() -> None:
    names = {f"w{number}" for number in range(20)}
    assert "and 12 more" in question(names, replace(ASKING, nearest=lambda _: ""))


@pytest.mark.parametrize("name", ["Other A", "other-a", "other_a", " other  a"])
def test_what_is_told_is_read_and_noted_in_any_case_with_blanks_or_hyphens(tmp_path: Path, name: str) -> None:
    tree = fill(tmp_path, "Other-a/1.png", "Other-a/2.png", "b/1.png", "pred/1.png")
    layout = find_layout(tree, ASKING, meanings=Meanings({name: "a", "pred": LEAVE_OUT}))
    assert [(entry.label, entry.path) for entry in layout.entries] == [
        ("a", "Other-a/1.png"),
        ("a", "Other-a/2.png"),
        ("b", "b/1.png"),
    ]
    assert layout.used == {f"data.classes.{name}", "data.classes.pred"}
    assert layout.notes == (
        f"2 images of {name!r} were read as a, as data.classes says.",
        "1 images of 'pred' were left out, as data.classes says.",
    )


def test_letters_that_are_stored_as_two_are_one() -> None:
    assert folded("Sag\u0306lıklı") == folded("sa\u011flıklı")
    assert folded("Größe") == folded("GRÖSSE")


def test_a_folder_that_is_told_counts_as_a_class_within_sites_and_below_a_wrapping_folder(tmp_path: Path) -> None:
    tree = fill(tmp_path / "sites", "north/x/1.png", "south/x/1.png")
    told = Meanings({"x": "a"}, "domains")
    assert {(entry.domain, entry.label) for entry in find_layout(tree, ASKING, meanings=told).entries} == {
        ("north", "a"),
        ("south", "a"),
    }
    tree = fill(tmp_path / "double", "a/1.png", "b/1.png", "copy/a/1.png", "copy/b/1.png")
    whole = find_layout(tree, ASKING, meanings=Meanings({"copy": LEAVE_OUT}))
    assert [entry.path for entry in whole.entries] == ["a/1.png", "b/1.png"]


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({"pred": "d"}, "'d' is no known class; allowed are a, b, c in any known spelling, and leave_out"),
        ({"pred": ""}, "'' is no known class"),
        ({"x y": "a", "X-Y": "b"}, "'x y' and 'X-Y' are one name with two meanings"),
    ],
)
def test_meanings_that_cannot_be_are_refused_whatever_the_data_are(
    tmp_path: Path, classes: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        find_layout(tmp_path / "nowhere", ASKING, meanings=Meanings(classes))


def test_without_proposals_unknown_classes_are_their_own(tmp_path: Path) -> None:
    tree = fill(tmp_path, "a/1.png", "sign of a teacher/1.png")
    layout = find_layout(tree, SEARCH, meanings=Meanings({"a": "another"}))
    assert [entry.label for entry in layout.entries] == ["another", "sign of a teacher"]


@pytest.mark.parametrize(
    "classes", [{"pred": "a"}, {"normal brain": "a", "x": "b"}, {"T1.w": "a"}, {"здоровый": "a"}, {"no": "b"}]
)
def test_what_a_message_says_to_write_is_read_as_it_was_meant(classes: dict[str, str]) -> None:
    import shlex

    words = shlex.split(on_command_line(classes))
    assert load_config(None, words).data.classes == classes
    assert yaml.safe_load(in_yaml(classes)) == classes


@pytest.mark.parametrize("word", ["data.classes.x=no", "data.classes={yes: tumour}"])
def test_yes_and_no_without_quotes_are_not_guessed(word: str) -> None:
    with pytest.raises(ConfigError, match="put them in quotes"):
        load_config(None, [word])
