"""Measures what luck and copies do to a test of 20 images: `python -m benchmarks.twenty_images DATA NAME=WEIGHTS`.

The frozen network of `medtl compare compare_saxena2019` under a linear softmax. The images are divided at random 200
times: 20 to test, 50 to validate, the others to train. This is done twice: each image on its own, as a plain random
split does; and with all copies of a picture on one side, the test then being of 20 different pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from medtl.task import TASK
from shared.data.partition import audited
from shared.features.cache import FeatureRequest, features_of_layers
from shared.models.backbones.build import build_backbone, find_backbone
from shared.models.held_stages import fitted_record
from shared.models.weights import load_weights
from shared.samples import Dataset
from shared.seeding import generator
from shared.task import Preprocessing

TEST, VALIDATION = 20, 50
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
"""Inverse L2 strengths, of which validation chooses."""
Indices = NDArray[np.int64]
Parts = tuple[Indices, Indices, Indices]


def plain(pictures: Indices, random: np.random.Generator) -> Parts:
    """Divides images at random, copies or not, into training, validation and test.

    Args:
        pictures: int64 [N], number of the picture that each image shows; copies have one number.
        random: Source of the draw.
    """
    drawn = random.permutation(len(pictures))
    return drawn[TEST + VALIDATION :], drawn[TEST : TEST + VALIDATION], drawn[:TEST]


def grouped(pictures: Indices, random: np.random.Generator) -> Parts:
    """Divides pictures at random with all their copies; of a picture in the test one image counts.

    Args:
        pictures: As in `plain`.
        random: Source of the draw.
    """
    names = random.permutation(np.unique(pictures))
    test, rest = names[:TEST], names[TEST:]
    sizes = np.cumsum([(pictures == name).sum() for name in rest])
    validation = rest[: int(np.searchsorted(sizes, VALIDATION)) + 1]
    first = np.array([np.flatnonzero(pictures == name)[0] for name in test])
    train = np.flatnonzero(~np.isin(pictures, np.concatenate([test, validation])))
    return train, np.flatnonzero(np.isin(pictures, validation)), first


def accuracy(codes: NDArray[np.float64], labels: Indices, parts: Parts) -> float:
    """Fits a linear softmax to training, at the strength that validation prefers; returns the accuracy on the test."""
    train, validation, test = parts
    fits = [LogisticRegression(C=strength, max_iter=500).fit(codes[train], labels[train]) for strength in STRENGTHS]
    best = max(fits, key=lambda fit: fit.score(codes[validation], labels[validation]))
    return float(best.score(codes[test], labels[test]))


def features(dataset: Dataset, options: Mapping[str, Any], name: str, weights: str, size: int) -> NDArray[np.float64]:
    """Computes the features of all images, float64 [N, at most N], in their span and of length 1 on average."""
    spec, record = Preprocessing(size, 1, options), fitted_record(find_backbone(name), weights)
    backbone = build_backbone(record, layers=None, seed=0, input_size=size)
    load_weights(backbone, weights)
    images = TASK.images(dataset.samples, spec, dataset.content_hash)
    request = FeatureRequest(images, dataset.samples, spec, dataset.content_hash, torch.device("cpu"))
    one = (backbone.layers[-1], "avg_1x1")
    rows = features_of_layers(backbone.eval(), [one], request)[one]
    codes = rows.block(0, len(rows)).astype(np.float64)
    # an L2 penalty sees lengths and angles alone: in the span of the images the fit is the same, and quicker
    left, singular, _ = np.linalg.svd(codes - codes.mean(axis=0), full_matrices=False)
    turned: NDArray[np.float64] = left * singular
    return turned / np.sqrt((turned**2).sum(axis=1).mean())


def line(name: str, how: str, found: NDArray[np.float64]) -> str:
    """Writes a row of the table: mean and spread of accuracies, and how often they reach 0.90 and 0.95."""
    low, high = np.quantile(found, (0.025, 0.975))
    cells = [f"{found.mean():.3f} ({found.std(ddof=1):.3f})", f"{low:.2f} to {high:.2f}", f"{found.max():.2f}"]
    shares = [f"{(found >= bound - 1e-9).mean():.2f}" for bound in (0.90, 0.95)]
    return f"| {' | '.join([name, how, *cells, *shares])} |"


def main() -> None:
    """Prints a row for each network and each way of dividing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.twenty_images", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("network", nargs="+", metavar="NAME=WEIGHTS", help="a network and its weights")
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels")
    parser.add_argument("--divisions", type=int, default=200)
    given = parser.parse_args()
    options = {**TASK.default_options, "labels": "binary"}
    dataset = TASK.load(given.data, options=options)
    pictures = np.asarray(audited(TASK, dataset, lambda *_: None).clusters)
    labels = np.array([dataset.classes.index(str(sample.label)) for sample in dataset.samples])
    print(f"{len(labels)} images of {len(np.unique(pictures))} pictures; the larger class has {share(labels):.3f}")
    print("| network | division | mean (SD) | 95% of divisions | best | 0.90 or more | 0.95 or more |")
    ways: dict[str, Callable[[Indices, np.random.Generator], Parts]] = {"plain": plain, "copies together": grouped}
    for named in given.network:
        name, _, weights = named.partition("=")
        codes = features(dataset, options, name, weights, given.size)
        for how, divide in ways.items():
            draws = (divide(pictures, generator(seed, "twenty images")) for seed in range(given.divisions))
            print(line(name, how, np.array([accuracy(codes, labels, parts) for parts in draws])), flush=True)


def share(labels: Indices) -> float:
    """Returns the share of the largest class."""
    return float(np.bincount(labels).max() / len(labels))


if __name__ == "__main__":
    main()
