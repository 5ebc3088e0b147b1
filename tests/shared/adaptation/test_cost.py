from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.adaptation import cost
from shared.adaptation.cost import is_cheap, training_operations
from shared.data.split import unlabelled
from shared.models.backbones.mlp import multilayer_perceptron
from shared.models.network import Network
from shared.training.job import Target
from tests.shared.small_job import small_job, small_split


def test_operations_of_a_perceptron_are_counted_as_by_hand(tmp_path: Path) -> None:
    """A layer from 256 to 8 and one from 8 to 2, twice each for multiplying and adding, three passes."""
    job = small_job(tmp_path)
    network = Network(multilayer_perceptron(256, (8,), seed=0), ["hidden1"], "avg_1x1", 8, 2).train()
    flat = replace(job.train, images=[image.reshape(-1) for image in job.train.images])
    target = Target(unlabelled(small_split(10, 3)), unlabelled(small_split(10, 4)))
    job = replace(job, network=network, train=flat, target=target)
    options = SimpleNamespace(phases=(SimpleNamespace(epochs=2), SimpleNamespace(epochs=5)))
    assert training_operations(job, options) == 3 * 2 * (256 * 8 + 8 * 2) * (40 + 10) * 7
    assert network.training


def test_a_small_training_is_cheap_and_a_long_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, options = small_job(tmp_path), SimpleNamespace()
    assert is_cheap(job, options)
    monkeypatch.setattr(cost, "CHEAP_OPERATIONS", training_operations(job, options) - 1)
    assert not is_cheap(job, options)
