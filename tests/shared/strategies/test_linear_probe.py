from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shared.features import sources
from shared.features.cache import FeatureBlocks
from shared.strategies import linear_probe
from tests.shared.small_job import small_job


def test_features_that_do_not_fit_into_memory_are_never_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = linear_probe.Options(penalty=0.1)
    job = small_job(tmp_path)
    history = linear_probe.STRATEGY.fit(job, options)
    again, read = small_job(tmp_path), list[int]()
    width, whole = again.network.head.weight.shape[1], FeatureBlocks.block

    def block(self: FeatureBlocks, start: int, stop: int) -> torch.Tensor:
        read.append(stop - start)
        return whole(self, start, stop)

    monkeypatch.setattr(FeatureBlocks, "block", block)
    monkeypatch.setattr(linear_probe, "IN_MEMORY", 0)
    monkeypatch.setattr(sources, "BLOCK_VALUES", 7 * width)
    (row,) = linear_probe.STRATEGY.fit(again, options)
    assert max(read) <= 7
    assert row["validation_score"] == pytest.approx(history[0]["validation_score"], abs=1e-4)
    torch.testing.assert_close(again.network.head.weight, job.network.head.weight, atol=1e-3, rtol=1e-3)
