"""One tiny series as a scanner would send it, judged: for the tests of DICOM objects about results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from medtl.inputs import items
from medtl.phantom import write_phantom
from medtl.settings import DEFAULT_OPTIONS
from shared.aggregation import Aggregation
from shared.artifacts import ModelRecord
from shared.predictor import Answer, SliceAnswer
from shared.task import Item, Preprocessing

SIZE = 32
PROBABILITIES = (0.2, 0.9, 0.4, 0.7)


@dataclass(frozen=True)
class Judged:
    """A series, what was answered, by which model, and attributions of two of its slices."""

    folder: Path
    item: Item
    answer: Answer
    record: ModelRecord
    maps: dict[int, np.ndarray]


@pytest.fixture(scope="session")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four slices of one patient. Read them only."""
    out = tmp_path_factory.mktemp("scanned") / "data"
    write_phantom(out, patients=1, scanners=("cirrus",), slices=len(PROBABILITIES), healthy_share=0.0)
    (first, *_) = out.rglob("IM*.dcm")
    return first.parent


@pytest.fixture
def judged(scanned: Path) -> Judged:
    return judge(scanned)


def judge(folder: Path) -> Judged:
    """A series of up to four slices, as if a model had answered."""
    (item,) = items([folder])
    record = ModelRecord(
        task="medtl",
        classes=("no_tumour", "glioma"),
        positive=(False, True),
        preprocessing=Preprocessing(SIZE, 1, DEFAULT_OPTIONS),
        threshold=0.5,
        operating_point={"statement": "1 misses in 99 positive patients"},
        rejection=None,
        aggregation=Aggregation(),
        certified_sensitivity=0.953,
        certified_error=None,
        ood={"threshold": 0.2, "rate": 0.01, "series": 12},
        temperature=1.0,
        backbone={"name": "convnet_small"},
        domains=("cirrus",),
        synthetic=True,
        data_hash="1" * 64,
        weights_hash="2" * 64,
    )
    random = np.random.default_rng(0)
    maps = {number: random.normal(size=(SIZE, SIZE)).astype(np.float32) for number in (2, 4)}
    answer = Answer(item.name, "run-1", "refused", item.refusal) if item.refusal else _assessed(item)
    return Judged(folder, item, answer, record, maps)


def _assessed(item: Item) -> Answer:
    slices = tuple(
        SliceAnswer(
            number,
            "glioma",
            {"no_tumour": 1 - value, "glioma": value},
            value,
            "positive" if value > 0.5 else "negative",
            0.05,
        )
        for number, value in enumerate(PROBABILITIES[: len(item.slices)], start=1)
    )
    return Answer(
        item.name,
        "run-1",
        "assessed",
        label="glioma",
        decision="positive",
        probabilities={"no_tumour": 0.1, "glioma": 0.9},
        positive_probability=0.9,
        threshold=0.5,
        certified_sensitivity=0.953,
        ood_score=0.05,
        ood_threshold=0.2,
        slices=slices,
        notes=("this model has a note",),
        synthetic_model=True,
    )


@pytest.fixture
def refused(judged: Judged) -> Judged:
    """The same series, refused after its files were found."""
    item = replace(judged.item, slices=(), refusal="is a localizer, not a diagnostic series")
    return replace(judged, item=item, answer=Answer(item.name, "run-1", "refused", item.refusal))
