from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shared.config.read import validate
from shared.errors import ConfigError
from shared.strategies.finetune import STRATEGY, Options
from tests.shared.small_job import small_job

STAGES = tuple(f"s{i}" for i in range(9))


def _options(**tree: object) -> Options:
    return validate(Options, tree, origin="strategy")


def test_gradual_unfreezing_doubles_the_trained_stages_an_epoch_each() -> None:
    last = {"epochs": 7, "train": "all", "lr_head": 2e-3, "lr_backbone": 1e-3, "lr_decay": 0.5}
    found = _options(schedule="gradual", phases=[last]).resolved(STAGES)
    assert [(phase.train, phase.epochs) for phase in found.phases] == [
        ("none", 1),
        ("last:1", 1),
        ("last:2", 1),
        ("last:4", 1),
        ("last:8", 1),
        ("all", 7),
    ]
    assert {(phase.lr_head, phase.lr_backbone, phase.lr_decay) for phase in found.phases} == {(2e-3, 1e-3, 0.5)}
    assert found.schedule == "phases"


def test_it_stops_where_the_phase_stops() -> None:
    found = _options(schedule="gradual", phases=[{"epochs": 3, "train": "last:2"}]).resolved(STAGES)
    assert [phase.train for phase in found.phases] == ["none", "last:1", "last:2"]


def test_lp_ft_fits_the_head_as_a_probe_and_then_trains_all() -> None:
    found = _options(schedule="lp_ft").resolved(STAGES)
    assert found.head == "probe"
    assert [phase.train for phase in found.phases] == ["all"]


def test_phases_stay_as_they_are_and_a_written_out_schedule_comes_back() -> None:
    assert _options().resolved(STAGES) == _options()
    for schedule in ("gradual", "lp_ft"):
        found = _options(schedule=schedule).resolved(STAGES)
        assert _options(**found.model_dump(mode="json")).resolved(STAGES) == found


def test_a_schedule_takes_one_phase() -> None:
    phase = {"epochs": 1}
    with pytest.raises(ConfigError, match="gradual makes the phases before the last one itself"):
        _options(schedule="gradual", phases=[phase, phase])


def test_a_probed_head_is_right_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = small_job(tmp_path)
    seen: list[torch.Tensor] = []

    def train(job: object, *_: object) -> list[dict[str, object]]:
        seen.append(job.network.head.weight.detach().clone())  # type: ignore[attr-defined]
        return [{"epoch": 1}]

    monkeypatch.setattr("shared.strategies.finetune.train", train)
    history = STRATEGY.fit(job, _options(schedule="lp_ft").resolved(STAGES))
    assert history[-1] == {"epoch": 1}
    assert "penalty" in history[0]
    features = torch.cat(list(STRATEGY.features(job, job.validation)))
    right = (features @ seen[0].T + job.network.head.bias).argmax(dim=1).numpy() == job.validation.labels
    assert right.mean() > 0.8
