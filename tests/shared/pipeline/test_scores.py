"""The training images that stand beside a missed one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.pipeline import scores
from shared.pipeline.scores import neighbours, reference_features
from shared.strategies.finetune import STRATEGY
from tests.shared.small_job import small_job


@pytest.mark.parametrize("varied", [False, True])
def test_the_nearest_training_image_of_one_is_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, varied: bool
) -> None:
    """Of the 24 images that are drawn; where every second one was varied, of the 12 that were not."""
    monkeypatch.setattr(scores, "REFERENCE_SIZE", 24)
    job = small_job(tmp_path)
    reference = reference_features(STRATEGY, job, 5, varied=varied)
    found = neighbours(STRATEGY, job, job.train, reference, 5, 3, varied=varied)
    assert found.shape == (40, 3)
    itself = np.flatnonzero(found[:, 0] == np.arange(40))
    assert len(itself) == (12 if varied else 24)
    assert set(found.ravel().tolist()) <= set(itself.tolist())
