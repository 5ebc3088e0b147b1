from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
import torch

from shared import ImageTask
from shared.data.pixel_store import PixelStore, StoredImages
from shared.data.split import Chosen
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
    images = _opened(PixelStore(__name__, SPEC, "data", stored_as))  # type: ignore[arg-type]
    chosen = Chosen(images[1:], [2, 0])
    together = unit_range(stacked(chosen, [0, 1]))
    assert images.stored([3, 1]).dtype == stored_as
    assert together.dtype == torch.float32
    for image, sample in zip((*images, *together.numpy()), (*SAMPLES, SAMPLES[3], SAMPLES[1]), strict=True):
        np.testing.assert_allclose(image, _made(sample), atol=largest * 1.001)
        assert not np.array_equal(image, _made(sample))


def test_images_of_code_that_lies_in_no_file_are_deleted_with_their_last_view() -> None:
    images = _opened(PixelStore(None, SPEC, "data", "uint8"))
    part = images[2:]
    del images
    gc.collect()
    np.testing.assert_allclose(part[0], _made(SAMPLES[2]), atol=0.51 / 255)
    assert len(list(cache_folder("images").iterdir())) == 1
    del part
    gc.collect()
    assert not list(cache_folder("images").iterdir())


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
    assert len([one for one in cache_folder("images").iterdir() if not one.name.startswith("scratch")]) == 2
