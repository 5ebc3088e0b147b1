"""A compiled backbone is taken where it computes the same, and training goes on as it was where it does not.

On a CPU with backends that need no compiler: what CUDA graphs do is not shown here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from shared.config.read import validate
from shared.data.split import Split, unlabelled
from shared.models.network import Network
from shared.strategies import find_strategy
from shared.training import compiled
from shared.training.agreement import Forward
from shared.training.compiled import STATE, CompiledBackbone
from shared.training.job import Job, Target
from shared.training.objective import Batch, ClassLoss, Objective
from shared.training.trainer import TrainerSettings, train
from tests.shared.small_job import PHASES, small_job, small_split

CPU = torch.device("cpu")
SETTINGS = TrainerSettings(phases=PHASES, batch_size=8, precision="fp32", clip_norm=1.0)
FAST = {"eager": 0.03, "compiled": 0.02, "compiling": 0.01}
Runs = list[int]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Backbones on a CPU are compiled, and taken as faster; the list holds a number for each run of what was compiled.

    Nothing is compiled, but called as it is, unless a test calls `_backend`.
    """
    found: Runs = []
    monkeypatch.setattr(compiled, "DEVICES", ("cpu",))
    monkeypatch.setattr(compiled, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(compiled, "remembered", lambda *given: {**given[-1](), **FAST})
    monkeypatch.setattr(compiled, "compile_forward", lambda forward: _counted(forward, found))
    return found


def _backend(monkeypatch: pytest.MonkeyPatch, backend: str | Callable[..., Any]) -> None:
    monkeypatch.setattr(
        compiled, "compile_forward", lambda forward: torch.compile(forward, backend=backend, dynamic=False)
    )


def _aot(graph: Any, inputs: Any) -> Any:
    return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)


def _counted(graph: Callable[..., Any], runs: Runs) -> Callable[..., Any]:
    def run(*given: Any) -> Any:
        runs.append(1)
        return graph(*given)

    return run


def _job(folder: Path) -> Job:
    """A job whose backbone draws random numbers, and keeps statistics."""
    job = small_job(folder)
    job.network.backbone.stages["block2"].append(nn.Dropout(0.2))  # type: ignore[operator]
    return job


def _weights(job: Job) -> Mapping[str, Tensor]:
    return job.network.state_dict()


def test_a_compiled_training_gives_the_same_losses_weights_and_names(
    tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    _backend(monkeypatch, lambda graph, inputs: _counted(_aot(graph, inputs), runs))
    job = _job(tmp_path / "compiled")
    history = train(job, ClassLoss(torch.ones(2)), SETTINGS)
    checks = 2 * compiled.CHECKS + 2 * compiled.ROUNDS
    assert len(runs) == checks + 5 * 5 - 2  # all steps but the first of each of two phases
    assert [line.split(":")[0] for line in job.state[STATE]] == ["phase 1, compiled", "phase 2, compiled"]
    plain = _job(tmp_path / "plain")
    monkeypatch.setattr(compiled, "DEVICES", ())
    expected = train(plain, ClassLoss(torch.ones(2)), SETTINGS)
    assert STATE not in plain.state
    for row, other in zip(history, expected, strict=True):
        assert row == pytest.approx(other, rel=1e-4)
    assert list(_weights(job)) == list(_weights(plain))
    for name, value in _weights(job).items():
        torch.testing.assert_close(value, _weights(plain)[name], rtol=1e-3, atol=1e-4)


def _failing(graph: Any, inputs: Any) -> Any:
    raise RuntimeError("no compiler")


def _larger(graph: Any, inputs: Any) -> Any:
    return lambda *given: tuple(1.2 * one for one in graph(*given))


def _replayed(graph: Any, inputs: Any) -> Any:
    """Gives what it gave at first, whatever its inputs are now."""
    kept: list[Any] = []

    def forward(traced: Any, _: Any) -> Any:
        def run(given: list[Any]) -> Any:
            kept.append([one.clone() if isinstance(one, Tensor) else one for one in traced(*given)])
            return kept[0]

        run._boxed_call = True  # type: ignore[attr-defined]
        return run

    from torch._dynamo.backends.common import aot_autograd
    from torch._functorch.aot_autograd import make_boxed_func

    return aot_autograd(fw_compiler=forward, bw_compiler=lambda traced, _: make_boxed_func(traced))(graph, inputs)


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        (_failing, "the backbone could not be compiled (BackendCompilerFailed)"),
        (_larger, "compiled, its outputs differ"),
        (_replayed, "compiled, its outputs differ"),
    ],
)
def test_where_compiling_fails_or_computes_something_else_nothing_is_changed(
    backend: Callable[..., Any], reason: str, tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, phases=PHASES[1:])
    with monkeypatch.context() as none:
        none.setattr(compiled, "DEVICES", ())
        plain = _job(tmp_path / "plain")
        expected = train(plain, ClassLoss(torch.ones(2)), settings)
    _backend(monkeypatch, backend)
    job = _job(tmp_path / "wrong")
    assert train(job, ClassLoss(torch.ones(2)), settings) == expected
    assert job.state[STATE] == [f"phase 1, eager: {reason}"]
    assert all(torch.equal(value, _weights(plain)[name]) for name, value in _weights(job).items())


def _settled(backbone: Any, images: Tensor, steps: int = 100) -> CompiledBackbone:
    found = CompiledBackbone(backbone, steps, CPU, alone=True)
    for _ in range(2):
        with found.step():
            backbone(images)
    return found


@pytest.mark.parametrize(
    ("seconds", "steps", "said"),
    [
        ({}, 100, "compiled: a pass of the backbone takes 0.0200 s in place of 0.0300, after 0 s of compiling"),
        ({"compiled": 0.029}, 100, "eager: a pass takes 0.0300 s, compiled 0.0290 s"),
        ({"compiling": 40.0}, 100, "eager: 100 steps do not make up for 40 s of compiling"),
        ({"compiling": 40.0}, 4001, "compiled: a pass"),
    ],
)
def test_a_backbone_is_compiled_where_its_steps_repay_it(
    seconds: dict[str, float], steps: int, said: str, tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "remembered", lambda *_: {**FAST, **seconds})
    found = _settled(_job(tmp_path).network.backbone, torch.rand(4, 1, 16, 16), steps)
    assert found.said is not None
    assert found.said.startswith(said)
    assert bool(runs) == said.startswith("compiled")  # nor is it compiled where that is known to be vain


def test_few_steps_are_not_worth_compiling(tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "WORTH_SECONDS", 3600.0)
    found = _settled(_job(tmp_path).network.backbone, torch.rand(4, 1, 16, 16))
    assert str(found.said).endswith("too little to compile for")
    assert not runs


def test_graphs_that_leave_too_little_memory_are_dropped(
    tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter((100, 49))
    monkeypatch.setattr(compiled, "free_bytes", lambda _: next(free))
    found = _settled(_job(tmp_path).network.backbone, torch.rand(4, 1, 16, 16))
    assert found.said == "eager: compiled, it leaves too little memory"


def test_other_shapes_modes_and_hooks_and_evaluation_run_as_they_are(tmp_path: Path, runs: Runs) -> None:
    backbone, images = _job(tmp_path).network.backbone, torch.rand(4, 1, 16, 16)
    found = _settled(backbone, images)
    runs.clear()
    with found.step():
        backbone(images[:3])
        with torch.no_grad():
            backbone(images)
        backbone.eval()
        backbone(images)
        backbone.train()
    backbone(images)
    seen: list[Tensor] = []
    hook = backbone.stages["block1"].register_forward_hook(lambda *given: seen.append(given[-1]))
    with found.step():
        backbone(images)
    assert (len(seen), runs) == (1, [])
    hook.remove()
    with found.step():
        backbone(images)
    assert runs == [1]
    assert "forward" not in vars(backbone)


def test_a_step_in_which_what_was_compiled_fails_is_taken_as_it_is(
    tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone, images, full = _job(tmp_path).network.backbone, torch.rand(4, 1, 16, 16), list[bool]()

    def made(forward: Forward) -> Forward:
        def run(given: Tensor) -> dict[str, Tensor]:
            if full:
                raise MemoryError
            return forward(given)

        return run

    monkeypatch.setattr(compiled, "compile_forward", made)
    found = _settled(backbone, images)
    full.append(True)
    for _ in range(2):
        with found.step():
            assert list(backbone(images)) == list(backbone.layers)
    assert str(found.said).endswith("; it failed later (MemoryError), then eager")
    assert "forward" not in vars(backbone)


def test_several_processes_and_other_devices_are_not_thought_of(tmp_path: Path, runs: Runs) -> None:
    backbone = _job(tmp_path).network.backbone
    for found in (
        CompiledBackbone(backbone, 100, CPU, alone=False),
        CompiledBackbone(backbone, 100, torch.device("meta"), alone=True),
    ):
        for _ in range(2):
            with found.step():
                backbone(torch.rand(4, 1, 16, 16))
        assert found.said is None


class Watching(Objective):
    """Looks at the output of a stage by a hook of each step, as an alignment of a layer does."""

    def __init__(self) -> None:
        super().__init__()
        self.loss, self.means = ClassLoss(torch.ones(2)), list[float]()

    def forward(self, network: Network, batch: Batch) -> Tensor:
        hook = network.backbone.stages["block1"].register_forward_hook(
            lambda *given: self.means.append(float(given[-1].detach().mean()))
        )
        loss: Tensor = self.loss(network, batch)
        hook.remove()
        return loss


def test_a_strategy_that_looks_into_the_backbone_runs_it_as_it_is(tmp_path: Path, runs: Runs) -> None:
    job, objective = _job(tmp_path), Watching()
    train(job, objective, SETTINGS)
    assert len(objective.means) == 25
    assert job.state[STATE] == [
        f"phase {number}, eager: the strategy hooks or replaces parts of the backbone" for number in (1, 2)
    ]


def _elsewhere(split: Split) -> Split:
    return unlabelled(replace(split, samples=[replace(one, domain="elsewhere") for one in split.samples]))


@pytest.mark.parametrize(
    ("name", "options", "taken"),
    [
        ("dann", {}, "compiled"),
        ("mean_teacher", {}, "compiled"),
        ("dann", {"layer": "block2"}, "eager"),
        ("coral", {"batch_norm": "per_domain"}, "eager"),
    ],
)
def test_strategies_learn_the_same_with_a_compiled_backbone(
    name: str, options: Mapping[str, Any], taken: str, tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    _backend(monkeypatch, "eager")
    strategy, found = find_strategy(name), []
    phase = {"epochs": 1, "train": "all", "lr_head": 1e-2, "lr_backbone": 1e-2}
    given = {"phases": [phase], "batch_size": 8, "precision": "fp32", **options}
    for devices in (("cpu",), ()):
        monkeypatch.setattr(compiled, "DEVICES", devices)
        job = small_job(tmp_path / str(len(devices)))
        target = Target(_elsewhere(small_split(24, 3)), _elsewhere(small_split(8, 4)))
        job = replace(job, target=target, train=job.train.of(np.arange(32)))
        strategy.fit(job, validate(strategy.options, given, origin=name))
        found.append(job)
    assert [line.split(":")[0] for line in found[0].state[STATE]] == [f"phase 1, {taken}"]
    for one, other in zip(*(job.network.parameters() for job in found), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
