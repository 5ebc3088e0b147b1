"""Downloads the Devanagari Handwritten Character Dataset (DHCD) and checks that it is complete."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from handwriting.datasets import load, read
from shared.errors import DataError
from shared.io.download import Progress, download
from shared.samples import Sample

URL = "https://archive.ics.uci.edu/static/public/389/devanagari+handwritten+character+dataset.zip"
"""Acharya, Pant & Gyawali 2015, at the UCI Machine Learning Repository, number 389, CC BY 4.0.

Neither size nor checksum of the archive is published there, so its content is checked.
"""
CLASSES, TRAIN, TEST = 46, 1_700, 300
PIXELS = "9025d5f68132bec38df3e4321c65440aafd78ede2c9d088fc4512133b332ad64"
"""`pixel_digest` of a copy of the dataset whose PNGs were written anew without loss."""


def fetch(folder: Path, *, progress: Progress, checking: Progress) -> Path:
    """Downloads the dataset as `dhcd.zip` into a folder and checks that it is complete.

    Args:
        folder: Folder of the archive.
        progress: Called with (bytes done, total bytes).
        checking: Called with (images checked, total images).

    Returns:
        The path of the archive, which `handwriting.datasets.load` reads.

    Raises:
        DataError: The archive cannot be downloaded, or its images are not those of the dataset.
    """
    path = download(URL, folder / "dhcd.zip", progress=progress)
    check(path, checking)
    return path


def check(path: Path, progress: Progress = lambda *_: None) -> None:
    """Compares the classes, their counts and every pixel of a copy of DHCD with the published dataset.

    Args:
        path: The archive or folder.
        progress: Called with (images checked, images in all).

    Raises:
        DataError: A class, a count or a pixel differs.
    """
    samples = load(path, {}).samples
    counts = Counter((sample.split, sample.label) for sample in samples)
    wanted = {("train", label): TRAIN for _, label in counts} | {("test", label): TEST for _, label in counts}
    if counts != wanted or len(wanted) != 2 * CLASSES:
        raise DataError(
            f"{path} holds {len(samples)} images of {len({label for _, label in counts})} classes; DHCD has {CLASSES} "
            f"classes of {TRAIN} for training and {TEST} for the test; delete it and fetch it again"
        )
    if pixel_digest(samples, progress) != PIXELS:
        raise DataError(f"{path} has other pixels than DHCD; delete it and fetch it again")


def pixel_digest(samples: Sequence[Sample], progress: Progress = lambda *_: None) -> str:
    """Computes the SHA-256, in hexadecimal, of split, class, file name and decoded pixels of all images.

    Args:
        samples: The images, in any order; how they are packed does not count.
        progress: Called with (images done, images in all).

    Raises:
        DataError: An image is damaged; the message names it.
    """
    digest = hashlib.sha256()
    named = sorted(samples, key=lambda one: (str(one.split), str(one.label), PurePosixPath(one.source).name))
    for done, sample in enumerate(named, start=1):
        digest.update(f"{sample.split}/{sample.label}/{PurePosixPath(sample.source).name}".encode())
        digest.update(read(sample).astype(np.uint8).tobytes())
        progress(done, len(named))
    return digest.hexdigest()
