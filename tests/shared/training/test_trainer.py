"""The loop on a network of its own, small enough that a whole training takes a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.data.split import Split
from shared.errors import RunError
from shared.models.network import Network
from shared.training.job import Job
from shared.training.objective import Batch, ClassLoss, Objective
from shared.training.trainer import TrainerSettings, train
from tests.shared.small_job import PHASES, Killed, small_job, small_split


def _train(job: Job, objective: Objective | None = None, **changes: Any) -> list[dict[str, Any]]:
    settings = TrainerSettings(phases=PHASES, batch_size=8)
    return train(job, objective or ClassLoss(torch.ones(2)), replace(settings, **changes))


def _weights(job: Job) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in job.network.state_dict().items()}


def test_it_learns(tmp_path: Path) -> None:
    history = _train(small_job(tmp_path))
    assert len(history) == 5
    assert history[-1]["validation_accuracy"] == 1.0


def test_it_learns_in_bfloat16_and_keeps_its_weights_in_float32(tmp_path: Path) -> None:
    job = small_job(tmp_path / "bf16")
    history = _train(job, precision="bf16")
    assert history[-1]["validation_accuracy"] == 1.0
    assert {value.dtype for value in job.network.parameters()} == {torch.float32}
    other = small_job(tmp_path / "fp32")
    _train(other, precision="fp32")
    assert any(not torch.equal(a, b) for a, b in zip(_weights(job).values(), _weights(other).values(), strict=True))


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, second = small_job(tmp_path / "a"), small_job(tmp_path / "b")
    _train(first)
    torch.rand(7)  # what was drawn elsewhere must not matter
    _train(second)
    assert all(torch.equal(a, b) for a, b in zip(_weights(first).values(), _weights(second).values(), strict=True))


def test_a_mirrored_network_learns_from_the_images_alone_in_every_epoch(tmp_path: Path) -> None:
    plain, mirrored = small_job(tmp_path / "plain"), small_job(tmp_path / "mirrored")
    mirrored.network.mirrored = True
    for job in (plain, mirrored):
        _train(job, selection="last")
    assert all(torch.equal(a, b) for a, b in zip(_weights(plain).values(), _weights(mirrored).values(), strict=True))


@pytest.fixture
def norms(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The norm of the gradients that the optimiser is given, a value a step."""
    found: list[float] = []
    step = torch.optim.AdamW.step

    def watched(optimiser: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        gradients = [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
        found.append(float(torch.linalg.vector_norm(torch.cat([gradient.flatten() for gradient in gradients]))))
        return step(optimiser, *args, **kwargs)

    monkeypatch.setattr("torch.optim.AdamW.step", watched)
    return found


def test_gradients_of_a_step_are_scaled_down_to_the_norm_that_is_asked_for(tmp_path: Path, norms: list[float]) -> None:
    _train(small_job(tmp_path / "as-they-come"))
    limit = sorted(norms)[len(norms) // 2]
    norms.clear()
    _train(small_job(tmp_path / "clipped"), clip_norm=limit)
    assert max(norms) == pytest.approx(limit, rel=1e-4)
    assert min(norms) < 0.9 * limit


def test_gradients_that_an_earlier_phase_left_do_not_count_in_the_norm(tmp_path: Path, norms: list[float]) -> None:
    slow = [replace(phase, lr_head=1e-7, lr_backbone=1e-7) for phase in reversed(PHASES)]
    _train(small_job(tmp_path / "as-they-come"), phases=slow)
    head_norms = norms[-10:]  # those of the second phase: two epochs of five steps
    norms.clear()
    _train(small_job(tmp_path / "clipped"), phases=slow, clip_norm=1.05 * max(head_norms))
    assert norms[-10:] == pytest.approx(head_norms, rel=1e-3)


@pytest.mark.parametrize(
    ("kill_after", "ema_decay"),
    [
        pytest.param(1, 0.0, marks=pytest.mark.slow),
        pytest.param(10, 0.0, marks=pytest.mark.slow),
        (24, 0.0),
        (10, 0.9),
    ],
)
def test_killed_and_resumed_it_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int, ema_decay: float
) -> None:
    monkeypatch.setattr("shared.training.trainer.CHECKPOINT_SECONDS", 0.0)
    whole = small_job(tmp_path / "whole")
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    history = _train(whole, ema_decay=ema_decay)
    steps = 0

    def kill(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == kill_after:
            raise Killed

    with pytest.raises(Killed):
        _train(small_job(tmp_path / "cut", kill), ema_decay=ema_decay)
    resumed = small_job(tmp_path / "cut")
    assert _train(resumed, ema_decay=ema_decay) == history
    for (name, a), b in zip(_weights(whole).items(), _weights(resumed).values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("stop", [1, 2, 4], ids=["within a phase", "between two", "in the last"])
def test_it_stops_after_an_epoch_with_the_weights_that_it_would_have_had_then(tmp_path: Path, stop: int) -> None:
    whole, cut = small_job(tmp_path / "whole"), small_job(tmp_path / "cut")
    then: list[dict[str, torch.Tensor]] = []
    history = _train(replace(whole, on_epoch_end=lambda job, _: then.append(_weights(job))))
    stopped = _train(cut, stop_after=stop)
    assert [row["train_loss"] for row in stopped] == [row["train_loss"] for row in history[:stop]]
    assert all(torch.equal(value, then[stop - 1][name]) for name, value in _weights(cut).items())


def test_averaged_weights_are_kept_in_place_of_the_last(tmp_path: Path) -> None:
    plain, smooth = small_job(tmp_path / "a"), small_job(tmp_path / "b")
    _train(plain)
    history = _train(smooth, ema_decay=0.9)
    assert history[-1]["validation_accuracy"] == 1.0
    pairs = zip(plain.network.parameters(), smooth.network.parameters(), strict=True)
    assert any(not torch.equal(first, second) for first, second in pairs)


def test_the_last_epoch_is_kept_where_nothing_shall_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    falling = iter(range(0, -100, -1))
    monkeypatch.setattr("shared.training.trainer.RULES.get", lambda _: lambda *__: float(next(falling)))
    ends: dict[int, dict[str, torch.Tensor]] = {}
    for selection in ("last", "log_likelihood"):
        job = replace(
            small_job(tmp_path / selection),
            on_epoch_end=lambda seen, epoch: ends.update({epoch: {k: v.clone() for k, v in _weights(seen).items()}}),
        )
        history = _train(job, selection=selection)
        kept = len(history) - 1 if selection == "last" else 0
        assert all(torch.equal(value, ends[kept][name]) for name, value in _weights(job).items())
    assert any(not torch.equal(value, ends[0][name]) for name, value in ends[len(history) - 1].items())


def test_a_phase_of_the_head_alone_leaves_the_backbone_as_it_was(tmp_path: Path) -> None:
    job = replace(small_job(tmp_path), augment=None)
    before = {name: value.clone() for name, value in job.network.backbone.state_dict().items()}
    _train(job, phases=PHASES[:1], weight_decay=0.1)
    for name, value in job.network.backbone.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("folded", [True, False])
def test_statistics_of_batch_norm_are_trained_unless_they_were_folded_into_the_weights(
    tmp_path: Path, folded: bool
) -> None:
    job = replace(small_job(tmp_path), folded_batch_norm=folded)
    before = _weights(job)
    _train(job)
    moved = {name for name, value in _weights(job).items() if not torch.equal(value, before[name])}
    assert any(name.endswith("running_var") for name in moved) is not folded
    assert any(name.endswith("weight") for name in moved)


def test_a_diverging_loss_stops_with_advice(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="lower lr_head"):
        _train(small_job(tmp_path), ClassLoss(torch.full((2,), float("nan"))))


class WithoutGradient(Objective):
    """A loss that is finite, and whose gradient is no number."""

    def forward(self, network: Network, batch: Batch) -> torch.Tensor:
        scores = network(batch.images)
        return (scores - scores.detach()).square().sum().sqrt()


def test_weights_that_are_no_numbers_are_found_and_never_reach_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "weights became infinite or no number in epoch 1; lower lr_head"
    with pytest.raises(RunError, match=said):
        _train(small_job(tmp_path), WithoutGradient(), batch_size=40)  # an epoch of one step
    monkeypatch.setattr("shared.training.trainer.CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(RunError, match=said):
        _train(small_job(tmp_path), WithoutGradient())
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(RunError, match="damaged"):
        _train(small_job(tmp_path))


class WithUnlabelled(Objective):
    """Learns the classes, and by a layer of its own whether an image is labelled."""

    def __init__(self, width: int, unlabelled: Split) -> None:
        super().__init__()
        self.unlabelled = unlabelled
        self.own_head = torch.nn.Linear(width, 2)
        self.class_loss = ClassLoss(torch.ones(2))
        self.batches: list[Batch] = []

    def forward(self, network: Network, batch: Batch) -> torch.Tensor:
        self.batches.append(batch)
        features, count = network.features(batch.images), len(batch.labels)
        is_unlabelled = torch.arange(len(features)) >= count
        own_loss = torch.nn.functional.cross_entropy(self.own_head(features), is_unlabelled.long())
        return self.class_loss.of(network.head(features[:count]), batch.labels) + own_loss


def _with_unlabelled(job: Job) -> WithUnlabelled:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return WithUnlabelled(job.network.head.in_features, small_split(20, 5))


def test_unlabelled_images_come_without_labels_in_the_same_batch(tmp_path: Path) -> None:
    job = replace(small_job(tmp_path), augment=None)
    objective = _with_unlabelled(job)
    _train(job, objective)
    assert {len(batch.labels) for batch in objective.batches} == {8}
    assert {len(batch.images) for batch in objective.batches} == {16}
    for batch in objective.batches:
        for image, place in zip(batch.images[8:], batch.places[8:], strict=True):
            assert torch.equal(image, torch.from_numpy(objective.unlabelled.images[int(place)]))
    progress = [batch.progress for batch in objective.batches]
    assert progress == sorted(progress)
    assert progress[0] == 0.0
    assert progress[-1] == pytest.approx(1.0 - 1.0 / 25)
    first_round = torch.cat([batch.places[8:] for batch in objective.batches])[:20]
    assert sorted(first_round.tolist()) == list(range(20))


def test_what_an_objective_learns_is_resumed_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.training.trainer.CHECKPOINT_SECONDS", 0.0)
    whole = small_job(tmp_path / "whole")
    learnt = _with_unlabelled(whole)
    before = learnt.own_head.weight.detach().clone()
    _train(whole, learnt)
    assert not torch.equal(learnt.own_head.weight, before)

    def kill(_what: str, done: int, _total: int, _note: str) -> None:
        if done == 13:
            raise Killed

    cut = small_job(tmp_path / "cut", kill)
    with pytest.raises(Killed):
        _train(cut, _with_unlabelled(cut))
    resumed = small_job(tmp_path / "cut")
    again = _with_unlabelled(resumed)
    _train(resumed, again)
    assert torch.equal(again.own_head.weight, learnt.own_head.weight)
    assert all(torch.equal(a, b) for a, b in zip(_weights(whole).values(), _weights(resumed).values(), strict=True))
