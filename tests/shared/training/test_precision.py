"""Which precision a training takes, and that it is timed once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.io.array_store import cache_folder
from shared.models.network import Network
from shared.training import precision
from shared.training.objective import ClassLoss
from shared.training.precision import StepShape, TakenPrecision, precision_for, seconds_of_step
from shared.training.trainer import TrainerSettings, train
from tests.shared.small_job import PHASES, Killed, small_job

CPU = torch.device("cpu")
STEP = StepShape((4, 1, 16, 16), ("block2",), "train")
FAST, SLOW = {"fp32": 0.23, "bf16": 0.2}, {"fp32": 0.22, "bf16": 0.2}


class Clock:
    """Stands in for the timing of steps."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds, self.calls = seconds, 0

    def __call__(self, *_: Any) -> dict[str, float]:
        self.calls += 1
        return self.seconds


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The timing, on a processor that multiplies bfloat16."""
    (tmp_path / "cpuinfo").write_text("flags : avx512_bf16\n")
    monkeypatch.setattr("shared.processes.processor.CPU_INFO", tmp_path / "cpuinfo")
    found = Clock(FAST)
    monkeypatch.setattr(precision, "seconds_of_step", found)
    return found


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return small_job(tmp_path).network


@pytest.mark.parametrize(("seconds", "name"), [(FAST, "bf16"), (SLOW, "fp32")])
def test_bf16_is_taken_on_a_cpu_where_it_is_clearly_faster(
    seconds: dict[str, float], name: str, clock: Clock, network: Network
) -> None:
    clock.seconds = seconds
    assert precision_for("auto", network, STEP, CPU).to_json() == {"name": name, "seconds": seconds}


def test_a_network_is_timed_once_and_another_step_on_its_own(clock: Clock, network: Network) -> None:
    first = precision_for("auto", network, STEP, CPU)
    clock.seconds = SLOW
    with torch.no_grad():
        network.head.weight.add_(1.0)  # trained, it is of the same structure
    assert precision_for("auto", network, STEP, CPU) == first
    assert clock.calls == 1
    for other in (replace(STEP, images=(8, 1, 16, 16)), replace(STEP, trained=())):
        assert precision_for("auto", network, other, CPU).name == "fp32"
    assert clock.calls == 3


def test_a_damaged_timing_is_made_again(clock: Clock, network: Network) -> None:
    precision_for("auto", network, STEP, CPU)
    (kept,) = cache_folder("precision").glob("*/seconds.json")
    kept.write_text('{"fp32": 1.0')
    assert precision_for("auto", network, STEP, CPU).name == "bf16"
    assert clock.calls == 2


@pytest.mark.parametrize(
    ("asked", "device", "name"), [("fp32", "cpu", "fp32"), ("bf16", "cpu", "bf16"), ("auto", "cuda", "bf16")]
)
def test_nothing_is_timed_where_nothing_is_to_be_settled(
    asked: Any, device: str, name: str, clock: Clock, network: Network
) -> None:
    assert precision_for(asked, network, STEP, torch.device(device)) == TakenPrecision(name)  # type: ignore[arg-type]
    assert clock.calls == 0


def test_a_processor_without_bf16_takes_fp32(network: Network) -> None:
    assert precision_for("auto", network, STEP, CPU) == TakenPrecision("fp32")


def test_timing_leaves_the_network_and_the_random_state_as_they_are(network: Network) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state, modes = torch.get_rng_state(), [module.training for module in network.modules()]
    found = seconds_of_step(network, STEP)
    assert min(found["fp32"], found["bf16"]) > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(weight.grad is None and weight.requires_grad for weight in network.parameters())


def test_a_training_that_goes_on_keeps_the_precision_that_it_began_with(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.training.trainer.CHECKPOINT_SECONDS", 0.0)
    settings, loss = TrainerSettings(phases=PHASES, batch_size=8), ClassLoss(torch.ones(2))

    def kill(_what: str, done: int, *_: Any) -> None:
        if done == 3:
            raise Killed

    whole = small_job(tmp_path / "whole")
    history = train(whole, loss, settings)
    assert whole.state[precision.STATE] == {"name": "bf16", "seconds": FAST}
    with pytest.raises(Killed):
        train(small_job(tmp_path / "cut", kill), loss, settings)
    clock.seconds = SLOW
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "emptied"))
    resumed = small_job(tmp_path / "cut")
    assert train(resumed, loss, settings) == history
    assert resumed.state == whole.state
