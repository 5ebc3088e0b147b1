from __future__ import annotations

import numpy as np
import pytest

from shared.adaptation.weighted_validation import importance_weights


def test_source_images_that_look_like_the_target_weigh_most() -> None:
    random = np.random.default_rng(0)
    source = random.normal(size=(300, 4)).astype(np.float32)
    target = random.normal(size=(300, 4)).astype(np.float32) + np.array([1, 0, 0, 0], dtype=np.float32)
    weights = importance_weights(source, target, range(300))
    ratio = source[:, 0] - 0.5  # log density ratio of two normal distributions one apart
    assert weights.mean() == pytest.approx(1)
    assert np.corrcoef(np.log(weights), ratio)[0, 1] > 0.9


def test_like_domains_and_a_single_unit_weigh_alike() -> None:
    random = np.random.default_rng(1)
    source, target = random.normal(size=(2, 400, 4)).astype(np.float32)
    assert importance_weights(source, target, range(400)).std() < 0.3
    assert set(importance_weights(source, target, [0] * 400)) == {1.0}
