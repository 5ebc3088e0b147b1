"""Variations of characters: as other people write them, and as they are handed in."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor

from handwriting.augmentation import ALBUMENTATIONS, KINDS, by_albumentations
from handwriting.task import TASK
from handwriting.transforms import preprocess
from shared.task import Preprocessing
from tests.handwriting.test_transforms import correlation, letter

SIZE = 64
all_kinds = pytest.mark.parametrize("kind", TASK.augmentations)
of_pens = pytest.mark.parametrize("kind", ["usual", f"usual{ALBUMENTATIONS}"])


@pytest.fixture(scope="module")
def image() -> Tensor:
    """A letter, float32 [1, 64, 64]."""
    return torch.from_numpy(preprocess(letter(), Preprocessing(SIZE)))


def _many(image: Tensor, count: int, kind: str, first: int = 0) -> Tensor:
    return TASK.augment(image.repeat(count, 1, 1, 1), range(first, first + count), kind)


def test_the_task_knows_its_kinds_and_the_name_of_the_library_runs_the_library(image: Tensor) -> None:
    assert TASK.augmentations == tuple(KINDS)
    found = _many(image, 6, f"usual{ALBUMENTATIONS}")
    np.testing.assert_array_equal(found, np.stack([by_albumentations(image.numpy(), seed) for seed in range(6)]))


@all_kinds
def test_variation_is_a_pure_function_of_image_and_seed(image: Tensor, kind: str) -> None:
    before, state, global_state = image.clone(), random.getstate(), np.random.get_state()[1].copy()
    torch_state = torch.get_rng_state()
    alone = [_many(image, 1, kind, seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda seed: _many(image, 1, kind, seed), [*range(8)][::-1]))[::-1]
    for first, second in zip(alone, threaded, strict=True):
        assert torch.equal(first, second)
    assert torch.equal(image, before)
    assert random.getstate() == state
    np.testing.assert_array_equal(np.random.get_state()[1], global_state)
    assert torch.equal(torch.get_rng_state(), torch_state)


@of_pens
def test_variation_changes_the_image_but_not_what_it_shows(image: Tensor, kind: str) -> None:
    varied = _many(image, 60, kind)
    assert (varied.dtype, varied.shape) == (torch.float32, (60, 1, SIZE, SIZE))
    assert (varied.min(), varied.max()) == (0, 1)
    assert len({one.numpy().tobytes() for one in varied}) > 50
    for one in varied:
        assert correlation(one.numpy(), image.numpy()) > 0.1
        assert 0.3 < one.sum() / image.sum() < 2.5


@of_pens
def test_thickness_varies_both_ways_whether_or_not_the_letter_moves(image: Tensor, kind: str) -> None:
    weights = _many(image, 200, kind).sum((1, 2, 3)) / image.sum()
    # position and slant alone keep the ink within 0.85 ** 2 to 1.08 ** 2 of itself
    assert 0.05 < (weights > 1.25).float().mean() < 0.35
    assert 0.05 < (weights < 0.65).float().mean() < 0.35


def test_the_usual_kind_does_without_albumentations_which_asks_the_network_for_nothing() -> None:
    code = (
        "import os, socket, sys, warnings; warnings.simplefilter('error')\n"
        "def refuse(*_): raise SystemExit('the network was asked')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "import torch; from handwriting.augmentation import augment\n"
        "augment(torch.zeros(1, 1, 32, 32), [0], 'usual'); print('albumentations' in sys.modules)\n"
        "augment(torch.zeros(1, 1, 32, 32), [0], 'usual_albumentations')\n"
        "print('NO_ALBUMENTATIONS_UPDATE' in os.environ)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "NO_ALBUMENTATIONS_UPDATE"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.stdout.split(), done.returncode) == (["False", "False"], 0), done.stderr
