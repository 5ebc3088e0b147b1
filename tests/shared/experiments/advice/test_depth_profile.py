from __future__ import annotations

import numpy as np

from shared.experiments.advice.depth_profile import DepthProfile, LayerResult, joined_layers


def _result(depth: float, value: float, log_likelihood: float, pooling: str = "avg_1x1") -> LayerResult:
    return LayerResult((f"layer{depth}",), pooling, depth, np.zeros((0, 2)), value, log_likelihood)


def test_the_best_layer_is_the_one_by_which_true_classes_are_likeliest() -> None:
    results = (_result(0.2, 0.90, -0.4), _result(0.6, 0.88, -0.3), _result(1.0, 0.92, -0.5))
    assert DepthProfile(results, 0.0, 0.0).best is results[1]


def test_of_equal_layers_the_deepest_is_best() -> None:
    results = (_result(0.2, 0.9, -0.3), _result(0.6, 0.9, -0.3))
    assert DepthProfile(results, 0.0, 0.0).best is results[1]


def test_the_last_layer_is_that_of_the_global_pooling() -> None:
    results = (_result(0.2, 0.9, -0.3), _result(1.0, 0.8, -0.4), _result(1.0, 0.9, -0.2, "avg_2x2"))
    assert DepthProfile(results, 0.0, 0.0).last is results[1]


def test_joined_layers_can_be_best_and_of_equals_the_fewest_layers_are() -> None:
    single, joined, more = (
        LayerResult(names, "avg_1x1", 1.0, np.zeros((0, 2)), 0.9, value)
        for names, value in ((("a",), -0.4), (("a", "b"), -0.3), (("a", "b", "c"), -0.3))
    )
    profile = DepthProfile((single, joined, more), 0.0, 0.0)
    assert profile.best is joined
    assert profile.best_single is single
    assert profile.last is single


def test_the_likeliest_layers_of_each_pooling_are_joined_in_their_order() -> None:
    stages = [f"layer{depth}" for depth in (0.2, 0.6, 0.8, 1.0)]
    single = [_result(0.2, 0.9, -0.1), _result(0.6, 0.9, -0.4), _result(0.8, 0.9, -0.3), _result(1.0, 0.9, -0.2)]
    grids = [_result(0.2, 0.9, -0.1, "avg_2x2"), _result(0.8, 0.9, -0.2, "avg_2x2")]
    assert joined_layers([*single, *grids], stages) == [
        (("layer0.2", "layer1.0"), "avg_1x1"),
        (("layer0.2", "layer0.8", "layer1.0"), "avg_1x1"),
        (tuple(stages), "avg_1x1"),
        (("layer0.2", "layer0.8"), "avg_2x2"),
    ]
