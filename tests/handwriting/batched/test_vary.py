"""Variations of a batch against those of Albumentations, image by image, from the same table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from handwriting.augmentation import by_albumentations
from handwriting.batched import bends
from handwriting.batched.draws import draw
from handwriting.batched.vary import vary
from handwriting.transforms import preprocess
from handwriting.variation import USUAL, Variation
from shared.task import Preprocessing
from tests.handwriting.test_transforms import letter

NOTHING = Variation(moved=0.0, bent=0.0, pen=0.0)
COUNT = 400


def letters(count: int, size: int = 32) -> Tensor:
    """Letters of other widths, float32 [count, 1, size, size], 0 to 1."""
    drawn = [preprocess(letter(60, 45 + number % 12), Preprocessing(size)) for number in range(count)]
    return torch.from_numpy(np.stack(drawn))


def _one_by_one(images: Tensor, variation: Variation) -> Tensor:
    done = [by_albumentations(image, seed, variation) for seed, image in enumerate(images.numpy())]
    return torch.from_numpy(np.stack(done))


@pytest.mark.parametrize("size", [32, 63])
def test_a_character_moves_as_albumentations_moves_it(size: int) -> None:
    one = replace(NOTHING, moved=1.0, degrees=(9.0, 9.0), shear_x=(11.0, 11.0), shear_y=(3.0, 3.0))
    one = replace(one, scale=(0.9, 0.9), shift=(0.049, 0.049))
    images = letters(3, size)
    # OpenCV rounds places to 1/32 of a pixel
    torch.testing.assert_close(vary(images, range(3), one), _one_by_one(images, one), rtol=0.0, atol=0.03)


@pytest.mark.parametrize("size", [32, 64, 80, 100])
def test_pens_are_those_of_albumentations(size: int) -> None:
    images, both = letters(1, size), replace(NOTHING, pen=1.0)
    found, expected = (
        {one.numpy().tobytes() for one in made(images.repeat(12, 1, 1, 1), both)}
        for made in (lambda images, table: vary(images, range(12), table), _one_by_one)
    )
    assert found == expected
    assert len(found) == 2


@pytest.mark.parametrize("size", [32, 64])
def test_the_same_numbers_bend_as_in_albumentations(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from albumentations import ElasticTransform

    sigma, strength = USUAL.sigma_pixels(size), USUAL.strength_pixels(size)
    library = ElasticTransform(alpha=strength, sigma=sigma, p=1.0)
    library.set_random_seed(5)
    maps = library.get_params_dependent_on_data({"shape": (size, size)}, {})
    numbers = np.random.default_rng(5).standard_normal((1, 2 * size, size), dtype=np.float32)
    monkeypatch.setattr(bends, "normal_numbers", lambda *_: torch.from_numpy(numbers))
    rows, columns = bends.bends([5], size, sigma, strength, torch.device("cpu"))[0].numpy()
    places = np.arange(size, dtype=np.float32)
    np.testing.assert_allclose(rows, maps["map_y"] - places[:, None], atol=1e-5)
    np.testing.assert_allclose(columns, maps["map_x"] - places, atol=1e-5)
    assert 0.15 < rows.std() < 0.025 * size


def test_a_batch_has_the_distribution_of_albumentations() -> None:
    images = letters(COUNT)
    found, expected = _moments(vary(images, range(COUNT), USUAL)), _moments(_one_by_one(images, USUAL))
    for name, (values, tolerance) in expected.items():
        assert found[name][0].mean() == pytest.approx(values.mean(), abs=tolerance), name
        assert found[name][0].std() == pytest.approx(values.std(), abs=tolerance), name


def _moments(images: Tensor) -> dict[str, tuple[np.ndarray, float]]:
    """Of each image ink, contrast, sharpness, place and extent of the ink, each with its tolerance."""
    pixels = images[:, 0].numpy().astype(np.float64)
    ink = pixels.sum((1, 2))
    places = np.arange(pixels.shape[-1])
    row, column = (pixels * places[:, None]).sum((1, 2)) / ink, (pixels * places).sum((1, 2)) / ink
    height = np.sqrt((pixels * (places[:, None] - row[:, None, None]) ** 2).sum((1, 2)) / ink)
    width = np.sqrt((pixels * (places - column[:, None, None]) ** 2).sum((1, 2)) / ink)
    slant = (pixels * (places[:, None] - row[:, None, None]) * (places - column[:, None, None])).sum((1, 2)) / ink
    return {
        "mean": (pixels.mean((1, 2)), 0.008),
        "SD": (pixels.std((1, 2)), 0.008),
        "gradient": (np.abs(np.diff(pixels)).mean((1, 2)), 0.004),
        "row": (row, 0.25),
        "column": (column, 0.25),
        "height": (height, 0.15),
        "width": (width, 0.15),
        "slant": (slant, 2.0),
    }


def test_a_result_depends_on_the_image_and_its_seed_alone() -> None:
    images = letters(48)
    together = vary(images, range(48))
    alone = torch.cat([vary(images[row : row + 1], [row]) for row in range(48)])
    backwards = vary(images.flip(0), range(47, -1, -1)).flip(0)
    assert (together - alone).abs().max() < 1e-6
    assert (together - backwards).abs().max() < 1e-6


def test_a_character_is_never_mirrored_nor_turned_over() -> None:
    down_down, down_right, _, right_down, right_right, _ = draw(range(2000), USUAL, 32).matrices.T
    assert (down_down * right_right - down_right * right_down).min() > 0.5
    assert min(down_down.min(), right_right.min()) > 0.5


def test_a_share_of_none_leaves_images_as_they_are() -> None:
    images = letters(4)
    assert torch.equal(vary(images, range(4), NOTHING), images)
