"""Simulates how often a certificate says more than is true: `python -m benchmarks.certificates [--draws 1000]`.

Each draw makes a validation, chooses and certifies on it as a run does, and compares what is then stated with the truth
of the model that was chosen. All models of a scene are equally good in truth, so that the best on validation is chance:
the worst case for a choice. Beside what is stated stands what would be stated without the rule that the scene tests.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from shared.data.descriptors import CopyRule
from shared.evaluation.calibration import fit_temperature, softmax
from shared.evaluation.decision.aggregation import MIN_PROBABILITY, Aggregation
from shared.evaluation.decision.decide import Decision, decide
from shared.evaluation.decision.operating_point import OperatingPoint
from shared.evaluation.decision.pools import top_weights
from shared.evaluation.decision.selective import Rejection
from shared.evaluation.statistics.intervals import Evidence, clopper_pearson_lower, level_among, wilson
from shared.runs.certificate import models_among, restated
from shared.runs.record import ModelRecord
from shared.samples import Grouping, Sample
from shared.task import Preprocessing
from shared.training.selection import RULES

DRAWS = 1000
ILL, HEALTHY = 40, 40
"""Patients of each kind in a validation, as in the demo."""
CENTRE = 1.0
"""Mean logit of an ill patient's images; of a healthy one's it is the negative."""
LIKENESS = 0.5
"""Correlation of the logits of two slices of a patient, and of two models on one image."""
FRESH = 5000
"""Patients or writers by which the truth is counted where no formula gives it."""
POSITIVE = np.array([False, True])

Random = np.random.Generator
Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Outcome:
    """One draw.

    Attributes:
        truth: The true sensitivity, or the true error among accepted answers.
        stated: What a person is told; None: nothing.
        before: What a person would be told without the rule that the scene tests; None where it tests none.
        is_error: Whether they are errors, which a bound must not be below, and no sensitivities.
    """

    truth: float
    stated: float | None
    before: float | None = None
    is_error: bool = False

    def broken(self, value: float | None) -> bool:
        """Says whether a bound promises more than is true."""
        return value is not None and (value < self.truth if self.is_error else value > self.truth)


Draw = Callable[[Random], Outcome]


def sensitivity(threshold: float) -> float:
    """Computes the true share of ill images whose score is at least a threshold."""
    return float(norm.sf(logit(threshold) - CENTRE))


def probabilities(series: Values, by: Aggregation) -> Values:
    """Computes the probabilities of many series of one length at once, as `Aggregation.probability` does of one.

    Args:
        series: float64 [S, slices], positive probabilities of slices.
        by: The aggregation.
    """
    slices = logit(np.clip(series, MIN_PROBABILITY, 1.0 - MIN_PROBABILITY))
    weights = np.sort(top_weights(np.arange(series.shape[1], dtype=np.float64)))
    pools = {  # without positions, as the series of these scenes are
        "neighbours": lambda: slices.max(axis=1),
        "max": lambda: slices.max(axis=1),
        "top_fifth": lambda: np.sort(slices, axis=1) @ weights,
        "mean": lambda: slices.mean(axis=1),
    }
    whole: Values = expit(np.stack([pools[name]() for name in by.pools], axis=1) @ np.array(by.weights) + by.bias)
    return whole


def one_image_each(target: float, patients: int = ILL) -> Draw:
    """Makes a scene of patients with one image each, the threshold chosen for a sensitivity."""

    def draw(random: Random) -> Outcome:
        truth = np.arange(2 * patients) < patients
        scores = _scores(random, truth)
        record = _record(_decide(scores, truth, _grouping(len(truth), 1), target=target))
        return Outcome(sensitivity(record.threshold), record.certified_sensitivity)

    return draw


def series_of_patients(slices: int, target: float = 0.95) -> Draw:
    """Makes a scene of named patients with a series of alike slices, judged by series."""
    fresh = _patients(np.random.default_rng(slices), FRESH, slices)

    def draw(random: Random) -> Outcome:
        truth = np.repeat(np.arange(ILL + HEALTHY) < ILL, slices)
        scores = expit(_logits(random, truth, slices))
        record = _record(_decide(scores, truth, _grouping(ILL + HEALTHY, slices), target=target))
        whole = probabilities(fresh, record.aggregation)
        return Outcome(float((whole >= record.threshold).mean()), record.certified_sensitivity)

    return draw


def unknown_patients(slices: int, target: float = 0.95, likeness: float = LIKENESS) -> Draw:
    """Makes a scene of alike slices of patients whom nothing names: each image counts for itself."""

    def draw(random: Random) -> Outcome:
        truth = np.repeat(np.arange(ILL + HEALTHY) < ILL, slices)
        scores = expit(_logits(random, truth, slices, likeness))
        record = _record(_decide(scores, truth, _grouping(len(truth), 1, named=False), target=target))
        point = record.operating_point or {}
        by_image = clopper_pearson_lower(point["positives"] - point["counted"], point["positives"])
        return Outcome(sensitivity(record.threshold), record.certified_sensitivity, by_image)

    return draw


def best_epoch(epochs: int, rule: str, threshold: float | None) -> Draw:
    """Makes a scene in which validation chooses one of several epochs by a selection rule."""

    def draw(random: Random) -> Outcome:
        truth = np.arange(ILL + HEALTHY) < ILL
        scores = _best_epoch(_models(random, truth, epochs), truth, rule)
        allowed, plain = (
            _record(_decide(scores, truth, _grouping(len(truth), 1), threshold=threshold, choices=choices))
            for choices in (epochs, 1)
        )
        return Outcome(sensitivity(allowed.threshold), allowed.certified_sensitivity, plain.certified_sensitivity)

    return draw


def best_run(runs: int, epochs: int, threshold: float | None, *, cells: int | None = None) -> Draw:
    """Makes a scene in which a person keeps the run, or the row of `cells`, that looks best on validation.

    Args:
        runs: Number of runs on the same validation.
        epochs: Epochs of each, of which it keeps its best and says so in its record.
        threshold: The configured threshold; None: each run chooses its own.
        cells: Number of rows of a comparison, whose runs differ by seed alone; None: each run stands for itself.
    """

    def draw(random: Random) -> Outcome:
        ill = np.arange(ILL + HEALTHY) < ILL
        every = _models(random, ill, runs * epochs).reshape(runs, epochs, -1)
        scores = [_best_epoch(own, ill, "log_likelihood") for own in every]
        size = runs // (cells or runs)
        rows = [scores[start : start + size] for start in range(0, runs, size)]
        best = max(rows, key=lambda row: float(np.mean([_quality(one, ill, threshold) for one in row])))
        records = [
            _record(_decide(one, ill, _grouping(len(ill), 1), threshold=threshold, choices=epochs)) for one in best
        ]
        worst = max(records, key=lambda one: (one.certified_sensitivity or 0.0) - sensitivity(one.threshold))
        # all runs have as many choices of their own
        stated = restated(worst, runs * models_among(worst)).certified_sensitivity
        return Outcome(sensitivity(worst.threshold), stated, worst.certified_sensitivity)

    return draw


def calibrated_series(slices: int = 10, target: float = 0.95) -> Draw:
    """Makes a scene in which validation also gives the temperature of three classes, and the aggregation of slices."""
    fresh = _three_classes(np.random.default_rng(7), np.ones(FRESH, dtype=bool), slices)

    def draw(random: Random) -> Outcome:
        ill = np.arange(ILL + HEALTHY) < ILL
        logits = _three_classes(random, ill, slices).reshape(-1, 3)
        labels = np.repeat(np.where(ill, 1 + np.arange(len(ill)) % 2, 0), slices)
        temperature = fit_temperature(logits, labels)
        decision = decide(
            softmax(logits / temperature),
            labels,
            _grouping(len(ill), slices),
            np.array([False, True, True]),
            target=target,
            error_rate=0.01,
            threshold=None,
            choices=1,
        )
        rows = softmax(fresh.reshape(-1, 3) / temperature)[:, 1:].sum(axis=1).reshape(FRESH, slices)
        whole = probabilities(rows, decision.aggregation)
        point = decision.chosen
        return Outcome(float((whole >= point.threshold).mean()), point.certified)

    return draw


def writers(count: int, images: int, *, named: bool, error_rate: float = 0.05) -> Draw:
    """Makes a scene of characters by writers, some of whom are misread more often than the confidence says."""
    fresh_confidence, fresh_wrong = _characters(np.random.default_rng(11), 20 * FRESH // images, images)

    def draw(random: Random) -> Outcome:
        confidence, wrong = _characters(random, count, images)
        temperature = fit_temperature(
            np.stack([logit(confidence), np.zeros(len(wrong))], axis=1), wrong.astype(np.int64)
        )
        confidence = np.maximum(expit(logit(confidence) / temperature), 0.5)
        decision = decide(
            np.stack([confidence, 1.0 - confidence], axis=1),
            wrong.astype(np.int64),
            _grouping(count, images, named=named, in_series=False),
            np.array([False, False]),
            target=0.98,
            error_rate=error_rate,
            threshold=None,
            choices=1,
        )
        rejection = decision.chosen
        assert isinstance(rejection, Rejection)
        accepted = np.maximum(expit(logit(fresh_confidence) / temperature), 0.5) >= rejection.threshold
        if not accepted.any():
            return Outcome(0.0, rejection.certified, is_error=True)
        mine = confidence >= rejection.threshold
        plain = Evidence.of(wrong[mine].astype(np.float64), np.ones(int(mine.sum())))
        by_image = plain.upper(level_among(rejection.thresholds))
        return Outcome(float(fresh_wrong[accepted].mean()), rejection.certified, by_image, is_error=True)

    return draw


@dataclass
class Tally:
    """Counts over the draws of a scene.

    Attributes:
        draws: Number of draws.
        stated: Number in which a bound was stated.
        broken: Number in which what was stated promises more than is true.
        before: Number in which that would be so without the rule that is tested; None where none is.
        bounds: Stated bounds.
        truths: True values.
    """

    draws: int = 0
    stated: int = 0
    broken: int = 0
    before: int | None = None
    bounds: list[float] = field(default_factory=list)
    truths: list[float] = field(default_factory=list)

    def add(self, one: Outcome) -> None:
        """Adds a draw."""
        self.draws += 1
        self.truths.append(one.truth)
        self.broken += one.broken(one.stated)
        if one.stated is not None:
            self.stated += 1
            self.bounds.append(one.stated)
        if one.before is not None:
            self.before = (self.before or 0) + one.broken(one.before)

    def row(self, name: str) -> str:
        """Writes the scene as a row of a Markdown table."""
        low, high = wilson(self.broken, self.draws)
        told = f"{np.mean(self.bounds):.3f}" if self.bounds else "nothing"
        before = "" if self.before is None else f"{self.before / self.draws:.1%}"
        now = f"{self.broken / self.draws:.1%} [{low:.1%}, {high:.1%}]"
        return f"| {name} | {np.mean(self.truths):.3f} | {told} | {before} | {now} |"


def simulate(name: str, draws: int = DRAWS) -> Tally:
    """Runs a scene.

    Args:
        name: A key of `SCENES`.
        draws: Number of draws.
    """
    random, tally = np.random.default_rng(list(SCENES).index(name)), Tally()
    for _ in range(draws):
        tally.add(SCENES[name](random))
    return tally


def _scores(random: Random, ill: Flags) -> Values:
    scores: Values = expit(np.where(ill, CENTRE, -CENTRE) + random.normal(size=len(ill)))
    return scores


def _logits(random: Random, ill: Flags, slices: int, likeness: float = LIKENESS) -> Values:
    """Logits of slices, of which those of a patient are alike, float64 [N]."""
    common = np.repeat(random.normal(size=len(ill) // slices), slices) * np.sqrt(likeness)
    own = random.normal(size=len(ill)) * np.sqrt(1.0 - likeness)
    return np.where(ill, CENTRE, -CENTRE) + common + own


def _patients(random: Random, count: int, slices: int) -> Values:
    """Scores of the slices of ill patients, float64 [count, slices]."""
    scores: Values = expit(_logits(random, np.ones(count * slices, dtype=bool), slices)).reshape(count, slices)
    return scores


def _models(random: Random, ill: Flags, count: int) -> Values:
    """Scores of several models on the same images, float64 [count, N]; they agree in part."""
    common = random.normal(size=len(ill)) * np.sqrt(LIKENESS)
    own = random.normal(size=(count, len(ill))) * np.sqrt(1.0 - LIKENESS)
    scores: Values = expit(np.where(ill, CENTRE, -CENTRE) + common + own)
    return scores


def _best_epoch(models: Values, ill: Flags, rule: str) -> Values:
    """The scores of the epoch that a selection rule prefers."""
    score, labels = RULES.get(rule), ill.astype(np.int64)
    return max(models, key=lambda scores: score(np.stack([1.0 - scores, scores], axis=1), labels))


def _quality(scores: Values, ill: Flags, threshold: float | None) -> float:
    """By what people choose among runs: the AUC on validation; the sensitivity where all have one threshold."""
    if threshold is not None:
        return float((scores[ill] >= threshold).mean())
    return float((scores[ill][:, None] > scores[~ill]).mean())


def _three_classes(random: Random, ill: Flags, slices: int) -> Values:
    """Logits of three classes, two of them tumours, that are too sure of themselves, float64 [patients, slices, 3]."""
    kind = np.where(ill, 1 + np.arange(len(ill)) % 2, 0)
    centre = 1.5 * (kind[:, None] == np.arange(3))
    common = random.normal(size=(len(ill), 1, 3)) * np.sqrt(LIKENESS)
    own = random.normal(size=(len(ill), slices, 3)) * np.sqrt(1.0 - LIKENESS)
    return 3.0 * (centre[:, None, :] + common + own)


def _characters(random: Random, count: int, images: int) -> tuple[Values, Flags]:
    """Confidences of the likeliest class of characters, and whether it is wrong, by writer."""
    logits = np.abs(random.normal(3.5, 1.5, size=(count, images)))
    overconfident = random.normal(0.5, 1.5, size=(count, 1))
    wrong = random.random((count, images)) > expit(logits - overconfident)
    return expit(logits).ravel(), wrong.ravel()


@cache
def _grouping(groups: int, images: int, *, named: bool = True, in_series: bool = True) -> Grouping:
    """The grouping of images that are listed group by group, as samples give it."""
    owners = np.repeat(np.arange(groups), images)
    samples = [
        Sample(
            str(number), "", group=f"g{owner}" if named else None, series=f"s{owner}" if in_series and named else None
        )
        for number, owner in enumerate(owners)
    ]
    return Grouping.of(samples, owners.tolist() if named else list(range(len(samples))))


def _decide(
    scores: Values,
    ill: Flags,
    grouping: Grouping,
    *,
    target: float = 0.95,
    threshold: float | None = None,
    choices: int = 1,
) -> Decision:
    """Chooses and certifies as a run does."""
    return decide(
        np.stack([1.0 - scores, scores], axis=1),
        ill.astype(np.int64),
        grouping,
        POSITIVE,
        target=target,
        error_rate=0.01,
        threshold=threshold,
        choices=choices,
        group_name="patient",
    )


BLANK = ModelRecord(
    task="medtl",
    classes=("no_tumour", "tumour"),
    positive=(False, True),
    preprocessing=Preprocessing(32),
    threshold=0.5,
    operating_point=None,
    rejection=None,
    aggregation=Aggregation(),
    certified_sensitivity=None,
    certified_error=None,
    ood={},
    temperature=1.0,
    backbone={},
    domains=(),
    acquisition={},
    synthetic=True,
    data_hash="",
    weights_hash="",
    copy_rule=CopyRule(mirrored=True, altered=True),
)


def _record(decision: Decision) -> ModelRecord:
    """The record of a run with this decision."""
    point = decision.chosen
    assert isinstance(point, OperatingPoint)
    return replace(
        BLANK,
        threshold=point.threshold,
        aggregation=decision.aggregation,
        operating_point={**asdict(point), "statement": point.statement},
        certified_sensitivity=point.certified,
    )


SCENES: Mapping[str, Draw] = {
    "independent images, 40 ill, for 0.95": one_image_each(0.95),
    "independent images, 40 ill, for 0.98": one_image_each(0.98),
    "independent images, 200 ill, for 0.95": one_image_each(0.95, 200),
    "patients named, 3 slices each, by series": series_of_patients(3),
    "patients named, 10 slices each, by series": series_of_patients(10),
    "patients unknown, 3 slices each": unknown_patients(3),
    "patients unknown, 10 slices each": unknown_patients(10),
    "best of 20 epochs, log-likelihood": best_epoch(20, "log_likelihood", None),
    "best of 20 epochs, balanced accuracy, threshold given": best_epoch(20, "balanced_accuracy", 0.5),
    "best of 20 runs (seeds)": best_run(20, 1, None),
    "best of 20 runs (seeds), threshold given": best_run(20, 1, 0.5),
    "best of 20 runs of 5 epochs": best_run(20, 5, None),
    "compare: 12 cells x 3 seeds of 5 epochs": best_run(36, 5, None, cells=12),
    "compare: 12 cells x 3 seeds, threshold given": best_run(36, 1, 0.5, cells=12),
    "adapt: 6 settings and the source, 5 epochs": best_run(7, 5, None),
    "adapt: 6 settings and the source, threshold given": best_run(7, 1, 0.5),
    "temperature and aggregation, 10 slices": calibrated_series(),
    "selective error, 20 writers of 50, named": writers(20, 50, named=True),
    "selective error, 100 writers of 50, named": writers(100, 50, named=True),
    "selective error, 20 writers of 200, named": writers(20, 200, named=True),
    "selective error, 20 writers of 200, unknown": writers(20, 200, named=False),
    "patients unknown, 10 slices each, correlation 0.8": unknown_patients(10, likeness=0.8),
}


def rows(names: Sequence[str], draws: int) -> Iterator[str]:
    """Runs scenes, and yields a row of the table for each.

    Args:
        names: Keys of `SCENES`.
        draws: Number of draws of each.
    """
    for name in names:
        yield simulate(name, draws).row(name)


def main() -> None:
    """Prints the table, a row as each scene is done."""
    parser = argparse.ArgumentParser(description="how often certificates say more than is true")
    parser.add_argument("--draws", type=int, default=DRAWS, help="draws a scene")
    parser.add_argument("--scene", action="append", choices=list(SCENES), help="a scene; without it all")
    given = parser.parse_args()
    print("| scene | truth | stated | broken without the rule | broken |", flush=True)
    print("|---|---:|---:|---:|---:|", flush=True)
    for row in rows(given.scene or list(SCENES), given.draws):
        print(row, flush=True)


if __name__ == "__main__":
    main()
