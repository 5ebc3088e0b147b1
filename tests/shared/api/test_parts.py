"""The engine's parts in a loop of one's own, and codes in a pipeline of scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

import shared
from shared.errors import ConfigError, DataError

SMALL = {"layers": ["block2"], "input_size": 32, "channels": 1}


@pytest.fixture(scope="module")
def images() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """24 images of noise, every second one with a bright square."""
    labels = np.arange(24) % 2
    pixels = np.random.default_rng(0).random((24, 1, 32, 32), dtype=np.float32) * 0.3
    pixels[labels == 1, :, 8:24, 8:24] += 0.6
    return pixels, labels


def test_a_schedule_freezes_what_it_says_and_leaves_the_rest_free(images: tuple[NDArray[np.float32], object]) -> None:
    network = shared.network("convnet_small", 2, **SMALL)
    schedule = shared.FreezeSchedule([(1, "none"), (2, "last:1")])
    frozen = {name: value.clone() for name, value in network.backbone.stages["block1"].state_dict().items()}
    pixels = torch.from_numpy(images[0])
    for epoch in range(schedule.epochs):
        trained = schedule.apply(network, epoch)
        assert trained == (() if epoch == 0 else ("block2",))
        optimiser = torch.optim.SGD(schedule.parameters(network, epoch, lr_head=0.1, lr_backbone=0.1))
        before = network.backbone.stages["block2"].state_dict()["0.weight"].clone()
        optimiser.zero_grad()
        network(pixels).square().sum().backward()
        optimiser.step()
        moved = not torch.equal(before, network.backbone.stages["block2"].state_dict()["0.weight"])
        assert moved == (epoch > 0)
    assert [schedule.begins_phase(epoch) for epoch in range(3)] == [True, True, False]
    after = network.backbone.stages["block1"].state_dict()
    assert all(torch.equal(value, after[name]) for name, value in frozen.items())
    with pytest.raises(ConfigError, match="epoch 3 is behind the schedule, which has 3"):
        schedule.apply(network, 3)


def test_a_strategy_trains_a_network_on_arrays(images: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    network = shared.network("convnet_small", 2, **SMALL)
    history = shared.fit(network, images, images, "linear_probe")
    assert history[-1]["validation_score"] is not None
    with torch.inference_mode():
        answers = network(torch.from_numpy(images[0])).argmax(dim=1).numpy()
    assert (answers == images[1]).mean() > 0.9
    with pytest.raises(ConfigError, match="adabn needs a target"):
        shared.fit(network, images, images, "adabn")
    with pytest.raises(DataError, match="labels must be whole numbers from 0 to 1"):
        shared.fit(network, (images[0], images[1] + 5), images)
    with pytest.raises(DataError, match="validation: images hold 0 to 255; give 0 to 1"):
        shared.fit(network, images, (np.clip(images[0], 0, 1).round() * 255, images[1]))


def test_codes_are_a_transformer_of_scikit_learn(images: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    codes = shared.Codes("convnet_small", weights="random", layer="block2", pooling="avg_2x2", batch_size=5)
    pipeline = clone(make_pipeline(codes, LinearSVC()))
    assert pipeline.fit(*images).score(*images) == 1.0
    assert pipeline.get_params()["codes__layer"] == "block2"
    found = pipeline[0].transform(images[0])
    assert found.dtype == np.float32
    assert found.shape == (24, len(pipeline[0].get_feature_names_out()))
    whole = clone(codes).set_params(batch_size=24).fit(images[0]).transform(images[0])
    np.testing.assert_allclose(found, whole, atol=1e-5)
    as_bytes = np.round(images[0][:, 0] * 255).astype(np.uint8)
    np.testing.assert_allclose(pipeline[0].transform(as_bytes), whole, atol=0.05)
    assert not hasattr(codes, "network_")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.zeros((4, 64), np.float32), r"shape \(4, 64\)"),
        (np.full((2, 1, 32, 32), 255.0, np.float32), "hold 255.0 to 255.0; give floats from 0 to 1"),
        (np.zeros((0, 1, 32, 32), np.float32), "there is no image"),
    ],
)
def test_other_forms_of_images_are_refused(wrong: NDArray[np.float32], said: str) -> None:
    with pytest.raises(DataError, match=said):
        shared.Codes("convnet_small", weights="random").fit(wrong)


def test_weights_that_end_early_give_their_deepest_layer(
    tmp_path: Path, images: tuple[NDArray[np.float32], object]
) -> None:
    whole = shared.backbone("convnet_small", layers=["block4"])
    held = {
        f"{stage}.{name}": tensor
        for stage in ("block1", "block2")
        for name, tensor in whole.stages[stage].state_dict().items()
    }
    torch.save(held, tmp_path / "convnet_small-half.pth")
    half = shared.backbone("convnet_small", str(tmp_path / "convnet_small-half.pth"))
    assert half.layers == ("block2",)
    codes = shared.Codes("convnet_small", weights=str(tmp_path / "convnet_small-half.pth"))
    assert codes.fit_transform(images[0][:2]).shape[0] == 2
    assert codes.layers_ == ("block2",)
