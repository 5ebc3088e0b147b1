"""Adapts digits from USPS to MNIST or back without target labels, by the protocol of Tzeng et al. 2017.

The protocol takes 2,000 images of MNIST and 1,800 of USPS.

    python -m benchmarks.adaptation_digits DIGITS.npz --source usps --seed 0 --out FOLDER
    python -m benchmarks.adaptation FOLDER

The table shows the test accuracy of the source alone, of each setting, of the label-free choice, of the choice by the
target's validation labels (oracle), and of training on the target. The paper
(arXiv 1702.05464, section 5.1) reports 0.752 and 0.771 (source only, gradient reversal) for MNIST to USPS and 0.571
and 0.730 for USPS to MNIST.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.adaptation import ESTIMATED, PHASE, Study, accuracy, image_network
from shared.data.split import Split
from shared.samples import Grouping, Sample
from shared.seeding import generator
from shared.training.augmented import one_by_one
from shared.training.selection import LABEL_FREE

IMAGES = {"mnist": 2000, "usps": 1800}
TESTED = 1000
SIDE, CLASSES = 28, 10


def load_parts(path: Path, name: str, seed: int, times: int) -> dict[str, Split]:
    """Draws training, validation (a fifth of the drawn images) and test images of a collection."""
    with np.load(path) as file:
        kept = {key: file[f"{name}_{key}"] for key in ("train_images", "train_labels", "test_images", "test_labels")}
    drawn = generator(seed, "digits", name).permutation(len(kept["train_labels"]))[: times * IMAGES[name]]
    tested = generator(seed, "digits, test", name).permutation(len(kept["test_labels"]))[:TESTED]
    cut = len(drawn) * 4 // 5
    return {
        "train": _part(kept["train_images"][drawn[:cut]], kept["train_labels"][drawn[:cut]], name),
        "validation": _part(kept["train_images"][drawn[cut:]], kept["train_labels"][drawn[cut:]], name),
        "test": _part(kept["test_images"][tested], kept["test_labels"][tested], name),
    }


def skewed(split: Split, seed: int, share: float) -> Split:
    """Keeps only a share of the images of classes 0 to 4, so that class shares differ and digits do not."""
    rare = (split.labels < CLASSES // 2) & (generator(seed, "skew").random(len(split.labels)) >= share)
    return split.of(np.flatnonzero(~rare))


def varied(image: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Rotates, shears, scales and moves a digit [1, side, side] a little; never mirrors it."""
    random = np.random.default_rng(seed)
    matrix = np.eye(2) + random.normal(0.0, 0.1, (2, 2))
    middle = (SIDE - 1) / 2
    shift = middle + random.uniform(-2.0, 2.0, 2) - matrix @ (middle, middle)
    moved = cv2.warpAffine(image[0], np.column_stack([matrix, shift]), (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    return np.asarray(moved, dtype=np.float32)[None]


def _part(images: NDArray[np.uint8], labels: NDArray[np.integer], domain: str) -> Split:
    """Makes a split of images, each of its own group."""
    enlarged = [cv2.resize(image, (SIDE, SIDE)).astype(np.float32)[None] / 255 for image in images]
    samples = [Sample(id=f"{domain}{i}", source="", label=str(label), domain=domain) for i, label in enumerate(labels)]
    return Split(samples, enlarged, labels.astype(np.int64), Grouping.of(samples, range(len(samples))))


def main() -> None:
    """Reads the arguments, trains one study and records it."""
    parser = argparse.ArgumentParser(description="USPS to MNIST and back")
    parser.add_argument("data", type=Path)
    parser.add_argument("--source", choices=tuple(IMAGES), default="usps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument(
        "--times", type=int, default=1, help="number of training images, as a multiple of the protocol's"
    )
    parser.add_argument("--weights", type=float, nargs="+", default=[1.0])
    parser.add_argument("--methods", nargs="+", default=["dann"])
    parser.add_argument("--rule", choices=tuple(LABEL_FREE), default="mutual_information")
    parser.add_argument("--vary", action="store_true", help="rotate, scale and move training images at random")
    parser.add_argument("--skew", type=float, default=1.0, help="share of the digits 0 to 4 that the target keeps")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    names = (args.source, "mnist" if args.source == "usps" else "usps")
    source, target = (load_parts(args.data, name, args.seed, args.times) for name in names)
    target = {name: skewed(split, args.seed, args.skew) for name, split in target.items()}
    phases = [{**PHASE, "epochs": args.epochs, "shape": "annealed"}]
    study = Study(
        source,
        target,
        CLASSES,
        lambda: image_network("lenet", CLASSES, args.seed, SIDE),
        accuracy,
        args.seed,
        args.out / "-".join(names) / f"seed{args.seed}",
        {"phases": phases, "selection": args.rule},
        augment=one_by_one(varied) if args.vary else None,
    )
    settings = {f"{name} {weight:g}": (name, {"weight": weight}) for name in args.methods for weight in args.weights}
    if args.skew < 1:
        settings["dann, balanced source"] = ("dann", {"sampling": "class"})
        settings["dann, estimated prior"] = ("dann", {"target_prior": ESTIMATED})
    study.train_all(settings)


if __name__ == "__main__":
    main()
