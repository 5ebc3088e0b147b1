"""What is remembered of a sample, and what belongs together."""

from __future__ import annotations

from shared.samples import Belonging, Dataset, Sample, group_mark


def test_only_a_person_known_beyond_the_dataset_is_known_again() -> None:
    """Patient "1" of one folder is nobody of another; a PatientID is the same person everywhere."""
    assert group_mark(Sample("a", "", group="1")) is None
    assert group_mark(Sample("a", "", group="1f", known_person=True)) == "group:1f"


def test_a_sample_stands_for_itself_where_nothing_else_is_known() -> None:
    samples = [Sample("a", "", group="p", series="s"), Sample("b", "", group="p"), Sample("c", "")]
    belonging = Belonging.of(samples, [0, 0, 1])
    assert belonging.series == ("s", "p", "c")
    assert belonging.groups == ("p", "p", "c")
    assert belonging.of_those([True, False, True]) == Belonging(("s", "c"), ("p", "c"), (0, 1))


def test_a_corrected_further_label_makes_it_another_dataset_and_without_any_it_is_as_ever() -> None:
    def of(**further: str) -> str:
        return Dataset((Sample("a", "a.png", "x", further=further),), ("x",), "hash").fingerprint

    assert len({of(), of(plane="axial"), of(plane="coronal"), of(side="axial")}) == 4
    assert of(plane="axial", side="left") == of(side="left", plane="axial")
