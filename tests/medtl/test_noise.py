"""Noise and empty fields are no heads; noisy heads are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from medtl.head import reduced_copy
from medtl.inputs import read_inputs
from medtl.noise import is_noise, is_noisy_region

SIDE = 192
RANDOM = np.random.default_rng(5)
NORMAL = RANDOM.normal(size=(SIDE, SIDE))
RICIAN = np.hypot(NORMAL, RANDOM.normal(size=NORMAL.shape))
ROWS, COLUMNS = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
HEAD = np.where(np.hypot(ROWS, 1.2 * COLUMNS) < 0.8, 130 + 40 * np.sin(7 * ROWS) * np.cos(5 * COLUMNS), 2.0)


def after_jpeg(values: np.ndarray, quality: int) -> np.ndarray:
    grey = ((values - values.min()) / np.ptp(values) * 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def zero_filled(values: np.ndarray) -> np.ndarray:
    """The magnitude of noise that a scanner interpolated to twice the matrix."""
    spectrum = np.pad(np.fft.fftshift(np.fft.fft2(values)), values.shape[0] // 2)
    return np.abs(np.fft.ifft2(np.fft.ifftshift(spectrum)))


NOISE = {
    "Gaussian": NORMAL,
    "Rician": RICIAN,
    "uniform": RANDOM.random((SIDE, SIDE)),
    "salt and pepper": np.where(RANDOM.random((SIDE, SIDE)) < 0.05, 255 * (NORMAL > 0), 128),
    "a constant with little noise": np.rint(100 + 0.6 * NORMAL),
    "an empty field under uneven light": RICIAN * (1 + 0.5 * (ROWS + COLUMNS) / 2),
    "compressed": after_jpeg(RICIAN, 50),
    "enlarged": ndimage.zoom(NORMAL, 3, order=1),
    "zero-filled": zero_filled(RANDOM.normal(size=(96, 96)) + 1j * RANDOM.normal(size=(96, 96))),
    "small": NORMAL[:32, :32],
    "an empty field in a circle": np.where(np.hypot(ROWS, COLUMNS) < 0.9, RICIAN, 0),
    "an empty field made square": np.pad(RICIAN, 60),
    "one spot": np.where((np.abs(ROWS) < 0.006) & (np.abs(COLUMNS) < 0.006), 255, 0),
}
HEADS = {
    "clean": HEAD,
    "noisy": np.abs(HEAD + 15 * NORMAL),
    "compressed": after_jpeg(HEAD, 20),
    "vertex": np.where(np.hypot(ROWS, COLUMNS) < 0.15, 200, 3 * RICIAN),
    "small": HEAD[::6, ::6],
    "negative": -HEAD,
    "without air": np.where(HEAD > 50, HEAD, 0),
    "standardised, with 0 around it": np.where(HEAD > 50, ndimage.gaussian_filter(NORMAL, 2), 0),
    "of two values": np.where(HEAD > 50, 255, 0),
}


@pytest.mark.parametrize("kind", NOISE)
def test_noise_is_told_from_a_head(kind: str) -> None:
    assert is_noise(NOISE[kind].astype(np.float32))


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_is_no_noise(kind: str) -> None:
    assert not is_noise(HEADS[kind].astype(np.float32))


BOUNDED = {
    "in a band": np.where(np.abs(ROWS) < 0.4, 3 + RICIAN, 0),
    "cut obliquely": np.where(ROWS + 0.3 * COLUMNS > 0.2, 3 + RICIAN, 0),
    "in a hexagon": np.where(np.abs(ROWS) + np.abs(COLUMNS) < 0.7, 3 + RICIAN, 0),
}


@pytest.mark.parametrize("kind", BOUNDED)
def test_noise_with_black_around_it_is_told_from_a_head(kind: str) -> None:
    assert is_noisy_region(reduced_copy(BOUNDED[kind].astype(np.float32)))


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_is_no_noisy_region(kind: str) -> None:
    assert not is_noisy_region(reduced_copy(HEADS[kind].astype(np.float32)))


def test_noise_is_not_answered(tmp_path: Path) -> None:
    Image.fromarray(after_jpeg(RICIAN, 90)).save(tmp_path / "noise.png")
    (item,) = read_inputs([tmp_path / "noise.png"])
    assert item.refusal is not None
    assert item.refusal.startswith("shows noise and no head")


def test_few_values_that_outweigh_all_others_are_seen_wherever_they_lie() -> None:
    head = HEADS["clean"].astype(np.float32)
    for row in range(4, SIDE, 5):
        spotted = head.copy()
        spotted[row, ::16] = 1e6
        assert is_noise(spotted)
