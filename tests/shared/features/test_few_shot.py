from __future__ import annotations

import numpy as np

from shared.features.few_shot import fit_row


def test_a_new_row_wins_on_its_class_and_leaves_old_images_to_the_old_rows() -> None:
    random = np.random.default_rng(0)
    means = 4 * np.eye(4, 8)
    old = means[:3].repeat(60, axis=0) + random.normal(0, 0.4, (180, 8))
    weight, bias = means[:3], np.full(3, -8.0)
    row = fit_row(means[3] + random.normal(0, 0.4, (5, 8)), old, weight, bias, penalty=0.1)
    new = means[3] + random.normal(0, 0.4, (50, 8))
    lead = [(features @ row.weight + row.bias) - (features @ weight.T + bias).max(axis=1) for features in (new, old)]
    assert (lead[0] > 0).mean() > 0.95
    assert (lead[1] < 0).mean() > 0.95
