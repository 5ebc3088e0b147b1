from __future__ import annotations

import gc
import importlib
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from shared import ImageTask
from shared.data.code_hash import class_hash, code_hash
from shared.data.pixel_store import PixelStore, StoredImages
from shared.data.split import Chosen
from shared.errors import ConfigError
from shared.io.array_store import cache_folder
from shared.samples import Sample
from shared.task import Image, Preprocessing
from shared.training.pixels import stacked, unit_range
from tests.shared.tasks.test_images import OPTIONS, picture

SAMPLES = [Sample(str(number), "") for number in range(5)]
SPEC = Preprocessing(8, 1)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _made(sample: Sample) -> Image:
    image: Image = np.random.default_rng(int(sample.id)).random((1, 8, 8), dtype=np.float32)
    return image


def _opened(store: PixelStore) -> StoredImages:
    return store.images(SAMPLES, _made, lambda *_: None)


@pytest.mark.parametrize(("stored_as", "largest"), [("uint8", 0.5 / 255), ("float16", 2.0**-12)])
def test_images_come_back_within_half_a_step_of_their_type_alone_and_together(stored_as: str, largest: float) -> None:
    images = _opened(PixelStore("code", SPEC, "data", stored_as))  # type: ignore[arg-type]
    chosen = Chosen(images[1:], [2, 0])
    together = unit_range(stacked(chosen, [0, 1]))
    assert images.stored([3, 1]).dtype == stored_as
    assert together.dtype == torch.float32
    for image, sample in zip((*images, *together.numpy()), (*SAMPLES, SAMPLES[3], SAMPLES[1]), strict=True):
        np.testing.assert_allclose(image, _made(sample), atol=largest * 1.001)
        assert not np.array_equal(image, _made(sample))


def _scratches() -> list[Path]:
    return list(cache_folder("scratch-images").glob("scratch-*"))


def test_images_of_code_that_lies_in_no_file_are_deleted_with_their_last_view() -> None:
    images = _opened(PixelStore(None, SPEC, "data", "uint8"))
    part = images[2:]
    del images
    gc.collect()
    np.testing.assert_allclose(part[0], _made(SAMPLES[2]), atol=0.51 / 255)
    assert len(_scratches()) == 1
    del part
    gc.collect()
    assert not _scratches()


def test_a_process_that_was_killed_leaves_its_images_to_the_next_to_delete() -> None:
    program = (
        "import os, signal; from shared.data.pixel_store import _Scratch; kept = _Scratch(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    (left,) = _scratches()
    first = _opened(PixelStore(None, SPEC, "data", "uint8"))
    assert left not in _scratches()
    second = _opened(PixelStore(None, SPEC, "data", "uint8"))
    assert len(_scratches()) == 2  # what is still read stays
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image: image - 0.5, r"values from -0\.4.* to 0\.4.*; scale them to 0 to 1"),
        (lambda image: image * np.nan, "values from nan to nan"),
        (lambda image: image[0], r"shape \(8, 8\); it must be \(1, 8, 8\)"),
    ],
)
@pytest.mark.parametrize("stored_as", ["uint8", "float16"])
def test_images_that_the_store_cannot_hold_are_refused(
    change: Callable[[Image], Image], message: str, stored_as: Any
) -> None:
    store = PixelStore("code", SPEC, "data", stored_as)
    with pytest.raises(ConfigError, match=message):
        store.images(SAMPLES, lambda sample: change(_made(sample)), lambda *_: None)
    assert not list(cache_folder("images").rglob("*.npy"))


class Halved(ImageTask):
    """Flowers at half their light, or as much as an object is told."""

    def __init__(self, factor: float | None = None) -> None:
        super().__init__("flowers")
        if factor is not None:
            self.factor = factor

    def preprocess(self, pixels: np.ndarray, spec: Preprocessing) -> Image:
        return super().preprocess(pixels, spec) * np.float32(getattr(self, "factor", 0.5))


def test_an_own_preprocessing_finds_no_images_of_another(tmp_path: Path) -> None:
    picture(tmp_path / "data" / "rose" / "1.png")

    def mean(task: ImageTask) -> float:
        dataset = task.load(tmp_path / "data", options=OPTIONS)
        return float(task.images(dataset.samples, Preprocessing(16, 3, OPTIONS), dataset.content_hash)[0].mean())

    whole = mean(ImageTask("flowers"))
    assert mean(Halved()) == pytest.approx(whole / 2, abs=0.01)
    assert mean(Halved(0.25)) == pytest.approx(whole / 4, abs=0.01)
    assert mean(Halved(0.75)) == pytest.approx(whole * 0.75, abs=0.01)
    assert len(list(cache_folder("images").iterdir())) == 2


def _made_by_a_function(factor: float) -> ImageTask:
    class Local(ImageTask):
        def preprocess(self, pixels: np.ndarray, spec: Preprocessing) -> Image:
            return super().preprocess(pixels, spec) * np.float32(factor)

    return Local("flowers")


def test_what_a_class_inherits_or_finds_around_it_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert class_hash(type(_made_by_a_function(0.5))) is None
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_bases.py").write_text("class Base:\n    factor = 0.5\n")
    (tmp_path / "own_tasks.py").write_text("import own_bases\nclass Own(own_bases.Base):\n    pass\n")
    first = class_hash(importlib.import_module("own_tasks").Own)
    (tmp_path / "own_bases.py").write_text("class Base:\n    factor = 0.25\n")
    code_hash.cache_clear()  # as in a new process
    assert first is not None
    assert class_hash(importlib.import_module("own_tasks").Own) not in (None, first)


def test_an_augmentation_of_ones_own_is_not_handed_images_on_a_gpu() -> None:
    class Own(ImageTask):
        def augment(self, images: Tensor, seeds: Sequence[int], kind: str = "usual") -> Tensor:
            return images

    assert (ImageTask.batched_augmentations, Halved.batched_augmentations) == (("usual",), ("usual",))
    assert Own.batched_augmentations == ()
