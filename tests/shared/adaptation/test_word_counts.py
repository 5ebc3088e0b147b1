"""The choice on word counts through one hidden layer, the kind of task of Ganin et al. 2016, with its trainings."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from benchmarks.adaptation import Study, accuracy, judge
from benchmarks.adaptation_words import generated_parts, word_network
from shared.adaptation.choice import AUTO
from shared.errors import ConfigError

PHASES = [{"epochs": 4, "train": "all", "lr_head": 3e-3, "lr_backbone": 3e-3, "lr_decay": 1.0}]
TRAINING = {"phases": PHASES, "batch_norm": "train", "precision": "fp32", "selection": "mutual_information"}


def _study(kind: str, folder: Path) -> Study:
    source, target = generated_parts(kind, 0, texts=600, words=300)
    return Study(source, target, 2, partial(word_network, 300, 0), accuracy, 0, folder, TRAINING)


def test_the_rule_takes_the_gain_that_the_oracle_takes(tmp_path: Path) -> None:
    """In the target some words of the source mean the opposite: adapting is worth much."""
    _study("opposed", tmp_path).train_all({"coral": ("coral", {"layer": "scores", "weight": 1.0})})
    columns, choice = judge(tmp_path, AUTO)
    found = {name: column["accuracy"] for name, column in columns.items()}
    assert list(choice.values) == ["reverse_validation", "mutual_information"]
    assert choice.kept.name == "coral", choice.statement
    gain, possible = found["label-free"] - found["source-only"], found["oracle"] - found["source-only"]
    assert possible > 0.05
    assert gain >= possible / 2


def test_the_mean_teacher_is_refused_on_vectors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="strategy mean_teacher learns from augmented images"):
        _study("same", tmp_path)._train("mean teacher", "mean_teacher", {})
