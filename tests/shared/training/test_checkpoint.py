"""Checkpoints that cannot be read say why, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from shared.errors import RunError
from shared.training.checkpoint import Checkpoint, Position

WRITTEN = Checkpoint("data", {}, None, {}, Position(), [], {}, {})


def _changed(path: Path, **changes: Any) -> None:
    """Writes a checkpoint with other fields; None leaves one out."""
    WRITTEN.write(path)
    state = {**torch.load(path, weights_only=True), **changes}
    torch.save({name: value for name, value in state.items() if name not in changes or value is not None}, path)


@pytest.mark.parametrize(
    "changes",
    [{"precision": None}, {"scaler": {}}, {"position": {"phase": 0, "epoch": 0}}],
    ids=["a field less", "a field more", "another position"],
)
def test_one_of_another_version_says_so_and_what_to_do(tmp_path: Path, changes: dict[str, Any]) -> None:
    _changed(tmp_path / "checkpoint.pt", **changes)
    with pytest.raises(RunError, match=r"checkpoint\.pt was written by another version of this software.*delete it"):
        Checkpoint.read(tmp_path / "checkpoint.pt", "data")


def test_one_of_other_data_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    WRITTEN.write(path)
    assert Checkpoint.read(path, "data") == WRITTEN
    with pytest.raises(RunError, match="belongs to other data"):
        Checkpoint.read(path, "other")
    for content in ([1, 2], {"position": 3}):
        torch.save(content, path)
        with pytest.raises(RunError, match="is damaged"):
            Checkpoint.read(path, "data")
    path.write_bytes(b"no archive")
    with pytest.raises(RunError, match="is damaged"):
        Checkpoint.read(path, "data")
