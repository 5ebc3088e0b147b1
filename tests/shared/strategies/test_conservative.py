from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.config.describe import to_yaml
from shared.config.read import validate
from shared.errors import ConfigError
from shared.strategies.conservative import STRATEGY, Options
from shared.training.job import Job
from tests.shared.small_job import Killed, small_job

PHASES = [{"epochs": 3, "train": "all", "lr_head": 1e-2, "lr_backbone": 1e-2}]


def _options(**changes: Any) -> Options:
    return validate(Options, {"batch_size": 8, "phases": PHASES, **changes}, origin="strategy")


def _fit(job: Job, options: Options) -> Job:
    assert len(STRATEGY.fit(job, options)) == 3
    return job


def _distance(job: Job, other: Job) -> float:
    pairs = zip(job.network.backbone.parameters(), other.network.backbone.parameters(), strict=True)
    return sum(float((a - b).square().sum().detach()) for a, b in pairs)


def test_the_harder_the_pull_the_nearer_the_network_stays(tmp_path: Path) -> None:
    start = small_job(tmp_path)
    found = [
        _distance(_fit(small_job(tmp_path / str(strength)), _options(parameters={"strength": strength})), start)
        for strength in (1e-6, 10.0, 80.0)
    ]
    assert found[0] > 2 * found[1] > 2 * found[2] > 0


def test_a_stage_may_be_pulled_alone(tmp_path: Path) -> None:
    def block1(job: Job) -> list[torch.Tensor]:
        return [parameter.detach() for parameter in job.network.backbone.stages["block1"].parameters()]

    start = block1(small_job(tmp_path))
    pulled = _fit(small_job(tmp_path / "pulled"), _options(parameters={"stages": {"block1": 1000.0}}))
    free = _fit(small_job(tmp_path / "free"), _options(parameters={"stages": {"block4": 1e-9}}))
    distances = [
        sum(float((a - b).square().sum()) for a, b in zip(start, block1(job), strict=True)) for job in (pulled, free)
    ]
    assert distances[0] < distances[1] / 4


def test_strengths_of_0_and_unknown_stages_are_refused() -> None:
    with pytest.raises(ConfigError, match="nothing is held near the source"):
        _options()
    with pytest.raises(ConfigError, match=r"block1 is -1\.0, which is negative; a strength is 0 or more"):
        _options(parameters={"stages": {"block1": -1.0}})
    with pytest.raises(ConfigError, match="no stage block9"):
        STRATEGY.check(_options(parameters={"stages": {"block9": 1.0}}), ("block1",))


def test_options_come_back_as_they_were_written_out() -> None:
    options = _options(outputs={"strength": 1.0})
    assert validate(Options, options.model_dump(mode="json"), origin="strategy") == options
    assert "temperature: 2.0" in to_yaml(options)


def test_with_distillation_it_resumes_to_the_same_weights(
    tmp_path: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source must be that of the weights, not the half-trained network of the checkpoint."""
    from shared.models.network import Network, feature_width
    from shared.models.weights import load_weights

    monkeypatch.setattr("shared.training.trainer.CHECKPOINT_SECONDS", 0.0)

    def job(name: str, progress: Any = lambda *_: None) -> Job:
        from shared.models.backbones.build import build_backbone

        plain = small_job(tmp_path / name, progress)
        backbone = build_backbone("convnet_small", layers=("block2",), seed=0)
        load_weights(backbone, str(tiny_run))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            width = feature_width(backbone, ("block2",), "avg_2x2", 1, 16)
            return replace(plain, network=Network(backbone, ("block2",), "avg_2x2", width, 2), weights=str(tiny_run))

    def kill(_what: str, done: int, *_: object) -> None:
        if done == 7:
            raise Killed

    options = _options(outputs={"strength": 1.0}, parameters={"strength": 0.1})
    whole = _fit(job("whole"), options)
    with pytest.raises(Killed):
        STRATEGY.fit(job("cut", kill), options)
    saved = torch.load(tmp_path / "cut" / "checkpoint.pt", weights_only=True)
    assert {name for name in saved["loss_module"] if "objective" in name} == {
        "objective.output_distance.head.weight",
        "objective.output_distance.head.bias",
    }
    resumed = _fit(job("cut"), options)
    for (name, a), b in zip(whole.network.state_dict().items(), resumed.network.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
