"""The training images that stand beside a missed one, and images that are varied for the scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from shared.pipeline import scores
from shared.pipeline.scores import VARIED_AT_ONCE, neighbours, reference_features, varied_split
from shared.seeding import derive_seed
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


def test_images_are_varied_a_block_at_a_time_when_they_are_asked_for(tmp_path: Path) -> None:
    job, asked = small_job(tmp_path), list[int]()
    augment = job.augment
    assert augment is not None

    def counted(images: Tensor, seeds: Sequence[int]) -> Tensor:
        asked.append(len(images))
        return augment(images, seeds)

    varied = varied_split(job.train, replace(job, augment=counted))
    assert asked == []
    seeds = [derive_seed(job.seed, "varied", sample.id) for sample in job.train.samples]
    whole = augment(torch.from_numpy(np.stack(job.train.images)), seeds)
    np.testing.assert_array_equal(np.stack([*varied.images]), whole)
    np.testing.assert_array_equal(varied.images[-1], whole[-1])
    assert asked == [VARIED_AT_ONCE, 40 - VARIED_AT_ONCE]
