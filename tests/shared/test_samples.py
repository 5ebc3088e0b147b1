"""What is remembered of a sample, and what belongs together."""

from __future__ import annotations

import pytest

from shared.samples import Dataset, Grouping, Position, Sample, global_group_digest


def test_only_a_person_known_beyond_the_dataset_is_known_again() -> None:
    """Patient "1" of one folder is nobody of another; a PatientID is the same person everywhere."""
    assert global_group_digest(Sample("a", "", group="1")) is None
    assert global_group_digest(Sample("a", "", group="1f", has_global_group_id=True)) == "group:1f"


def test_a_sample_stands_for_itself_where_nothing_else_is_known() -> None:
    samples = [Sample("a", "", group="p", series="s"), Sample("b", "", group="p"), Sample("c", "")]
    grouping = Grouping.of(samples, [0, 0, 1])
    assert grouping.series == ("s", "p", "c")
    assert grouping.groups == ("p", "p", "c")
    assert grouping.of_those([True, False, True]) == Grouping(
        ("s", "c"), ("p", "c"), (0, 1), positions=(None, None), alone=(False, True), known=(True, False)
    )


def test_a_group_is_known_where_it_is_more_than_its_series() -> None:
    known = Sample("a", "", group="p", series="s")
    assert known.has_known_group
    assert not Sample("b", "", group="s", series="s").has_known_group
    assert not Sample("c", "").has_known_group
    assert Grouping.of([known, known], [0, 0]).of_those([True, False]).named
    mixed = Grouping.of([known, Sample("c", "")], [0, 1])
    assert not mixed.at([0]).named
    assert mixed.are_named([0])
    assert not mixed.are_named([0, 1])


def test_a_corrected_further_label_makes_it_another_dataset_and_without_any_it_is_as_ever() -> None:
    def of(**auxiliary: str) -> str:
        return Dataset((Sample("a", "a.png", "x", auxiliary=auxiliary),), ("x",), "hash").fingerprint

    assert len({of(), of(plane="axial"), of(plane="coronal"), of(side="axial")}) == 4
    assert of(plane="axial", side="left") == of(side="left", plane="axial")


@pytest.mark.parametrize("position", [Position(-40.25, "mm"), Position(3.0, "slices"), Position(0.5)])
def test_a_position_is_read_as_it_was_written(position: Position) -> None:
    assert Position.parse(str(position)) == position
    assert Position.parse("") is None


def test_the_word_of_earlier_runs_after_a_position_says_nothing() -> None:
    assert Position.parse("3 mm upright") == Position(3.0)


@pytest.mark.parametrize("text", ["3", "3 cm", "x mm", "3 mm upwards", "3 mm upright now"])
def test_a_text_that_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"position|float|unpack"):
        Position.parse(text)


def test_a_selection_keeps_the_positions_of_its_images() -> None:
    samples = [Sample(str(i), "", series="s", position=Position(float(i))) for i in range(4)]
    grouping = Grouping.of(samples, [0, 0, 0, 0])
    assert grouping.at([3, 1]).positions == (Position(3.0), Position(1.0))
    assert grouping.positions_of([2]) == (Position(2.0),)
    assert Grouping(("s",), ("s",), (0,)).positions_of([0]) == (None,)
