"""Tasks on which advice is tried, of both applications, with few and more labels, two classes and many.

Rules and constants of advice were set on `TUNED`, but for how many layers are joined, where draws of `HELD` were in
view too; regret is reported on `HELD`.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from handwriting.labels import CHARACTERS
from handwriting.task import TASK as HANDWRITING
from medtl.task import TASK as MEDTL
from shared.config.schema import DataSection, GivenSplit
from shared.data.group_split import k_shot
from shared.data.loading import load_all
from shared.data.partition import split_data
from shared.samples import Dataset
from shared.seeding import generator
from shared.task import Preprocessing, Task

MAX_TESTED = 600
"""Test images of a task, at most."""


@dataclass(frozen=True)
class Trial:
    """A task: a dataset with a label budget.

    Attributes:
        name: Name of the task.
        task: The application.
        source: File of the dataset in the data folder.
        labels: Images of each class in training and validation together.
        options: Preprocessing options of the application.
        classes: Classes that are used; empty: all.
        patients: Number of patients that are drawn; None: all.
    """

    name: str
    task: Task
    source: str
    labels: int
    options: Mapping[str, Any] = field(default_factory=dict)
    classes: Sequence[str] = ()
    patients: int | None = None

    @property
    def backbone(self) -> dict[str, int]:
        """Image sides in pixels, small enough for a full comparison on a CPU."""
        return {"size": 80} if self.task is MEDTL else {"store_size": 32, "size": 64}


def _of_kind(kind: str) -> tuple[str, ...]:
    return tuple(label for label, character in CHARACTERS.items() if character.kind == kind)


_BINARY = {"labels": "binary"}
TUNED = (
    Trial("sartaj-10", MEDTL, "sartaj.zip", 10),
    Trial("sartaj-60", MEDTL, "sartaj.zip", 60),
    Trial("dhcd-5", HANDWRITING, "dhcd.zip", 5),
    Trial("dhcd-20", HANDWRITING, "dhcd.zip", 20),
    Trial("lgg-40", MEDTL, "hospitals.zip", 40, _BINARY, patients=11),
    Trial("dhcd-pair-20", HANDWRITING, "dhcd.zip", 20, classes=("ba", "waw")),
    Trial("dhcd-digits-12", HANDWRITING, "dhcd.zip", 12, classes=_of_kind("digit")),
)
HELD = (
    Trial("navoneel-20", MEDTL, "navoneel.zip", 20, _BINARY),
    Trial("navoneel-60", MEDTL, "navoneel.zip", 60, _BINARY),
    Trial("cheng-10", MEDTL, "cheng_masks.zip", 10),
    Trial("cheng-50", MEDTL, "cheng_masks.zip", 50),
    Trial("gbm-40", MEDTL, "gbm_dicom.zip", 40, _BINARY),
    Trial("consonants-12", HANDWRITING, "nhcd.zip", 12, classes=_of_kind("consonant")),
    Trial("vowels-20", HANDWRITING, "nhcd.zip", 20, classes=_of_kind("vowel")),
    Trial("pair-20", HANDWRITING, "nhcd.zip", 20, classes=("gha", "dha")),
    Trial("usps-10", HANDWRITING, "digits.npz", 10),
)


@dataclass(frozen=True)
class Draw:
    """Pool and test of one draw of a task; no image, copy or group is in both.

    Attributes:
        pool: Labelled samples for training and validation.
        units: int64 [N], independent unit of each sample of the pool.
        test: Samples of the same classes.
        test_units: int64 [M], independent unit of each test sample.
    """

    pool: Dataset
    units: NDArray[np.int64]
    test: Dataset
    test_units: NDArray[np.int64]


def draw(trial: Trial, data: Path, scratch: Path, seed: int) -> Draw:
    """Draws pool and test of a task."""
    source = _source(data / trial.source, scratch)
    spec = Preprocessing(32, 1, {**trial.task.default_options, **trial.options})
    wanted = DataSection(
        source=str(source), split=GivenSplit(how="drawn", test=0.4), options=dict(trial.options), leaks="drop"
    )
    # not `load_dataset`, which refuses Cheng's kinds of tumour: no class there is without one
    dataset = load_all(trial.task, wanted, spec, scratch, _quiet)
    if trial.classes:
        kept = tuple(one for one in dataset.samples if one.label in trial.classes)
        dataset = replace(dataset, samples=kept, classes=tuple(c for c in dataset.classes if c in trial.classes))
    if trial.patients is not None:
        patients = sorted({one.group for one in dataset.samples if one.group is not None})
        drawn = set(generator(seed, "regret, patients").permutation(patients)[: trial.patients].tolist())
        dataset = replace(dataset, samples=tuple(one for one in dataset.samples if one.group in drawn))
    dataset = _fewer(dataset, trial, seed)
    split = split_data(trial.task, wanted, dataset, seed=seed, progress=_quiet)
    samples = split.dataset.samples
    pool = np.sort(np.concatenate([split.splits["train"], split.splits["validation"]]))
    labels = [str(sample.label) for sample in samples]
    few = min(trial.labels, min(np.unique([labels[i] for i in pool], return_counts=True)[1]))
    pool = np.sort(k_shot(pool, labels, int(few), seed))
    tested = np.sort(generator(seed, "regret, test").permutation(split.splits["test"])[:MAX_TESTED])
    halves = [replace(split.dataset, samples=tuple(samples[i] for i in rows)) for rows in (pool, tested)]
    return Draw(halves[0], split.units[pool], halves[1], split.units[tested])


def _fewer(dataset: Dataset, trial: Trial, seed: int) -> Dataset:
    """Thins a dataset to what pool and test need: searching 92,000 images for copies takes longer than all cells."""
    most = max(4 * trial.labels, 2 * MAX_TESTED // len(dataset.classes))
    random = generator(seed, "regret, fewer")
    labels = np.array([one.label for one in dataset.samples])
    rows = [random.permutation(np.flatnonzero(labels == label))[:most] for label in dataset.classes]
    return replace(dataset, samples=tuple(dataset.samples[i] for i in np.sort(np.concatenate(rows))))


def _source(path: Path, scratch: Path) -> Path:
    """Returns the dataset of a file, written to `scratch` where no layout reads the file itself."""
    if path.name == "digits.npz":
        return _digits(path, scratch)
    return _gliomas(path, scratch) if path.name == "hospitals.zip" else path


def _gliomas(path: Path, scratch: Path) -> Path:
    """Writes the FLAIR slices of the low-grade gliomas, with their table."""
    root = scratch / "lgg_du"
    if not root.is_dir():
        with zipfile.ZipFile(path) as archive:
            heading, *lines = archive.read("lgg_du/labels.csv").decode().splitlines()
            slices = [line for line in lines if "/flair_" in line]
            archive.extractall(
                scratch, [name for name in archive.namelist() if re.match("lgg_du/.*/(flair|mask)_", name)]
            )
        (root / "labels.csv").write_text("\n".join([heading, *slices]) + "\n")
    return root


def _digits(path: Path, scratch: Path) -> Path:
    """Writes the digits of USPS as PNG files, by class."""
    root = scratch / "usps"
    if not root.is_dir():
        with np.load(path) as arrays:
            images, labels = arrays["usps_train_images"], arrays["usps_train_labels"]
        for number, (image, label) in enumerate(zip(images[:3000], labels[:3000], strict=True)):
            folder = root / f"digit_{label}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{number:05d}.png")
    return root


def _quiet(*_: object) -> None:
    pass
