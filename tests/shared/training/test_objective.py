from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from shared.training.objective import class_weights, weighted_loss

SCORES = torch.tensor([[2.0, 0.0], [0.5, 0.0], [-1.0, 1.0]])
LABELS = torch.tensor([0, 1, 1])


def test_without_focus_it_is_the_weighted_cross_entropy_of_torch_over_the_size_of_the_batch() -> None:
    weights = torch.tensor([0.5, 2.0])
    for smoothing in (0.0, 0.1):
        ours = weighted_loss(SCORES, LABELS, weights, label_smoothing=smoothing)
        whole = F.cross_entropy(SCORES, LABELS, weight=weights, label_smoothing=smoothing, reduction="sum")
        torch.testing.assert_close(ours, whole / len(LABELS))


def test_focus_is_the_equation_of_the_paper() -> None:
    right = torch.softmax(SCORES, dim=1)[torch.arange(3), LABELS]
    expected = (-((1 - right) ** 2) * right.log()).mean()
    torch.testing.assert_close(weighted_loss(SCORES, LABELS, torch.ones(2), focal_gamma=2.0), expected)


def test_a_miss_weighs_what_it_costs() -> None:
    labels = np.array([0, 0, 0, 1])
    plain = class_weights(labels, (1.0, 5.0), balanced=False)
    assert float(plain[1] / plain[0]) == pytest.approx(5.0)
    balanced = class_weights(labels, (1.0, 5.0), balanced=True)
    assert float(balanced[1] / balanced[0]) == pytest.approx(15.0)
    for weights in (plain, balanced):
        assert float(weights[torch.from_numpy(labels)].mean()) == pytest.approx(1.0)
