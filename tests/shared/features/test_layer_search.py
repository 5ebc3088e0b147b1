from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from handwriting.task import TASK
from shared.config.read import load_config
from shared.data.split import Split
from shared.errors import ConfigError
from shared.features.layer_search import FeatureSpec, LayerSearch, _single_layers
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.backbones.module import Backbone
from shared.pipeline.train import run
from shared.runs.record import read_model_record
from shared.samples import Grouping, Sample
from shared.task import Preprocessing

SIDE = 16


def _split(name: str, count: int, seed: int) -> Split:
    """Images whose class is the corner that is bright: layers and poolings that keep places win."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    images = random.random((count, 1, SIDE, SIDE), dtype=np.float32)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[0, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] += 0.1
    samples = [Sample(f"{name}-{i}", "") for i in range(count)]
    return Split(samples, images, labels, Grouping.of(samples, list(range(count))))


def _build(size: int) -> Backbone:
    layers = find_backbone("convnet_small").stages
    return build_backbone("convnet_small", layers=layers, seed=0, input_size=None if size == SIDE else size)


def _choose(sizes: tuple[int, ...], seed: int = 0) -> tuple[FeatureSpec, list[dict]]:
    search = LayerSearch(
        _split("train", 80, 1),
        _split("validation", 40, 2),
        4,
        Preprocessing(SIDE),
        content_hash="corners",
        seed=seed,
        device=torch.device("cpu"),
        progress=lambda *_: None,
    )
    return search.best(_build, sizes)


@pytest.fixture(scope="module")
def chosen() -> tuple[FeatureSpec, list[dict]]:
    """The choice at one size."""
    return _choose((SIDE,))


def test_features_that_keep_places_are_chosen_where_classes_differ_in_place(chosen: tuple[FeatureSpec, list]) -> None:
    spec, rows = chosen
    assert spec.pooling != "avg_1x1"
    best = max(rows, key=lambda row: row["validation_score"])
    assert (list(spec.layers), spec.pooling, spec.size) == (best["layers"], best["pooling"], best["size"])
    best_global = max(row["validation_score"] for row in rows if row["pooling"] == "avg_1x1")
    assert best["validation_score"] > best_global


def test_every_stage_is_tried_under_every_pooling_and_the_best_in_pairs() -> None:
    _, rows = _choose((SIDE, 24))
    for size in (SIDE, 24):
        singles = {
            (row["layers"][0], row["pooling"]) for row in rows if row["size"] == size and len(row["layers"]) == 1
        }
        stages = find_backbone("convnet_small").stages
        assert singles == {(stage, pooling) for stage in stages for pooling in ("avg_1x1", "avg_2x2", "avg_3x3")}
        assert sum(row["size"] == size and len(row["layers"]) == 2 for row in rows) == len(stages) - 1


def test_the_search_is_repeatable(chosen: tuple[FeatureSpec, list[dict]]) -> None:
    assert _choose((SIDE,)) == chosen


def test_a_run_uses_the_features_that_were_found(
    tmp_path: Path, draw_characters: Callable[..., Path], tiny_words: tuple[str, ...]
) -> None:
    data = draw_characters(tmp_path / "data", each=12, seed=3)
    words = [word for word in tiny_words if not word.startswith(("data.source", "backbone", "strategy"))]
    words += [
        "backbone.name=convnet_small",
        "backbone.weights=random",
        "backbone.layers=auto",
        "backbone.store_size=32",
    ]
    words += [
        f"data.source={data}",
        "backbone.size=32",
        "backbone.candidate_sizes=[32,40]",
        "strategy={name: linear_probe}",
    ]
    folder = run(TASK, load_config(None, words), root=tmp_path / "runs")
    record = read_model_record(folder)
    assert record.backbone["layers"]
    assert record.backbone["size"] in (32, 40)
    assert record.preprocessing.size == 32


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["backbone.candidate_sizes=[64]"], "layers=auto"),
        (["backbone.layers=auto", "backbone.candidate_sizes=[64]"], "set store_size to the smallest of them"),
        (["backbone.store_size=300"], "only enlarged"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(None, words)


def test_class_tokens_are_tried_where_there_are_some() -> None:
    pytest.importorskip("timm")
    tokens = build_backbone("timm/test_vit", layers=["block6"], seed=0, input_size=32)
    tried = {spec.pooling for spec in _single_layers(tokens, 32)}
    assert tried == {"avg_1x1", "avg_2x2", "avg_3x3", "cls", "cls_avg"}
    assert {spec.pooling for spec in _single_layers(_build(32), 32)} == {"avg_1x1", "avg_2x2", "avg_3x3"}
