"""The layouts in which people keep character images, turned into samples; and the pixels of one sample.

A folder or `.zip` with a folder a class, below at most one wrapping folder, with or without Train and Test above the
classes (DHCD), or with `consonants`, `numerals` and `vowels` above them (NHCD).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handwriting.labels import canonical, ordered
from shared.errors import DataError
from shared.images import is_picture, read_picture
from shared.privacy import Pseudonymiser
from shared.samples import Dataset, Sample
from shared.sources import faults_error, hash_sources, list_sources, read_source, relative_name
from shared.task import Image, Preprocessing

SPLIT_FOLDERS = {"train": "train", "training": "train", "test": "test", "testing": "test", "validation": "validation"}
WRITER_FOLDERS = ("consonants", "numerals", "vowels")
"""In NHCD's layout the part of a file's name before the underscore looks like the writer."""


def load(source: Path, options: Mapping[str, Any]) -> Dataset:
    """Finds the samples; no pixel is decoded.

    Raises:
        DataError: No picture lies in a folder of a class.
    """
    names = [name for name in list_sources(source) if is_picture(name)]
    pseudonyms = Pseudonymiser.of_this_user()
    samples = [_sample(name, relative_name(name, source), pseudonyms) for name in names]
    if not samples or any(not sample.label for sample in samples):
        raise DataError(f"{source.name}: character images are expected in a folder for each class (.png, .jpg, .tif)")
    classes = ordered({str(sample.label) for sample in samples})
    return Dataset(tuple(samples), classes, hash_sources(names))


def read(sample: Sample) -> NDArray[np.float32]:
    """Raw pixels of one sample, float32 [rows, columns] or [rows, columns, 3]."""
    return read_picture(read_source(sample.source))


class CharacterImages(Sequence[Image]):
    """Preprocessed images, decoded once and kept as uint8.

    Args:
        samples: What to decode.
        spec: The preprocessing.

    Raises:
        DataError: Some files are damaged; they are counted.
    """

    def __init__(self, samples: Sequence[Sample], spec: Preprocessing) -> None:
        from handwriting.transforms import preprocess

        self._store = np.zeros((len(samples), 1, spec.size, spec.size), dtype=np.uint8)
        faults = []
        for index, sample in enumerate(samples):
            try:
                self._store[index] = np.round(preprocess(read(sample), spec) * 255)
            except DataError as error:
                faults.append(f"sample {sample.id}: {error}")
        if faults:
            raise faults_error("character images", faults)

    def __len__(self) -> int:
        return len(self._store)

    def __getitem__(self, index: Any) -> Any:
        """float32 [1, size, size] in 0..1."""
        return self._store[index].astype(np.float32) / 255


def _sample(source: str, name: PurePosixPath, pseudonyms: Pseudonymiser) -> Sample:
    folders = list(name.parts[:-1])
    split = next((SPLIT_FOLDERS[part.lower()] for part in folders if part.lower() in SPLIT_FOLDERS), None)
    parent = folders[-2] if len(folders) > 1 else ""
    writer = name.stem.split("_")[0] if parent.lower() in WRITER_FOLDERS and "_" in name.stem else None
    return Sample(
        id=pseudonyms("sample", str(name)),
        source=source,
        label=canonical(folders[-1], parent) if folders else None,
        group=None if writer is None else pseudonyms("writer", writer),
        split=split,
    )
