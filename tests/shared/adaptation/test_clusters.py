from __future__ import annotations

import numpy as np
import pytest

from shared.adaptation.clusters import cluster_agreement, feature_clusters

LABELS = np.arange(300) % 3


def _features(apart: float) -> np.ndarray:
    random = np.random.default_rng(0)
    return (apart * np.eye(3)[LABELS] + 0.1 * random.normal(size=(300, 3))).astype(np.float32)


def test_answers_that_cut_through_clusters_agree_less() -> None:
    clusters = feature_clusters(_features(2.0), 3)
    wrong = LABELS.copy()
    wrong[:60] = np.random.default_rng(1).permutation(wrong[:60])
    assert cluster_agreement(LABELS, clusters) == pytest.approx(1)
    assert 0.5 < cluster_agreement(wrong, clusters) < 0.95
    assert cluster_agreement(np.random.default_rng(2).permutation(LABELS), clusters) == pytest.approx(0, abs=0.03)


def test_one_answer_for_all_agrees_with_no_clusters() -> None:
    assert cluster_agreement(np.zeros(300, dtype=np.int64), feature_clusters(_features(2.0), 3)) == 0


def test_few_images_form_few_clusters_and_the_same_ones_each_time() -> None:
    assert set(feature_clusters(_features(2.0)[:2], 3)) == {0, 1}
    assert np.array_equal(feature_clusters(_features(0.1), 3), feature_clusters(_features(0.1), 3))
