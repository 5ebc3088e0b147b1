from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medtl.task import TASK
from medtl.transforms import crop_box, images, preprocess, preprocess_mask, restore
from shared.errors import ConfigError, DataError
from shared.samples import Sample
from shared.task import Preprocessing

SPEC = Preprocessing(64, 1, TASK.default_options)


def head(rows: int = 200, columns: int = 160, centre: tuple[int, int] = (90, 70), radius: int = 50) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
    noise = np.random.default_rng(0).uniform(0, 5, (rows, columns))
    return (noise + inside * (100 + 50 * (x > centre[1]))).astype(np.float32)


def test_result_is_a_square_between_zero_and_one() -> None:
    image = preprocess(head(), SPEC)
    assert image.shape == (1, 64, 64)
    assert image.dtype == np.float32
    assert 0 <= image.min() < 0.01
    assert 0.99 < image.max() <= 1


def test_crop_holds_the_whole_head_with_its_margin() -> None:
    box = crop_box(head(), SPEC)
    assert 100 <= box.side <= 120
    assert box.top <= 40
    assert box.top + box.side >= 140
    assert box.left <= 20
    assert box.left + box.side >= 120


def test_crop_ignores_lettering_beside_the_head() -> None:
    lettered = head()
    lettered[190:194, 4:30] = 200
    assert crop_box(lettered, SPEC) == crop_box(head(), SPEC)


def test_aspect_is_kept_without_cropping() -> None:
    spec = Preprocessing(64, 1, {**TASK.default_options, "crop": False})
    box = crop_box(head(), spec)
    assert (box.top, box.left, box.side) == (0, -20, 200)
    assert not preprocess(head(), spec)[0, :, :5].any()


def test_gain_and_offset_of_the_scanner_do_not_matter() -> None:
    np.testing.assert_allclose(preprocess(head() * 37 + 1000, SPEC), preprocess(head(), SPEC), atol=1e-3)


def test_one_hot_pixel_does_not_darken_the_head() -> None:
    spiked = head()
    spiked[90, 70] = 1e6
    difference = np.abs(preprocess(spiked, SPEC) - preprocess(head(), SPEC))
    assert np.percentile(difference, 99) < 0.05


def test_colour_is_turned_grey() -> None:
    colour = np.repeat(head()[..., np.newaxis], 3, axis=2)
    np.testing.assert_allclose(preprocess(colour, SPEC), preprocess(head(), SPEC), atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (1, 300), (40, 40)])
def test_constant_and_tiny_images_give_black(shape: tuple[int, int]) -> None:
    image = preprocess(np.full(shape, 7, dtype=np.float32), SPEC)
    assert image.shape == (1, 64, 64)
    assert not image.any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    damaged = head()
    damaged[3, 3] = value
    with pytest.raises(DataError, match="not finite"):
        preprocess(damaged, SPEC)


@pytest.mark.parametrize("shape", [(0, 5), (5,), (5, 5, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="shape"):
        preprocess(np.zeros(shape, dtype=np.float32), SPEC)


@pytest.mark.parametrize(
    "options", [{"nonsense": 1}, {"margin": 2.0}, {"lower_percentile": 100}, {"labels": "x"}, {"crop": 1}]
)
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        preprocess(head(), Preprocessing(64, 1, options))


def test_three_channels_are_refused() -> None:
    with pytest.raises(ConfigError, match="channels"):
        preprocess(head(), Preprocessing(64, 3))


@pytest.mark.parametrize(
    "options", [{"margin": 0.4}, {"lower_percentile": 60.0}, {"upper_percentile": 60.0}, {"crop": False}]
)
def test_every_option_changes_the_image(options: dict[str, object]) -> None:
    assert not np.array_equal(preprocess(head(), Preprocessing(64, 1, options)), preprocess(head(), SPEC))


def test_mask_follows_the_image() -> None:
    pixels = head()
    mask = np.zeros(pixels.shape, dtype=bool)
    mask[80:100, 60:80] = True
    marked = np.where(mask, 0, pixels).astype(np.float32)
    on_grid = preprocess_mask(mask, pixels, SPEC)
    dark = preprocess(marked, SPEC)[0] < 0.3
    assert on_grid.sum() > 50
    assert dark[on_grid].mean() > 0.9


def test_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match="grid of the image"):
        preprocess_mask(np.zeros((5, 5), dtype=bool), head(), SPEC)


def test_images_are_made_once_and_as_prediction_makes_them_up_to_half_a_step_of_float16() -> None:
    calls: list[str] = []

    def read(sample: Sample) -> np.ndarray:
        calls.append(sample.id)
        return head(radius=30 + int(sample.id))

    samples = [Sample(str(i), "") for i in range(4)]
    images(samples[1:], SPEC, "data", read)
    kept = images(samples, SPEC, "data", read)
    assert len(kept) == 4
    np.testing.assert_allclose(kept[2], preprocess(head(radius=32), SPEC), atol=2.0**-12)
    assert kept[2].dtype == np.float32
    np.testing.assert_array_equal(kept[1:][0], kept[1])
    assert sorted(calls) == ["0", "1", "2", "3"]


def test_all_damaged_images_are_reported_at_once() -> None:
    def read(sample: Sample) -> np.ndarray:
        if int(sample.id) % 2:
            raise DataError("the picture is damaged")
        return head()

    with pytest.raises(DataError, match=r"(?s)^4 images.*1: the picture is damaged.*7: "):
        images([Sample(str(i), "") for i in range(8)], SPEC, "data", read)


@pytest.mark.parametrize("crop", [True, False])
@pytest.mark.parametrize("shape", [(200, 160), (150, 230)])
def test_map_comes_back_to_where_its_image_was(shape: tuple[int, int], crop: bool) -> None:
    pixels, point = head(*shape), (75, 88)
    marked = np.zeros(shape, dtype=bool)
    marked[point[0] - 2 : point[0] + 3, point[1] - 2 : point[1] + 3] = True
    spec = Preprocessing(64, 1, {**TASK.default_options, "crop": crop})
    restored = restore(preprocess_mask(marked, pixels, spec).astype(np.float32), pixels, spec)
    assert restored.shape == shape
    assert restored.dtype == np.float32
    centre = np.array(ndimage.center_of_mass(restored))
    assert np.abs(centre - point).max() < 1.5


def test_restored_map_is_zero_outside_of_the_crop_and_keeps_its_sign() -> None:
    pixels = head()
    box = crop_box(pixels, SPEC)
    restored = restore(np.full((64, 64), -3, dtype=np.float32), pixels, SPEC)
    inside = restored[max(box.top, 0) : box.top + box.side, max(box.left, 0) : box.left + box.side]
    np.testing.assert_allclose(inside, -3)
    assert np.count_nonzero(restored) == inside.size < restored.size


def test_map_of_another_size_is_refused() -> None:
    with pytest.raises(DataError, match="64, 64"):
        restore(np.zeros((5, 5), dtype=np.float32), head(), SPEC)
