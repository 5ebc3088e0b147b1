"""What is missed: bins of sizes, properties and groups, the worst first, with nothing left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.evaluation.cases import Rule, group_cases, pool
from shared.evaluation.evaluate import MIN_DOMAIN, evaluate
from shared.evaluation.finding_size import FindingSize
from shared.evaluation.missed import missed
from shared.evaluation.missed_text import missed_lines, property_tables, size_rows, size_unit
from shared.evaluation.statistics.intervals import wilson
from shared.samples import NOT_STATED, Grouping, Sample

RULE = Rule(("no", "yes"), (False, True), 0.5)


def _result(
    called: Any, truth: Any, groups: Any, sizes: Any = None, samples: list[Sample] | None = None, **acquired: Any
) -> dict[str, Any]:
    """The result of a test: an image for each entry; `acquired` are values of properties, or `domain`."""
    scores = np.where(called, 0.9, 0.1)
    labels = np.asarray(truth, dtype=np.int64)
    if samples is None:
        samples = []
        for i, group in enumerate(groups):
            words = {name: values[i] for name, values in acquired.items() if name != "domain"}
            domain = acquired["domain"][i] if "domain" in acquired else "one"
            samples.append(Sample(str(i), "", group=group, domain=domain, acquisition=words))
    grouping = Grouping.of(samples, [sorted(set(groups)).index(group) for group in groups])
    rows = np.stack([1 - scores, scores], axis=1)
    names = [sample.domain for sample in samples]
    return {
        **evaluate(rows, labels, RULE, grouping=grouping, domains=names),
        "missed": missed(rows, labels, samples, sizes or [None] * len(labels), RULE, grouping),
    }


def _alone(count: int) -> list[str]:
    return [f"g{i:03d}" for i in range(count)]


def test_small_findings_are_told_apart_from_large_ones() -> None:
    # 10 findings of 150 mm2 of which 3 are called, 10 of 3000 mm2 of which 9 are, and 20 images without one
    called = [True] * 3 + [False] * 7 + [True] * 9 + [False] + [False] * 20
    sizes = [FindingSize(0.006, 150.0)] * 10 + [FindingSize(0.12, 3000.0)] * 10 + [None] * 20
    result = _result(called, [1] * 20 + [0] * 20, _alone(40), sizes)
    tree = result["missed"]["sizes"]
    assert (tree["known"], tree["unknown"], tree["unreadable"]) == (20, 0, 0)
    small, large = tree["mm2"]
    assert (small["from"], small["to"], small["median"], small["groups"]) == (0.0, 200.0, 150.0, 10)
    assert (large["from"], large["to"], large["median"]) == (200.0, None, 3000.0)
    assert (small["sensitivity"]["value"], large["sensitivity"]["value"]) == (0.3, 0.9)
    assert (small["sensitivity"]["low"], small["sensitivity"]["high"]) == pytest.approx(wilson(3, 10))
    assert [one["sensitivity"]["value"] for one in tree["share"]] == [0.3, 0.9]
    assert [row["size"] for row in size_rows(tree)] == ["under 200", "200 and more"]
    (line,) = missed_lines(result, "patient", "tumour")
    assert line.startswith(
        "sensitivity by area of the mask (mm2): under 200 (lowest): 0.300 [0.108, 0.603] of 10 images in 10"
    )
    assert line.endswith("size unknown of 0 of 20 positive images")


def test_slices_of_one_patient_make_the_interval_of_a_bin_wider() -> None:
    called = [True] * 10 + [False] * 10
    sizes = [FindingSize(0.03, None)] * 20
    many = _result(called, [1] * 20, _alone(20), sizes)["missed"]["sizes"]["share"][0]["sensitivity"]
    few = _result(called, [1] * 20, ["a"] * 5 + ["b"] * 5 + ["c"] * 5 + ["d"] * 5, sizes)
    bundled = few["missed"]["sizes"]["share"][0]
    assert (bundled["groups"], bundled["sensitivity"]["value"], many["value"]) == (4, 0.5, 0.5)
    assert bundled["sensitivity"]["high"] - bundled["sensitivity"]["low"] > many["high"] - many["low"]


def test_no_miss_is_left_out_of_small_bins() -> None:
    # one very small finding, 6 middling ones, and two very large ones
    sizes = [FindingSize(0.0, None), *[FindingSize(0.03, None)] * 6, FindingSize(0.3, None), FindingSize(0.5, None)]
    (row,) = _result([False] * 9, [1] * 9, _alone(9), sizes)["missed"]["sizes"]["share"]
    assert (row["from"], row["to"], row["sensitivity"]["n"], row["sensitivity"]["successes"]) == (0.0, None, 9, 0)
    rows = _result([False] * 12, [1] * 12, _alone(12), [*sizes, *[FindingSize(0.2, None)] * 3])
    assert [one["sensitivity"]["n"] for one in rows["missed"]["sizes"]["share"]] == [7, 5]


def test_unknown_sizes_are_counted_and_those_with_a_mask_named() -> None:
    samples = [Sample(str(i), "", mask="mask.png" if i < 2 else None, group=f"g{i}") for i in range(8)]
    sizes = [None, *[FindingSize(0.02, None)] * 6, None]
    result = _result([True] * 8, [1] * 8, _alone(8), sizes, samples)
    tree = result["missed"]["sizes"]
    assert (tree["known"], tree["unknown"], tree["unreadable"]) == (6, 2, 1)
    assert "size unknown of 2 of 8 positive images, 1 of them with a mask that cannot be read" in str(
        missed_lines(result, "patient", "tumour")
    )


def test_shares_stand_where_some_spacing_is_not_stated() -> None:
    sizes = [*[FindingSize(0.02, 500.0)] * 6, *[FindingSize(0.03, None)] * 6]
    tree = _result([True] * 12, [1] * 12, _alone(12), sizes)["missed"]["sizes"]
    assert size_unit(tree).startswith("%")
    assert [(row["size"], row["n"]) for row in size_rows(tree)] == [("all", "12")]
    assert tree["mm2"][0]["sensitivity"]["n"] == 6


def test_without_a_known_size_there_is_no_curve() -> None:
    result = _result([True] * 6, [1] * 6, _alone(6))
    assert result["missed"]["sizes"]["share"] == []
    assert missed_lines(result, "patient", "tumour") == []
    few = _result([True] * 6, [1] * 6, _alone(6), [FindingSize(0.1, None), *[None] * 5])
    assert missed_lines(few, "patient", "tumour") == [
        "too few sizes of findings are known for a curve: size unknown of 5 of 6 positive images"
    ]


def test_contrasts_and_domains_stand_the_worst_first() -> None:
    # T2: 1 of 5 called; FLAIR: 4 of 5; not stated: 2 of 5; and T1 with fewer positive images than a rate needs
    called = [True] + [False] * 4 + [True] * 4 + [False] + [True] * 2 + [False] * 3 + [True] * 3
    contrast = ["T2"] * 5 + ["FLAIR"] * 5 + [NOT_STATED] * 5 + ["T1"] * 3
    spacing = [1.0] * 9 + [0.5] * 9
    groups = _alone(18)
    result = _result(
        called,
        [1] * 18,
        groups,
        contrast=contrast,
        plane=["axial"] * 18,
        spacing=spacing,
        domain=["b"] * 5 + ["a"] * 13,
    )
    tree = result["missed"]["properties"]
    assert set(tree) == {"contrast", "domain"}  # the plane is one, the spacing a number
    assert [row["value"] for row in tree["contrast"]] == ["T2", NOT_STATED, "FLAIR", "T1"]
    assert [row["sensitivity"]["value"] for row in tree["contrast"]] == [0.2, 0.4, 0.8, None]
    assert (tree["contrast"][0]["groups"], tree["contrast"][3]["groups"]) == (5, None)
    assert str(MIN_DOMAIN) in tree["contrast"][3]["sensitivity"]["reason"]
    assert tree["contrast"][0]["specificity"]["value"] is None
    assert [row["value"] for row in tree["domain"]] == ["b", "a"]
    assert "sensitivity by contrast, worst first: T2 0.200 [0.036, 0.624] of 5 images; not stated 0.400" in str(
        missed_lines(result, "patient", "tumour")
    )
    (table, _) = property_tables(tree)
    assert (table["name"], table["rows"][3]["groups"]) == ("contrast", "")
    assert table["rows"][3]["sensitivity"].startswith("not defined (fewer than 5")


def test_an_image_without_a_property_counts_as_not_stated() -> None:
    samples = [Sample(str(i), "", acquisition={"contrast": "T2"} if i < 5 else {}) for i in range(10)]
    tree = _result([True] * 10, [1] * 10, _alone(10), None, samples)["missed"]["properties"]
    assert {row["value"]: row["sensitivity"]["n"] for row in tree["contrast"]} == {"T2": 5, NOT_STATED: 5}


def test_a_patient_of_whom_nothing_is_found_is_counted() -> None:
    # patients with 4 positive images each: none, 1, 3, and all of them called; a negative image among the first's
    called = [False] * 4 + [True] + [True] + [False] * 3 + [True] * 3 + [False] + [True] * 4
    truth = [1] * 4 + [0] + [1] * 12
    groups = ["a"] * 5 + ["b"] * 4 + ["c"] * 4 + ["d"] * 4
    # healthy ones: none, one, and three of three images called
    called += [False] * 3 + [True, False, False] + [True] * 3
    truth += [0] * 9
    groups += ["e"] * 3 + ["f"] * 3 + ["g"] * 3
    result = _result(called, truth, groups)
    tree = result["missed"]["groups"]
    assert tree["positive"] == {"none": 1, "under_half": 1, "half_or_more": 1, "all": 1}
    assert tree["negative"] == {"none": 1, "one": 1, "several": 1}
    measures = result["by_group"]
    # the false alarm among the images of the first is no find
    assert (measures["all_images_missed"]["successes"], measures["all_images_missed"]["n"]) == (1, 4)
    assert (measures["all_images_missed"]["low"], measures["all_images_missed"]["high"]) == pytest.approx(wilson(1, 4))
    assert (measures["found_share"]["value"], measures["found_share"]["lowest"]) == (0.5, 0.0)
    assert measures["false_alarm_images"]["value"] == pytest.approx(4 / 3)
    assert (measures["false_alarm_images"]["n"], measures["false_alarm_images"]["highest"]) == (3, 3)
    lines = missed_lines(result, "patient", "tumour")
    assert lines[0].startswith(
        "by patient with a tumour: not one positive image called in 1 of 4, 0.250 [0.046, 0.699]"
    )
    assert lines[1].startswith("by patient without a tumour: 1.333 images called on average in 3, at most 3")


def test_the_median_share_has_an_interval_where_there_are_enough_patients() -> None:
    groups = [f"g{i // 4}" for i in range(80)]
    called = np.random.default_rng(0).random(80) < 0.6
    found = _result(called, [1] * 80, groups)["by_group"]["found_share"]
    shares = called.reshape(20, 4).mean(axis=1)
    assert found["value"] == np.median(shares)
    assert shares.min() <= found["low"] <= found["value"] < found["high"] <= shares.max()


def test_patients_of_several_tests_are_counted_together_and_chosen_with_their_images() -> None:
    rows = np.array([[0.1, 0.9], [0.9, 0.1], [0.9, 0.1]])
    samples = [Sample(str(i), "", group=group) for i, group in enumerate("aab")]
    cases = group_cases(rows, np.array([1, 1, 0]), RULE, Grouping.of(samples, [0, 0, 1]))
    both = pool([cases, cases]).images
    assert both is not None
    assert (both.positive.tolist(), both.found.tolist(), both.called.tolist()) == ([2, 0] * 2, [1, 0] * 2, [1, 0] * 2)
    healthy = cases.where(~cases.truth, 1).images
    assert healthy is not None
    assert (healthy.positive.tolist(), healthy.called.tolist()) == ([0], [0])


def test_images_of_unknown_patients_make_no_groups() -> None:
    result = _result([True, False], [1, 1], ["a", "b"])
    assert result["missed"]["groups"] is None
    assert "by_group" not in result


def test_without_a_positive_class_nothing_is_missed() -> None:
    rows, labels = np.array([[0.9, 0.1]]), np.array([0])
    samples = [Sample("0", "")]
    plain = Rule(("a", "b"), (False, False), 0.5)
    assert missed(rows, labels, samples, [None], plain, Grouping.of(samples, [0])) is None
    assert missed_lines({}, "writer", None) == []
