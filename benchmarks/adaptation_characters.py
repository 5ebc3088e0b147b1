"""Adapts handwritten Devanagari digits from DHCD to NHCD without target labels, with images varied in training.

    python -m benchmarks.adaptation_characters dhcd.zip nhcd.zip --seed 0 --out FOLDER
    python -m benchmarks.adaptation FOLDER

Of each collection at most 1,600 images are drawn for training, 400 for validation and 700 for the test. They are white
on black, 28 pixels a side, whatever the file has.
"""

from __future__ import annotations

import argparse
import zipfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.adaptation import PHASE, Study, accuracy, image_network
from benchmarks.adaptation_digits import CLASSES, SIDE, varied
from shared.data.split import Split
from shared.samples import Grouping, Sample
from shared.seeding import generator
from shared.training.augmented import one_by_one

PARTS = {"train": (0.0, 0.6, 1600), "validation": (0.6, 0.75, 400), "test": (0.75, 1.0, 700)}
"""Range of the writers of each part, as shares of all, and most of its images."""
FOLDERS = {"dhcd": "Train/digit_{}/", "nhcd": "nhcd/numerals/{}/"}
METHODS = {"dann": 1.0, "mean_teacher": 1.0}


def load_parts(path: Path, collection: str, seed: int) -> dict[str, Split]:
    """Draws training, validation and test images of the ten digits of a collection; NHCD's are divided by writer."""
    with zipfile.ZipFile(path) as archive:
        named = [
            (name, label)
            for label in range(CLASSES)
            for name in archive.namelist()
            if name.startswith(FOLDERS[collection].format(label)) and not name.endswith("/")
        ]
        # NHCD names its files WRITER_COPY; of DHCD no writer is known
        writers = [Path(name).stem.split("_")[0] if collection == "nhcd" else name for name, _ in named]
        order = generator(seed, "characters", collection).permutation(sorted(set(writers))).tolist()
        rank = {writer: place / len(order) for place, writer in enumerate(order)}
        place = np.array([rank[writer] for writer in writers])
        shuffled = generator(seed, "images", collection).permutation(len(named))
        parts = {}
        for part, (low, high, most) in PARTS.items():
            drawn = shuffled[(place[shuffled] >= low) & (place[shuffled] < high)][:most]
            images = [_read(archive.read(named[i][0])) for i in drawn]
            labels = np.array([named[i][1] for i in drawn], dtype=np.int64)
            samples = [Sample(id=named[i][0], source="", label=str(named[i][1]), domain=collection) for i in drawn]
            parts[part] = Split(samples, images, labels, Grouping.of(samples, [order.index(writers[i]) for i in drawn]))
    return parts


def _read(content: bytes) -> NDArray[np.float32]:
    """Reads a picture as white on black, float32 [1, side, side] in 0..1."""
    image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)[None] / 255
    return 1.0 - small if small.mean() > 0.5 else small


def main() -> None:
    """Reads the arguments, trains the studies and records them."""
    parser = argparse.ArgumentParser(description="DHCD to NHCD, digits")
    parser.add_argument("dhcd", type=Path)
    parser.add_argument("nhcd", type=Path)
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    for seed in args.seed:
        source, target = load_parts(args.dhcd, "dhcd", seed), load_parts(args.nhcd, "nhcd", seed)
        phases = [{**PHASE, "epochs": args.epochs, "shape": "annealed"}]
        training = {"phases": phases, "selection": "mutual_information"}
        network, folder = partial(image_network, "lenet", CLASSES, seed, SIDE), args.out / "dhcd-nhcd" / f"seed{seed}"
        study = Study(source, target, CLASSES, network, accuracy, seed, folder, training, augment=one_by_one(varied))
        study.train_all({f"{name} {weight:g}": (name, {"weight": weight}) for name, weight in METHODS.items()})


if __name__ == "__main__":
    main()
