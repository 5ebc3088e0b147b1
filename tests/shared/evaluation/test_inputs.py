"""Inputs, their classes and their first images."""

from __future__ import annotations

import numpy as np

from shared.evaluation.inputs import first_of_each, input_classes

POSITIVE = np.array([False, True, True])


def test_one_positive_slice_makes_the_series_positive() -> None:
    inputs = ["b", "a", "b", "b", "b", "a"]
    assert input_classes(inputs, np.array([0, 0, 0, 2, 0, 0]), POSITIVE).tolist() == [2, 0]


def test_the_most_frequent_positive_class_counts() -> None:
    assert input_classes(["a"] * 6, np.array([0, 0, 0, 2, 1, 2]), POSITIVE).tolist() == [2]


def test_without_a_positive_class_the_most_frequent_counts() -> None:
    assert input_classes(["a", "a", "a", "b"], np.array([1, 2, 2, 0]), np.zeros(3, dtype=bool)).tolist() == [2, 0]


def test_the_first_image_of_each_input_is_found_in_the_order_of_the_inputs() -> None:
    assert first_of_each(["b", "a", "b", "c", "a"]).tolist() == [0, 1, 3]
