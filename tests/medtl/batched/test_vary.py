"""A chain on a batch against the same chain of MONAI's transforms, image by image."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from medtl.augmentation import CHAINS
from medtl.batched.steps import steps
from medtl.batched.vary import vary
from medtl.chain import Chain

SIZE = 64
COUNT = 200
kinds = pytest.mark.parametrize("kind", CHAINS)


def heads(count: int, *, masks: bool = False) -> Tensor:
    """Heads that differ, float32 [count, 1, 64, 64], 0 to 1; with a mask of their spot as a second channel."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    made = []
    for seed in range(count):
        random = np.random.default_rng(seed)
        radius = np.hypot(x, y * random.uniform(0.85, 1.05))
        image = np.select([radius < 0.6, radius < 0.68, radius < 0.85], [0.5, 0.05, 1.0], 0.0)
        spot = np.hypot(x - 0.25, y - random.uniform(-0.3, 0.3)) < 0.15
        image[spot] = 0.85
        image += random.normal(0.0, 0.03, image.shape) * (radius < 0.85)
        made.append(np.stack([np.clip(image, 0.0, 1.0), spot])[: 2 if masks else 1])
    return torch.from_numpy(np.stack(made).astype(np.float32))


def _one_by_one(images: Tensor, chain: Chain) -> Tensor:
    return torch.from_numpy(np.stack([chain(image, seed) for seed, image in enumerate(images.numpy())]))


def _without_noise(chain: Chain) -> Chain:
    """The chain without what draws other numbers in a batch; it comes last, so that the other draws stay."""
    assert "Noise" in type(chain.looks.transforms[-1]).__name__
    chain.looks.transforms[-1].prob = 0.0
    return chain


@kinds
def test_a_batch_is_what_monai_makes_image_by_image_but_for_noise(kind: str) -> None:
    count = COUNT // 2
    images, chain = heads(count, masks=True), _without_noise(CHAINS[kind](SIZE))
    found, expected = vary(images, range(count), chain), _one_by_one(images, chain)
    far = (found - expected).abs().amax((1, 2, 3))
    # MONAI resamples in float64; a steep curve afterwards makes much of 1e-5 of a pixel
    assert far.median() < 1e-5
    assert far.max() < 1e-3
    assert len({one.numpy().tobytes() for one in found}) == count


@kinds
def test_a_batch_has_the_distribution_of_monai(kind: str) -> None:
    """With noise: mean, spread, gradients, background and quantiles, over all draws."""
    images, chain = heads(COUNT), CHAINS[kind](SIZE)
    found, expected = _moments(vary(images, range(COUNT), chain)), _moments(_one_by_one(images, chain))
    for name, values in expected.items():
        assert found[name].mean() == pytest.approx(values.mean(), abs=0.004), name
        assert found[name].std() == pytest.approx(values.std(), abs=0.004), name


def _moments(images: Tensor) -> dict[str, np.ndarray]:
    pixels = images[:, 0].numpy()
    return {
        "mean": pixels.mean((1, 2)),
        "SD": pixels.std((1, 2)),
        "gradient": np.abs(np.diff(pixels, axis=2)).mean((1, 2)),
        "background": (pixels < 0.05).mean((1, 2)),
        **{f"quantile {q}": np.quantile(pixels, q, axis=(1, 2)) for q in (0.25, 0.5, 0.75, 0.95)},
    }


@kinds
def test_an_image_comes_out_alike_alone_and_in_every_batch(kind: str) -> None:
    images, chain = heads(48), CHAINS[kind](SIZE)
    together = vary(images, range(48), chain)
    alone = torch.cat([vary(images[i : i + 1], [i], chain) for i in range(48)])
    backwards = vary(images.flip(0), range(47, -1, -1), chain).flip(0)
    assert (together - alone).abs().max() < 1e-6
    assert (together - backwards).abs().max() < 1e-6


def test_noise_of_two_images_is_not_the_same() -> None:
    from monai import transforms as monai

    chain = Chain([], [monai.RandGaussianNoise(prob=1.0, std=0.05, sample_std=False)])
    noise = vary(torch.full((40, 1, SIZE, SIZE), 0.5), range(40), chain).flatten(1).numpy()
    assert np.abs(np.corrcoef(noise) - np.eye(40)).max() < 0.1


def _transforms() -> Iterator[tuple[str, Callable[[], object]]]:
    from monai import transforms as monai

    yield "AdjustContrast", lambda: monai.RandAdjustContrast(prob=1.0, gamma=(0.4, 2.5))
    yield (
        "Affine",
        lambda: monai.RandAffine(
            prob=1.0,
            rotate_range=0.3,
            scale_range=(0.1, 0.1),
            translate_range=(4, 4),
            spatial_size=(SIZE, SIZE),
            padding_mode="zeros",
        ),
    )
    yield "BiasField", lambda: monai.RandBiasField(prob=1.0, degree=3, coeff_range=(-0.3, 0.3))
    yield (
        "GaussianSharpen",
        lambda: monai.RandGaussianSharpen(prob=1.0, sigma1_x=(0.8, 1.2), sigma1_y=(0.8, 1.2), alpha=(1.0, 4.0)),
    )
    yield "GaussianSmooth", lambda: monai.RandGaussianSmooth(prob=1.0, sigma_x=(0.4, 1.3), sigma_y=(0.4, 1.3))
    yield "GibbsNoise", lambda: monai.RandGibbsNoise(prob=1.0, alpha=(0.2, 0.6))
    yield "HistogramShift", lambda: monai.RandHistogramShift(prob=1.0, num_control_points=(4, 8))
    yield "Rotate90", lambda: monai.RandRotate90(prob=1.0, max_k=3)
    yield "ScaleIntensity", lambda: monai.RandScaleIntensity(prob=1.0, factors=(-0.3, 0.15))
    yield (
        "SimulateLowResolution",
        lambda: monai.RandSimulateLowResolution(
            prob=1.0, zoom_range=(0.3, 0.9), downsample_mode="area", upsample_mode="bilinear"
        ),
    )


@pytest.mark.parametrize(("name", "make"), list(_transforms()), ids=[name for name, _ in _transforms()])
@pytest.mark.parametrize("size", [SIZE, SIZE - 1])
def test_each_transform_alone_is_monais(name: str, make: Callable[[], object], size: int) -> None:
    images = heads(24)[..., :size, :size]
    moves = name in ("Affine", "Rotate90")
    if name == "Affine" and size != SIZE:
        pytest.skip("the transform is made for one size")
    chain = Chain([make()] if moves else [], [] if moves else [make()])
    torch.testing.assert_close(vary(images, range(24), chain), _one_by_one(images, chain), rtol=0.0, atol=1e-4)


@pytest.mark.parametrize("name", ["RandRicianNoise", "RandGaussianNoise"])
def test_noise_has_monais_distribution(name: str) -> None:
    from monai import transforms as monai

    images = torch.full((200, 1, SIZE, SIZE), 0.1)
    chain = Chain([], [getattr(monai, name)(prob=0.5, std=0.08, sample_std=True)])
    found, expected = vary(images, range(200), chain).numpy(), _one_by_one(images, chain).numpy()
    spread = expected.std((1, 2, 3))
    assert 0.35 < (spread > 1e-6).mean() < 0.65
    np.testing.assert_allclose(found.std((1, 2, 3)), spread, rtol=0.1, atol=1e-4)
    np.testing.assert_allclose(found.mean((1, 2, 3)), expected.mean((1, 2, 3)), atol=0.008)
    for share in (0.01, 0.1, 0.5, 0.9, 0.99):
        assert np.quantile(found, share) == pytest.approx(np.quantile(expected, share), abs=0.003)


def test_an_even_image_stays_as_it_is_under_changes_of_its_histogram() -> None:
    from monai import transforms as monai

    images = torch.full((8, 1, SIZE, SIZE), 0.3)
    chain = Chain([], [monai.RandHistogramShift(prob=1.0), monai.RandAdjustContrast(prob=1.0)])
    assert torch.equal(vary(images, range(8), chain), images)


def test_every_transform_of_every_chain_has_a_batched_form() -> None:
    def inside(transform: object) -> Iterator[type]:
        if hasattr(transform, "transforms"):
            for one in transform.transforms:
                yield from inside(one)
        else:
            yield type(transform)

    for make in CHAINS.values():
        chain = make(SIZE)
        assert {*inside(chain.moves), *inside(chain.looks)} <= set(steps())
