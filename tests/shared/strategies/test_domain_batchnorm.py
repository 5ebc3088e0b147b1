from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from shared.data.split import Split
from shared.models.backbones.build import build_backbone
from shared.models.network import Network
from shared.samples import Grouping, Sample
from shared.strategies._domain_batchnorm import SourceStatistics, batch_norms, learn_statistics


def _network() -> Network:
    return Network(build_backbone("convnet_small", layers=["block1"], seed=0), ["block1"], "avg_1x1", 32, 2)


def _split(count: int) -> Split:
    images = np.random.default_rng(0).random((count, 1, 16, 16), dtype=np.float32)
    samples = [Sample(id=str(i), source="") for i in range(count)]
    return Split(samples, list(images), np.full(count, -1, dtype=np.int64), Grouping.of(samples, range(count)))


def test_learned_statistics_are_those_of_the_images_and_no_weight_moves() -> None:
    network, split = _network(), _split(64)
    before = {name: value.clone() for name, value in network.named_parameters()}
    learn_statistics(network, split, torch.device("cpu"))
    first = network.backbone.stages["block1"][0]
    maps = first(network.backbone.adapted(torch.from_numpy(np.stack(list(split.images)))))
    norm = batch_norms(network)[0]
    assert norm.running_mean is not None
    assert torch.allclose(norm.running_mean, maps.mean(dim=(0, 2, 3)), atol=1e-5)
    assert norm.momentum == 0.1
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.named_parameters())


def test_images_that_lie_class_by_class_do_not_make_the_variance_that_of_one_class() -> None:
    """Within each of the four batches of a sorted split all images would be equally bright."""
    network, split = _network(), _split(256)
    bright = [(image + number // 64).astype(np.float32) for number, image in enumerate(split.images)]
    learn_statistics(network, replace(split, images=bright), torch.device("cpu"))
    first = network.backbone.stages["block1"][0]
    with torch.no_grad():
        maps = first(network.backbone.adapted(torch.from_numpy(np.stack(bright))))
    found = batch_norms(network)[0].running_var
    assert found is not None
    assert torch.allclose(found, maps.var(dim=(0, 2, 3)), rtol=0.05)


def test_the_source_is_evaluated_by_its_own_statistics_and_those_of_the_target_come_back() -> None:
    network, image = _network().eval(), torch.rand(2, 1, 16, 16)
    statistics = SourceStatistics(network)
    source_scores = network(image)
    learn_statistics(network, _split(64), torch.device("cpu"))
    target_scores = network(image)
    assert not torch.allclose(source_scores, target_scores)
    with statistics.in_place(network):
        assert torch.equal(network(image), source_scores)
    assert torch.equal(network(image), target_scores)


def test_source_and_target_images_are_normalised_separately() -> None:
    network, images = _network().eval(), torch.rand(5, 1, 16, 16)
    statistics = SourceStatistics(network)
    source_scores = network(images[:2])
    learn_statistics(network, _split(64), torch.device("cpu"))
    target_scores = network(images[2:])
    with statistics.apart(network, 2):
        assert torch.allclose(network(images), torch.cat([source_scores, target_scores]), atol=1e-6)
