"""Validation and test lose what is not judged, but for positive images; training loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from medtl.task import TASK
from shared.data.partition import SplitData
from shared.data.unjudged import _flags, leave_out_unjudged
from shared.errors import DataError
from shared.samples import Dataset, Sample


class _Leaves:
    """A task that leaves out the samples of some names."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __getattr__(self, name: str) -> Any:
        return getattr(TASK, name)

    def unjudged(self, samples: Sequence[Sample], progress: Callable[[int, int], None]) -> np.ndarray:
        return np.array([sample.id in self.names for sample in samples])


LABELS = ("tumour", "no_tumour", None, "tumour", "no_tumour", "tumour", "no_tumour", "tumour")
SAMPLES = tuple(Sample(str(number), "", label) for number, label in enumerate(LABELS))
DATA = SplitData(
    Dataset(SAMPLES, ("no_tumour", "tumour"), ""),
    {"train": np.array([0, 1]), "validation": np.array([2, 3, 4]), "test": np.array([5, 6, 7])},
    np.arange(8),
    ("first",),
    True,
    np.zeros((8, 1), np.uint8),
)


def _left(*names: str) -> SplitData:
    return leave_out_unjudged(_Leaves(*names), DATA, lambda *_: None)


def test_where_all_are_judged_nothing_changes_and_nothing_is_said() -> None:
    found = _left()
    assert {name: rows.tolist() for name, rows in found.splits.items()} == {
        "train": [0, 1],
        "validation": [2, 3, 4],
        "test": [5, 6, 7],
    }
    assert (found.notes, dict(found.left_out)) == (("first",), {})


def test_a_positive_image_stays_and_any_other_goes_and_both_are_counted() -> None:
    found = _left("0", "1", "2", "3", "6")
    assert {name: rows.tolist() for name, rows in found.splits.items()} == {
        "train": [0, 1],
        "validation": [3, 4],
        "test": [5, 7],
    }
    assert found.left_out["validation"].positive == {3}
    assert (found.left_out["validation"].count, found.left_out["test"].count) == (2, 1)
    assert found.notes[1:] == (
        "2 of 3 images of validation were left out, as predict leaves them out; 1 of them, with tumour, count as "
        "missed.",
        "1 of 3 images of test were left out, as predict leaves them out; 0 of them, with tumour, count as missed.",
    )


def test_a_split_of_which_nothing_is_judged_is_refused() -> None:
    with pytest.raises(DataError, match="none of 3 test images would be judged by predict"):
        _left("5", "6", "7")


def test_a_series_is_looked_at_once_and_anew_where_it_has_other_images() -> None:
    class Watched(_Leaves):
        def unjudged(self, samples: Sequence[Sample], progress: Callable[[int, int], None]) -> np.ndarray:
            asked.append("".join(sample.id for sample in samples))
            return super().unjudged(samples, progress)

    asked: list[str] = []
    samples = [Sample(str(number), "", series="one" if number < 2 else None) for number in range(4)]
    found = [
        _flags(Watched("1"), "data", samples[rows], lambda *_: None, "")
        for rows in (slice(3), slice(2, 4), slice(1, 4))
    ]
    assert [flags.tolist() for flags in found] == [[False, True, False], [False, False], [True, False, False]]
    assert asked == ["012", "3", "1"]
