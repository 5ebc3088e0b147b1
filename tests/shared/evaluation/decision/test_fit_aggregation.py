"""Which aggregation is chosen, and that its calibration is honest."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from shared.evaluation.decision.aggregation import Aggregation
from shared.evaluation.decision.fit_aggregation import CANDIDATES, MIN_UNITS, Choice, choose_aggregation
from shared.evaluation.statistics.groups import group_codes
from shared.samples import Grouping, Position


def _patients(
    seed: int, count: int, slices: int, bright: int, noise: float = 0.5
) -> tuple[np.ndarray, np.ndarray, Grouping]:
    """Slices of `count` patients, half with a finding that shows on `bright` slices."""
    random = np.random.default_rng(seed)
    scores, truth, groups = [], [], []
    for patient in range(count):
        marks = np.zeros(slices, dtype=bool)
        marks[:bright] = patient % 2 == 0
        logits = np.where(marks, 1.5, -1.5) + random.normal(scale=noise, size=slices)
        scores += list(1 / (1 + np.exp(-logits)))
        truth += marks.tolist()
        groups += [f"patient {patient}"] * slices
    return np.array(scores), np.array(truth), _owned(groups)


def _owned(groups: list[str]) -> Grouping:
    places = Counter[str]()
    positions = []
    for group in groups:
        positions.append(Position(5.0 * places[group]))
        places[group] += 1
    return Grouping(tuple(groups), tuple(groups), tuple(group_codes(groups).tolist()), positions=tuple(positions))


def _choose(*shape: int, noise: float = 0.5, seed: int = 0) -> Choice:
    return choose_aggregation(*_patients(seed, *shape, noise=noise))


def test_a_finding_on_one_slice_is_not_averaged_away() -> None:
    choice = _choose(120, 20, 1)
    assert "mean" not in choice.aggregation.pools or len(choice.aggregation.pools) == 3
    assert choice.losses["mean"] > choice.losses["max"]
    assert set(choice.losses) == {"+".join(pools) for pools in CANDIDATES}


def _with_left_out(scores: np.ndarray, truth: np.ndarray, grouping: Grouping) -> tuple[np.ndarray, ...]:
    """The same with one more positive slice at the end of every positive series, which `predict` leaves out."""
    ill = sorted({group for group, is_ill in zip(grouping.groups, truth, strict=True) if is_ill})
    more = _owned([*grouping.groups, *ill])
    flags = (False,) * len(scores) + (True,) * len(ill)
    return np.append(scores, np.zeros(len(ill))), np.append(truth, flags[len(scores) :]), replace(more, unjudged=flags)


def test_slices_that_are_left_out_change_no_score_of_a_series() -> None:
    scores, truth, grouping = _patients(0, 40, 8, 2)
    without, beside = (
        choose_aggregation(scores, truth, grouping),
        choose_aggregation(*_with_left_out(scores, truth, grouping)),
    )
    np.testing.assert_allclose(beside.judged.scores, without.judged.scores)
    assert beside.aggregation == without.aggregation
    assert beside.judged.lengths == without.judged.lengths


def test_a_series_whose_finding_is_left_out_altogether_stays_positive() -> None:
    scores, truth, grouping = _patients(0, 40, 8, 2)
    flags = tuple((truth & (np.arange(len(truth)) < 8)).tolist())
    judged = choose_aggregation(np.where(flags, 0.0, scores), truth, replace(grouping, unjudged=flags)).judged
    assert int(judged.truth.sum()) == 20
    assert judged.scores[0] < 0.5 < judged.scores[2]


def test_a_positive_series_of_which_nothing_is_judged_is_missed() -> None:
    scores, truth, grouping = _patients(0, 40, 8, 8)
    flags = tuple((np.arange(len(truth)) < 8).tolist())
    judged = choose_aggregation(np.where(flags, 0.0, scores), truth, replace(grouping, unjudged=flags)).judged
    assert len(judged.scores) == 40
    assert (judged.scores[-1], judged.truth[-1], judged.groups[-1]) == (0.0, True, "patient 0")


def test_a_finding_on_all_slices_is_better_averaged() -> None:
    choice = _choose(120, 10, 10, noise=3.0)
    assert choice.losses["mean"] < choice.losses["max"]


def test_series_probabilities_are_calibrated_where_the_maximum_is_not() -> None:
    """The maximum of 20 healthy slices lies far above a healthy patient's risk."""
    scores, truth, groups = _patients(1, 200, 20, 1, noise=1.0)
    choice = choose_aggregation(scores, truth, groups)
    raw = np.array([Aggregation(("max",)).probability(scores[i : i + 20]) for i in range(0, len(scores), 20)])
    assert abs(raw.mean() - 0.5) > 0.1
    assert abs(choice.judged.scores.mean() - choice.judged.truth.mean()) < 0.03


def test_scores_come_from_fits_that_did_not_see_the_group() -> None:
    scores, truth, groups = _patients(2, 40, 5, 2)
    choice = choose_aggregation(scores, truth, groups)
    in_sample = np.array([choice.aggregation.probability(scores[i : i + 5]) for i in range(0, len(scores), 5)])
    assert np.abs(choice.judged.scores - in_sample).max() > 1e-4


def test_with_few_patients_or_single_images_the_default_stands() -> None:
    few = _choose(2 * MIN_UNITS - 2, 5, 2)
    assert few.aggregation == Aggregation()
    assert not few.losses
    assert few.reason == (
        "the default, for validation holds 7 independent units with a positive series of several slices and 7 with a "
        "negative one, and a choice needs 8 of each"
    )
    scores, truth, _ = _patients(0, 60, 1, 1)
    single = choose_aggregation(scores, truth, _owned([str(i) for i in range(60)]))
    assert single.aggregation == Aggregation()
    np.testing.assert_allclose(single.judged.scores, scores)


def test_images_that_are_judged_alone_tell_no_pool_from_another() -> None:
    scores, truth, groups = _patients(0, 60, 5, 2)
    pictures = choose_aggregation(scores, truth, replace(groups, alone=(True,) * len(scores)))
    assert (pictures.aggregation, pictures.tried) == (Aggregation(), 1)
    assert len(pictures.judged.scores) == 60


def test_series_of_several_slices_choose_whatever_the_single_images_say() -> None:
    scores, truth, groups = _patients(0, 120, 20, 1)
    singles = 300
    more = Grouping(
        (*groups.series, *(f"p{i}" for i in range(singles))),
        (*groups.groups, *(f"p{i}" for i in range(singles))),
        (*groups.units, *range(1000, 1000 + singles)),
        positions=(*groups.positions, *(None,) * singles),
        alone=(False,) * len(scores) + (True,) * singles,
    )
    random = np.random.default_rng(0)
    mixed = choose_aggregation(
        np.append(scores, random.random(singles)), np.append(truth, random.random(singles) < 0.5), more
    )
    plain = choose_aggregation(scores, truth, groups)
    assert mixed.losses == plain.losses
    assert len(mixed.judged.scores) == 120
    assert not mixed.judged.named
    known = replace(more, known=(True,) * len(scores) + (False,) * singles)
    named = choose_aggregation(
        np.append(scores, random.random(singles)), np.append(truth, random.random(singles) < 0.5), known
    )
    assert named.judged.named  # pictures of unknown patients stand beside, and do not count
    assert plain.reason == (
        "chosen among 5 on 60 independent units with a positive series of several slices and 60 with a negative one"
    )


def test_where_all_patients_have_findings_their_negative_remainders_count_as_negative() -> None:
    scores, truth, groups = _patients(3, 60, 15, 3)
    ill = np.array([int(group.split()[1]) % 2 == 0 for group in groups.groups])
    choice = choose_aggregation(scores[ill], truth[ill], groups.of_those(ill))
    assert choice.losses
    assert choice.judged.remainders == 30
    whole, positive = choice.judged.by_unit()
    assert (positive.sum(), (~positive).sum()) == (30, 30)
    assert whole[positive].mean() > whole[~positive].mean() + 0.5
    # the finding, and the slice next to it, are not in the remainder
    assert sorted({one.slices for one in choice.judged.lengths}) == [11, 15]
    assert "30 with a negative one (30 of them by negative remainders of positive series)" in choice.reason


def test_patients_that_all_have_findings_and_no_remainder_leave_the_default() -> None:
    scores, truth, groups = _patients(0, 40, 5, 2)
    ill = np.array([int(group.split()[1]) % 2 == 0 for group in groups.groups])
    choice = choose_aggregation(scores[ill], truth[ill], groups.of_those(ill))
    assert choice.aggregation == Aggregation()
    assert choice.judged.truth.all()
