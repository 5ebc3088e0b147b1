"""The table of `benchmarks.leave_source_out`: measures of each source by slice, series and patient, by contrast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import RunError
from shared.evaluation.cases import Cases, group_cases, image_cases
from shared.evaluation.measure import MEASURES
from shared.runs.predictions import read_predictions
from shared.runs.record import read_model_record

ALL = "all"
KEYS = ("auc", "sensitivity", "specificity")
HEADINGS = ("source", "contrast", "judged by", "n", "positive", "what", "AUC", "sensitivity", "specificity")
MEAN, TOGETHER = "mean of seeds ± SD", "probabilities averaged"
Judged = Mapping[tuple[str, str], Cases]
"""Cases by contrast (`ALL`: every contrast) and by what is judged: slice, series, patient."""


@dataclass(frozen=True)
class SourceTest:
    """What one run says of the source that it was trained without.

    Attributes:
        judged: The cases, decided at the run's own threshold. A series that is not decided for its kind, or an image
            that is not assessed, counts here as if it were: the table asks what the network can tell.
        threshold: That threshold.
    """

    judged: Judged
    threshold: float


def read_source_test(folder: Path, contrasts: Mapping[str, str]) -> SourceTest:
    """Reads the test of a finished run, as slices, series and patients, all together and by contrast.

    Args:
        folder: The run folder.
        contrasts: Contrast of each image of the source by its id.

    Raises:
        RunError: The run is damaged, or its test has an image that is none of the source's.
    """
    record, test = read_model_record(folder), read_predictions(folder)
    if unknown := sum(sample not in contrasts for sample in test.samples):
        raise RunError(f"{folder.name}: {unknown} of {len(test.samples)} images of its test are not in the source now")
    labels = np.array([record.classes.index(name) for name in test.labels], dtype=np.int64)
    kinds = np.array([contrasts[sample] for sample in test.samples])
    order = np.argsort(np.array(test.samples), kind="stable")  # the same in every run, so that runs can be averaged
    judged: dict[tuple[str, str], Cases] = {}
    names = sorted(set(kinds.tolist()))
    for name in (ALL, *(names if len(names) > 1 else ())):
        rows = order if name == ALL else order[kinds[order] == name]
        grouping = test.grouping.at(rows.tolist())
        found = {"slice": image_cases(test.probabilities[rows], labels[rows], record, grouping.units)}
        if len(set(grouping.series)) < len(rows):
            by_series = replace(grouping, groups=grouping.series)
            found["series"] = group_cases(test.probabilities[rows], labels[rows], record, by_series)
        if len(set(grouping.groups)) < len(set(grouping.series)):
            found["patient"] = group_cases(test.probabilities[rows], labels[rows], record, grouping)
        judged |= {(name, what): cases for what, cases in found.items()}
    return SourceTest(judged, record.threshold)


def averaged(tests: Sequence[SourceTest]) -> SourceTest:
    """Averages the probabilities of several runs, of slices, series and patients, and their thresholds.

    Args:
        tests: Tests of the same source, at least one.

    Raises:
        RunError: They do not judge the same cases.
    """
    threshold = float(np.mean([test.threshold for test in tests]))
    if any({key: len(one.labels) for key, one in test.judged.items()} != _sizes(tests[0]) for test in tests):
        raise RunError("the runs without a source have different tests; train them again on the data as they are now")
    judged = {}
    for key, first in tests[0].judged.items():
        if any((test.judged[key].labels != first.labels).any() for test in tests):
            raise RunError("the runs without a source differ in the order of its cases; train them again")
        scores = np.mean([test.judged[key].scores for test in tests], axis=0)
        judged[key] = replace(first, scores=scores, called=scores >= threshold)
    return SourceTest(judged, threshold)


def table_lines(tests: Mapping[str, Sequence[SourceTest]]) -> list[str]:
    """Writes the table in Markdown, the source with the lowest mean of sensitivity and specificity first.

    Args:
        tests: For each source the test of each seed.
    """
    blocks = sorted((_standing(found), source, found) for source, found in tests.items())
    rows = [HEADINGS, ("---",) * len(HEADINGS)]
    for _, source, found in blocks:
        together = averaged(found)
        for contrast, what in found[0].judged:
            each = [measures(test.judged[contrast, what]) for test in found]
            facts = (source, contrast, what, *_counts(found[0].judged[contrast, what]))
            rows.append((*facts, f"{MEAN}, {len(found)} seeds", *(_mean_cell(each, key) for key in KEYS)))
            if len(found) > 1:
                one = measures(together.judged[contrast, what])
                rows.append((*facts, TOGETHER, *(_cell([one[key]], lambda text, _: text) for key in KEYS)))
    return [f"| {' | '.join(row)} |" for row in rows]


def measures(cases: Cases) -> dict[str, float | None]:
    """Computes AUC, sensitivity and specificity of cases; None where one is not defined.

    Args:
        cases: Slices, series or patients with their decisions.
    """
    return {key: MEASURES.get(key).compute(cases)["value"] for key in KEYS}


def _standing(tests: Sequence[SourceTest]) -> float:
    """Mean over seeds of what is defined of sensitivity and specificity by slice."""
    found = [measures(test.judged[ALL, "slice"]) for test in tests]
    values = [one[key] for one in found for key in KEYS[1:]]
    return float(np.mean([value for value in values if value is not None]))


def _sizes(test: SourceTest) -> dict[tuple[str, str], int]:
    return {key: len(cases.labels) for key, cases in test.judged.items()}


def _counts(cases: Cases) -> tuple[str, str]:
    return str(len(cases.labels)), str(int(cases.truth.sum()))


def _mean_cell(each: Sequence[Mapping[str, float | None]], key: str) -> str:
    def with_spread(text: str, values: NDArray[np.float64]) -> str:
        return text if len(values) == 1 else f"{text} ± {values.std(ddof=1):.3f}"

    return _cell([one[key] for one in each], with_spread)


def _cell(values: Sequence[float | None], written: Callable[[str, NDArray[np.float64]], str]) -> str:
    defined = np.array([value for value in values if value is not None], dtype=np.float64)
    return written(f"{defined.mean():.3f}", defined) if len(defined) else "not defined"
