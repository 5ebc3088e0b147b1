"""Checkpoints that a thread writes: as they were when they were handed over, in order, and no fault is lost."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.training.checkpoint import Checkpoint, Position
from shared.training.checkpoint_writer import CheckpointWriter


def _checkpoint(weight: torch.Tensor, step: int = 1) -> Checkpoint:
    optimiser: dict[str, Any] = {"state": {0: {"step": weight}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    return Checkpoint("data", {"w": weight}, None, optimiser, Position(step=step), [{"epoch": 1}], {}, {"name": "fp32"})


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Holds every writing back until it is set."""
    event, save = threading.Event(), torch.save

    def waiting(*args: Any, **options: Any) -> None:
        assert event.wait(30)
        save(*args, **options)

    monkeypatch.setattr(torch, "save", waiting)
    return event


def test_it_is_written_as_it_was_and_the_last_is_awaited(tmp_path: Path, held: threading.Event) -> None:
    path, weight = tmp_path / "checkpoint.pt", torch.zeros(2)
    with CheckpointWriter(path) as writer:
        checkpoint = _checkpoint(weight)
        writer.write(checkpoint)
        assert not path.exists()
        weight.add_(1.0)  # the next step of training
        checkpoint.position.step = 7
        held.set()
        writer.write(_checkpoint(torch.full((2,), 5.0), step=2))
    found = Checkpoint.read(path, "data")
    assert (found.loss_module["w"].tolist(), found.position.step) == ([5.0, 5.0], 2)


def test_what_training_changes_later_is_not_in_it(tmp_path: Path, held: threading.Event) -> None:
    path, weight = tmp_path / "checkpoint.pt", torch.zeros(2)
    with CheckpointWriter(path) as writer:
        checkpoint = _checkpoint(weight)
        writer.write(checkpoint)
        weight.add_(1.0)
        checkpoint.position.step, checkpoint.history[0]["epoch"] = 7, 9
        held.set()
    found = Checkpoint.read(path, "data")
    assert found.loss_module["w"].tolist() == found.optimiser["state"][0]["step"].tolist() == [0.0, 0.0]
    assert (found.position.step, found.history) == (1, [{"epoch": 1}])


def test_a_fault_is_raised_at_the_next_chance_and_the_older_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    with CheckpointWriter(path) as writer:
        writer.write(_checkpoint(torch.zeros(2)))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    for chance in ("write", "raise_failure", "end"):
        with pytest.raises(OSError, match="No space left"), CheckpointWriter(path) as writer:
            writer.write(_checkpoint(torch.ones(2)))
            if chance == "write":
                writer.write(_checkpoint(torch.ones(2)))
            while chance == "raise_failure":
                writer.raise_failure()
    assert Checkpoint.read(path, "data").loss_module["w"].tolist() == [0.0, 0.0]
