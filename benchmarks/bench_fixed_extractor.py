"""Measures 15 epochs of a head on cached features against a frozen network that is run anew in each epoch.

Needs the real characters (`MEDTL_DATA`) and ImageNet weights (`MEDTL_WEIGHTS`); both ways use the same images at
the same size and the same features, and are tested on the same images.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from benchmarks.side_by_side import Measured, empty_cache, timed
from handwriting.task import TASK
from shared.features.adam import fit_epochs
from shared.features.cache import FeatureRequest, cached_features
from shared.features.sources import InMemoryFeatures
from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.models.weights import load_weights
from shared.samples import Sample
from shared.seeding import generator
from shared.task import Preprocessing

A_CLASS, TEST, EPOCHS, BATCH, WARM_UP = 60, 1_000, 15, 32, 128
FRAME, SIZE, LAYER, POOLING = 32, 64, "fire5", "avg_3x3"
ALIKE = 0.002
SPEC = Preprocessing(FRAME, 1, TASK.default_options)
Labels = NDArray[np.int64]


class Pictures(TorchDataset[tuple[torch.Tensor, int]]):
    """A dataset that decodes and preprocesses an image each time it is read, as tutorials do."""

    def __init__(self, samples: list[Sample], labels: Labels) -> None:
        self.samples, self.labels = samples, labels

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Gets an image [1, size, size] and its label."""
        image = TASK.preprocess(TASK.read(self.samples[index]), SPEC)
        return torch.from_numpy(image), int(self.labels[index])


def measure() -> list[Measured] | str:
    """Measures ours beside the usual way; returns what is needed where data or weights are not named."""
    if "MEDTL_DATA" not in os.environ or "MEDTL_WEIGHTS" not in os.environ:
        return "MEDTL_DATA and MEDTL_WEIGHTS"
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    train, test, labels, truth, classes, content_hash = _draw(Path(os.environ["MEDTL_DATA"]) / "dhcd.zip")
    found = {}
    for name, way in (("ours", _ours), ("usual", _usual)):
        torch.manual_seed(0)
        with empty_cache():  # the first run of everything takes longer
            way(_network(classes), train[:WARM_UP], labels[:WARM_UP], content_hash)
        network = _network(classes)
        with empty_cache():
            times = timed(partial(way, network, train, labels, content_hash))
        found[name] = times, _accuracy(network, test, truth)
    (ours, first), (usual, second) = found["ours"], found["usual"]
    alike = "as accurate" if first >= second - ALIKE else "LESS accurate"
    what = f"fixed extractor, {len(train)} images, 15 epochs, {alike} ({first:.3f})"
    peer = f"frozen network, run anew in each epoch ({second:.3f})"
    return [Measured(what, ours, peer, usual, ">= 12", "wall")]


def _draw(source: Path) -> tuple[list[Sample], list[Sample], Labels, Labels, int, str]:
    """Draws training and test samples of the official split, with labels, number of classes and hash of the data."""
    dataset = TASK.load(source, options=TASK.default_options)
    index = {name: number for number, name in enumerate(dataset.classes)}
    order = generator(0, "benchmark").permutation(len(dataset.samples))
    taken = dict.fromkeys(dataset.classes, 0)
    train, test = [], []
    for sample in (dataset.samples[i] for i in order):
        if sample.split == "train" and taken[str(sample.label)] < A_CLASS:
            taken[str(sample.label)] += 1
            train.append(sample)
        elif sample.split == "test" and len(test) < TEST:
            test.append(sample)
    labels, truth = (np.array([index[str(sample.label)] for sample in part]) for part in (train, test))
    return train, test, labels, truth, len(dataset.classes), dataset.content_hash


def _network(classes: int) -> Network:
    backbone = build_backbone("squeezenet1_1", layers=[LAYER], seed=0, input_size=SIZE)
    load_weights(backbone, str(Path(os.environ["MEDTL_WEIGHTS"]) / "squeezenet1_1-imagenet.pth"))
    width = feature_width(backbone, [LAYER], POOLING, 1, FRAME)
    network = Network(backbone, [LAYER], POOLING, width, classes).eval()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _ours(network: Network, samples: list[Sample], labels: Labels, content_hash: str) -> None:
    """Trains the head our way: images decoded once, features computed once, then epochs of Adam on them."""
    images = TASK.images(samples, SPEC, content_hash)
    features = cached_features(network, FeatureRequest(images, samples, SPEC, content_hash, torch.device("cpu")))
    head, _ = fit_epochs(
        InMemoryFeatures(features.block(0, len(samples))),
        torch.from_numpy(labels),
        network.head.out_features,
        loss="softmax",
        epochs=EPOCHS,
        score=lambda head: -head.objective,
        seed=0,
    )
    with torch.no_grad():
        network.head.weight.copy_(head.weight)
        network.head.bias.copy_(head.bias)


def _usual(network: Network, samples: list[Sample], labels: Labels, content_hash: str) -> None:
    """Trains the head as tutorials do: frozen backbone in evaluation mode, images and features anew in each epoch."""
    for parameter in network.backbone.parameters():
        parameter.requires_grad_(False)
    torch.manual_seed(0)
    optimiser = torch.optim.Adam(network.head.parameters(), lr=1e-3)
    loader = DataLoader(Pictures(samples, labels), batch_size=BATCH, shuffle=True)
    for _ in range(EPOCHS):
        for images, truth in loader:
            loss = torch.nn.functional.cross_entropy(network(images), truth)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


@torch.inference_mode()
def _accuracy(network: Network, samples: list[Sample], truth: Labels) -> float:
    loader = DataLoader(Pictures(samples, truth), batch_size=BATCH)
    hits = [network(images).argmax(1) == labels for images, labels in loader]
    return float(torch.cat(hits).float().mean())
