from __future__ import annotations

import numpy as np

from shared.experiments.advice.depth_profile import DepthProfile, LayerResult


def _result(depth: float, value: float, log_likelihood: float, pooling: str = "avg_1x1") -> LayerResult:
    return LayerResult(f"layer{depth}", pooling, depth, np.zeros((0, 2)), value, log_likelihood)


def test_the_best_layer_is_the_one_by_which_true_classes_are_likeliest() -> None:
    results = (_result(0.2, 0.90, -0.4), _result(0.6, 0.88, -0.3), _result(1.0, 0.92, -0.5))
    assert DepthProfile(results, 0.0, 0.0).best is results[1]


def test_of_equal_layers_the_deepest_is_best() -> None:
    results = (_result(0.2, 0.9, -0.3), _result(0.6, 0.9, -0.3))
    assert DepthProfile(results, 0.0, 0.0).best is results[1]


def test_the_last_layer_is_that_of_the_global_pooling() -> None:
    results = (_result(0.2, 0.9, -0.3), _result(1.0, 0.8, -0.4), _result(1.0, 0.9, -0.2, "avg_2x2"))
    assert DepthProfile(results, 0.0, 0.0).last is results[1]
