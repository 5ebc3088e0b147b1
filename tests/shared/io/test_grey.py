from __future__ import annotations

import numpy as np
import pytest

from shared.errors import DataError
from shared.io.grey import between_class_variance, check_pixels, percentile, to_grey


def test_colour_becomes_luminance_and_grey_stays() -> None:
    colour = np.array([[[255, 0, 0], [0, 255, 0], [255, 255, 255]]], dtype=np.float32)
    np.testing.assert_allclose(to_grey(colour), [[0.299 * 255, 0.587 * 255, 255]], rtol=1e-6)
    grey = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(to_grey(grey.T), grey.T)
    assert to_grey(grey.T).flags.c_contiguous


@pytest.mark.parametrize("shape", [(0, 5), (5,), (5, 5, 4)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="the page has shape"):
        check_pixels(np.zeros(shape, np.float32), "page")


def test_a_value_that_is_not_finite_is_refused() -> None:
    with pytest.raises(DataError, match="not finite"):
        check_pixels(np.array([[0, np.nan]], np.float32))


@pytest.mark.parametrize("percent", [0, 0.5, 33.3, 50.0, 99, 99.5, 100])
def test_percentile_is_to_the_bit_that_of_numpy(percent: float) -> None:
    for count in (1, 2, 7, 1000, 16384):
        values = np.random.default_rng(count).gamma(2.0, 300.0, count).astype(np.float32)
        assert percentile(np.sort(values), percent) == np.percentile(values, percent)


def test_otsus_criterion_is_the_variance_between_the_classes() -> None:
    levels = np.array([0, 0, 0, 1, 3, 3])
    found = between_class_variance(np.bincount(levels, minlength=5))
    for threshold, variance in enumerate(found):
        below, above = levels[levels <= threshold], levels[levels > threshold]
        means = [part.mean() if part.size else 0.0 for part in (below, above)]
        expected = below.size * above.size / levels.size**2 * (means[0] - means[1]) ** 2
        assert variance == pytest.approx(expected)
