"""The loop on a network of its own, small enough that a whole training takes a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from shared.backbones import build_backbone
from shared.errors import RunError
from shared.job import Job, Part
from shared.network import Network, code_width
from shared.samples import Belonging, Sample
from shared.task import Preprocessing
from shared.trainer import Phase, _Loop, train

PHASES = [
    Phase(2, "none", 1e-2, 1e-3, 1.0, 0.0, "constant"),
    Phase(3, "all", 1e-2, 1e-2, 0.9, 0.2, "cosine"),
]


class Killed(Exception):
    pass


def _part(count: int, seed: int) -> Part:
    random = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 2
    images = random.random((count, 1, 32, 32), dtype=np.float32) * 0.5
    images[labels == 1, :, 8:20, 8:20] += 0.5
    samples = [Sample(id=f"{seed}-{i}", source="", label=str(labels[i])) for i in range(count)]
    return Part(samples, list(images), labels, Belonging.of(samples, range(count)))


def _noise(image: np.ndarray, seed: int) -> np.ndarray:
    return image + np.random.default_rng(seed).normal(0, 0.05, image.shape).astype(np.float32)


def _job(folder: Path, progress: object = lambda *_: None) -> Job:
    backbone = build_backbone("convnet_small", layers=None, seed=0)
    layers = list(backbone.stages)[-1:]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Network(backbone, layers, "avg1", code_width(backbone, layers, "avg1", 1, 32), 2)
    return Job(
        network=network,
        train=_part(40, 1),
        validation=_part(20, 2),
        classes=("0", "1"),
        costs=(1.0, 1.0),
        spec=Preprocessing(32),
        content_hash="",
        fingerprint="",
        augment=_noise,
        seed=0,
        device=torch.device("cpu"),
        folder=folder,
        progress=progress,  # type: ignore[arg-type]
    )


def _train(job: Job, **changes: object) -> list[dict[str, object]]:
    settings = {
        "batch_size": 8,
        "weight_decay": 1e-4,
        "batch_norm": "train",
        "augment": True,
        "precision": "auto",
        "selection": "loss",
        **changes,
    }
    return train(job, PHASES, torch.nn.functional.cross_entropy, **settings)  # type: ignore[arg-type]


def _weights(job: Job) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in job.network.state_dict().items()}


def test_it_learns(tmp_path: Path) -> None:
    history = _train(_job(tmp_path))
    assert len(history) == 5
    assert history[-1]["validation_accuracy"] == 1.0


def test_it_learns_in_bfloat16_and_keeps_its_weights_in_float32(tmp_path: Path) -> None:
    job = _job(tmp_path / "bf16")
    history = _train(job, precision="bf16")
    assert history[-1]["validation_accuracy"] == 1.0
    assert {value.dtype for value in job.network.parameters()} == {torch.float32}
    other = _job(tmp_path / "fp32")
    _train(other, precision="fp32")
    assert any(not torch.equal(a, b) for a, b in zip(_weights(job).values(), _weights(other).values(), strict=True))


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, second = _job(tmp_path / "a"), _job(tmp_path / "b")
    _train(first)
    torch.rand(7)  # what was drawn elsewhere must not matter
    _train(second)
    assert all(torch.equal(a, b) for a, b in zip(_weights(first).values(), _weights(second).values(), strict=True))


@pytest.mark.parametrize("kill_after", [1, 10, 24])
def test_killed_and_resumed_it_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    monkeypatch.setattr("shared.trainer.CHECKPOINT_SECONDS", 0.0)
    whole = _job(tmp_path / "whole")
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    history = _train(whole)
    steps = 0

    def kill(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == kill_after:
            raise Killed

    with pytest.raises(Killed):
        _train(_job(tmp_path / "cut", kill))
    resumed = _job(tmp_path / "cut")
    assert _train(resumed) == history
    for (name, a), b in zip(_weights(whole).items(), _weights(resumed).values(), strict=True):
        assert torch.equal(a, b), name


def test_a_phase_of_the_head_alone_leaves_the_backbone_as_it_was(tmp_path: Path) -> None:
    job = _job(tmp_path)
    before = {name: value.clone() for name, value in job.network.backbone.state_dict().items()}
    loop = _Loop(job, PHASES[:1], torch.nn.functional.cross_entropy, 8, 0.1, "train", False, "auto", "loss")
    loop.run()
    for name, value in job.network.backbone.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_diverging_loss_stops_with_advice(tmp_path: Path) -> None:
    def diverge(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return scores.sum() * float("nan")

    with pytest.raises(RunError, match="lower lr_head"):
        train(
            _job(tmp_path),
            PHASES,
            diverge,
            batch_size=8,
            weight_decay=0.0,
            batch_norm="train",
            augment=False,
            precision="auto",
            selection="loss",
        )


def test_a_damaged_checkpoint_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(RunError, match="damaged"):
        _train(_job(tmp_path))
