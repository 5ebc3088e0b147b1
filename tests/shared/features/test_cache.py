"""The cache of features: what it reuses, and what it must compute anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shared.data.pixel_store import PixelStore
from shared.data.split import Chosen
from shared.features.cache import BATCH, FeatureRequest, cached_features, features_of_layers, layer_keys
from shared.io.array_store import cache_folder
from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.samples import Sample
from shared.task import Preprocessing

COUNT = BATCH + 8
SPEC = Preprocessing(32, 1, {"margin": 0.1})
SAMPLES = [Sample(id=f"image-{i}", source="", label="a") for i in range(COUNT)]


class Counted(Sequence):
    """Images that count how often they are read, and raise KeyboardInterrupt at index `break_at`."""

    def __init__(self, break_at: int | None = None) -> None:
        random = np.random.default_rng(0)
        self.pixels = random.random((COUNT, 1, 32, 32), dtype=np.float32)
        self.reads, self.break_at = 0, break_at

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: Any) -> Any:
        self.reads += 1
        if index == self.break_at:
            raise KeyboardInterrupt
        return self.pixels[index]


def _network(*, seed: int = 0, layers: tuple[str, ...] = ("block2",), pooling: str = "avg_1x1") -> Network:
    backbone = build_backbone("convnet_small", layers=layers, seed=seed)
    return Network(backbone, layers, pooling, feature_width(backbone, layers, pooling, 1, 32), 2)


def _features(
    network: Network,
    images: Counted,
    samples: Sequence[Sample] = SAMPLES,
    spec: Preprocessing = SPEC,
    content_hash: str = "data",
) -> np.ndarray:
    request = FeatureRequest(images, samples, spec, content_hash, torch.device("cpu"))
    features = cached_features(network, request)
    return features.block(0, len(features)).numpy()


def test_features_are_those_of_the_network() -> None:
    network, images = _network(), Counted()
    features = _features(network, images)
    with torch.inference_mode():
        expected = network.eval().features(torch.from_numpy(images.pixels)).numpy()
    np.testing.assert_allclose(features, expected, atol=1e-6)


def test_the_second_time_no_image_is_read() -> None:
    network, images = _network(), Counted()
    first, reads = _features(network, images), images.reads
    again = _features(network, images)
    assert (reads, images.reads) == (COUNT, COUNT)
    assert np.array_equal(first, again)


def test_another_head_finds_the_same_features() -> None:
    images = Counted()
    first, second = _network(), _network()
    torch.nn.init.ones_(second.head.weight)
    _features(first, images)
    _features(second, images)
    assert images.reads == COUNT


def _one_weight_nudged() -> Network:
    network = _network()
    with torch.no_grad():
        next(iter(network.backbone.stages.parameters())).view(-1)[0] += 1e-6
    return network


def _one_statistic_nudged() -> Network:
    network = _network()
    next(buffer for name, buffer in network.named_buffers() if name.endswith("running_var"))[0] += 1e-6
    return network


OTHERS: dict[str, Callable[[], dict[str, Any]]] = {
    "another weight": lambda: {"network": _one_weight_nudged()},
    "another BatchNorm statistic": lambda: {"network": _one_statistic_nudged()},
    "another layer": lambda: {"network": _network(layers=("block1",))},
    "another pooling": lambda: {"network": _network(pooling="max_1x1")},
    "another option of preprocessing": lambda: {"spec": replace(SPEC, options={"margin": 0.2})},
    "another size": lambda: {"spec": replace(SPEC, size=48)},
    "another content": lambda: {"content_hash": "other"},
    "other samples": lambda: {"samples": [replace(sample, id=f"new-{sample.id}") for sample in SAMPLES]},
    "other frames": lambda: {"samples": [replace(sample, frame=1) for sample in SAMPLES]},
}


@pytest.mark.parametrize("change", OTHERS)
def test_what_changes_the_features_misses_the_cache(change: str) -> None:
    images = Counted()
    asked = {"network": _network(), **OTHERS[change]()}
    _features(_network(), images)
    _features(asked.pop("network"), images, **asked)
    assert images.reads == 2 * COUNT


def test_another_order_finds_the_same_features() -> None:
    network, images = _network(), Counted()
    whole = np.array(_features(network, images))
    assert np.array_equal(_features(network, images, SAMPLES[::-1]), whole[::-1])
    assert images.reads == COUNT


def test_only_what_is_missing_is_computed() -> None:
    network, images = _network(), Counted()
    whole = np.array(_features(network, images))
    added = [*SAMPLES[:-1], replace(SAMPLES[-1], frame=1)]
    assert np.allclose(_features(network, images, added), whole, atol=1e-6)
    assert images.reads == COUNT + 1


def test_the_key_is_the_same_in_another_process() -> None:
    """A plain function of its arguments: nothing of `id`, `hash` or the order of a dict."""
    options = {"a": 1, "b": 2}
    turned = dict(reversed(options.items()))
    backbone = _network().backbone
    keys = [layer_keys(backbone, replace(SPEC, options=given), "data") for given in (options, turned, {**options})]
    assert keys[0] == keys[1] == keys[2]


def test_an_interrupted_computation_leaves_nothing_to_be_taken_up() -> None:
    network = _network()
    with pytest.raises(KeyboardInterrupt):
        _features(network, Counted(break_at=BATCH + 2))
    assert not [path for path in cache_folder("features").rglob("*") if path.is_file() and path.name != ".lock"]
    images = Counted()
    features = _features(network, images)
    assert images.reads == COUNT
    assert (np.abs(features).sum(axis=1) > 0).all()


def test_what_a_killed_process_left_is_not_taken_up() -> None:
    network, images = _network(), Counted()
    folder = cache_folder("features") / f"{layer_keys(network.backbone, SPEC, 'data')['block2']}-avg_1x1"
    folder.mkdir(parents=True)
    np.save(folder / "half.npy", np.zeros((COUNT, 64), np.float32))
    (folder / "half.npy").rename(folder / "half.1.partial")
    assert np.abs(_features(network, images)).sum() > 0
    assert images.reads == COUNT


@pytest.mark.parametrize("damage", [lambda content: content[:-64], lambda content: b"", lambda content: b"junk" * 50])
def test_a_damaged_cache_is_computed_anew(damage: Callable[[bytes], bytes]) -> None:
    network, images = _network(), Counted()
    whole = np.array(_features(network, images))
    (path,) = cache_folder("features").rglob("*.npy")
    path.write_bytes(damage(path.read_bytes()))
    assert np.array_equal(_features(network, images), whole)


def test_the_cache_lies_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("features") == tmp_path / "medtl" / "features"


def test_all_layers_come_in_one_pass_and_a_shorter_backbone_finds_them() -> None:
    images = Counted()
    wanted = [("block1", "avg_2x2"), ("block2", "avg_1x1"), ("block3", "max_1x1")]
    whole = build_backbone("convnet_small", layers=("block1", "block2", "block3"), seed=0)
    request = FeatureRequest(images, SAMPLES, SPEC, "data", torch.device("cpu"))
    rows = features_of_layers(whole, wanted, request)
    assert images.reads == COUNT
    assert [rows[one].shape for one in wanted] == [(COUNT, 128), (COUNT, 64), (COUNT, 128)]
    short = _features(_network(layers=("block2",)), images)
    assert images.reads == COUNT
    assert np.array_equal(short, rows["block2", "avg_1x1"].block(0, COUNT))


def test_several_layers_lie_side_by_side() -> None:
    images = Counted()
    both = _features(_network(layers=("block1", "block2")), images)
    parts = [_features(_network(layers=(layer,)), images) for layer in ("block1", "block2")]
    assert images.reads == COUNT
    assert np.array_equal(both, np.concatenate(parts, axis=1))


@pytest.mark.parametrize(("stored_as", "folders"), [("uint8", 1), ("float16", 2)])
def test_features_go_by_how_their_images_were_made(stored_as: str, folders: int) -> None:
    network, pixels = _network(), Counted().pixels
    for one in ("uint8", stored_as):
        store = PixelStore(__name__, SPEC, "data", one)  # type: ignore[arg-type]
        images = store.images(SAMPLES, lambda sample: pixels[SAMPLES.index(sample)], lambda *_: None)
        request = FeatureRequest(Chosen(images, range(COUNT)), SAMPLES, SPEC, "data", torch.device("cpu"))
        cached_features(network, request)
    assert len(list(cache_folder("features").glob("*-avg_1x1"))) == folders
