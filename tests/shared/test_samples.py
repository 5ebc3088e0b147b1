"""What is remembered of a sample, and what belongs together."""

from __future__ import annotations

from shared.samples import Dataset, Grouping, Sample, global_group_digest


def test_only_a_person_known_beyond_the_dataset_is_known_again() -> None:
    """Patient "1" of one folder is nobody of another; a PatientID is the same person everywhere."""
    assert global_group_digest(Sample("a", "", group="1")) is None
    assert global_group_digest(Sample("a", "", group="1f", has_global_group_id=True)) == "group:1f"


def test_a_sample_stands_for_itself_where_nothing_else_is_known() -> None:
    samples = [Sample("a", "", group="p", series="s"), Sample("b", "", group="p"), Sample("c", "")]
    grouping = Grouping.of(samples, [0, 0, 1])
    assert grouping.series == ("s", "p", "c")
    assert grouping.groups == ("p", "p", "c")
    assert grouping.of_those([True, False, True]) == Grouping(("s", "c"), ("p", "c"), (0, 1))


def test_a_group_is_known_where_it_is_more_than_its_series() -> None:
    known = Sample("a", "", group="p", series="s")
    assert known.has_known_group
    assert not Sample("b", "", group="s", series="s").has_known_group
    assert not Sample("c", "").has_known_group
    assert Grouping.of([known, known], [0, 0]).of_those([True, False]).named
    assert not Grouping.of([known, Sample("c", "")], [0, 1]).at([0]).named


def test_a_corrected_further_label_makes_it_another_dataset_and_without_any_it_is_as_ever() -> None:
    def of(**auxiliary: str) -> str:
        return Dataset((Sample("a", "a.png", "x", auxiliary=auxiliary),), ("x",), "hash").fingerprint

    assert len({of(), of(plane="axial"), of(plane="coronal"), of(side="axial")}) == 4
    assert of(plane="axial", side="left") == of(side="left", plane="axial")
