"""Fixtures: the real data and weights where they are; a small dataset of drawn characters, and finished runs."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from shared.data.descriptors import CopyRule
from shared.evaluation.decision.aggregation import Aggregation
from shared.runs.record import ModelRecord
from shared.task import Preprocessing

# networks in tests are tiny: a second thread costs more in waiting than it computes, most of all on a busy machine
os.environ.setdefault("OMP_NUM_THREADS", "1")
# else each process that a test starts compiles all that it imports, which takes longer than most of these tests
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

SIDE, SALT = 32, "the same for every session"
CLASSES = ("character_1_ka", "digit_0", "digit_1")
"""Folders as DHCD has them; the labels are ka, digit_0, digit_1."""

Draw = Callable[..., Path]
MakeOnce = Callable[[str, Callable[[Path], object]], Path]


def pytest_collection_finish() -> None:
    """Exempts all modules from garbage collection; each training collects, which took a third of the smallest ones."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Undoes that, lest libraries complain at the exit of what was never collected."""
    gc.unfreeze()


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        pytest.skip(f"{variable} does not name a folder with the real files")
    return Path(value).resolve()


@pytest.fixture
def data_dir() -> Path:
    return _folder("MEDTL_DATA")


@pytest.fixture
def weights_dir() -> Path:
    return _folder("MEDTL_WEIGHTS")


@pytest.fixture(autouse=True)
def _private_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the salt and the caches of the person who runs the tests out of them."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))


@pytest.fixture(scope="session", autouse=True)
def _trainings_in_fp32(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Lets no training time its precision: under "auto" it would be the machine's, and tests at random."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.processes.processor.CPU_INFO", tmp_path_factory.mktemp("no-processor") / "cpuinfo")
        yield


@pytest.fixture(autouse=True)
def _without_released_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the models that come with the package out of tests, which say which models there are."""
    monkeypatch.setattr("shared.runs.named.released_root", lambda _: None)


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Makes what a name stands for in a folder of its own, once for all workers: (name, make) gives the folder.

    `make` gets the folder, which is empty. The workers share what it writes, so read it only.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.is_file():
                shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def draw_characters() -> Draw:
    """Writes PNGs by class: a cross, a ring and a stroke, each drawn elsewhere and noisy, so that none is a copy."""

    def draw(root: Path, *, each: int, seed: int = 0, names: tuple[str, ...] = CLASSES) -> Path:
        random = np.random.default_rng(seed)
        for shape, name in enumerate(names):
            (root / name).mkdir(parents=True)
            for index in range(each):
                pixels = _character(shape, random) + random.normal(0, 6, (SIDE, SIDE))
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(root / name / f"{index:03d}.png")
        return root

    return draw


def _character(shape: int, random: np.random.Generator) -> np.ndarray:
    picture = Image.new("L", (SIDE, SIDE), 0)
    pen = ImageDraw.Draw(picture)
    left, top = (int(value) for value in random.integers(4, 11, 2))
    width, height = (int(value) for value in random.integers(12, 18, 2))
    right, bottom = left + width, top + height
    if shape == 0:
        pen.line((left, top, right, bottom), fill=255, width=3)
        pen.line((right, top, left, bottom), fill=255, width=3)
    elif shape == 1:
        pen.ellipse((left, top, right, bottom), outline=255, width=3)
    else:
        slant = int(random.integers(-3, 4))
        pen.line((left + width // 2, top, left + width // 2 + slant, bottom), fill=255, width=3)
    return np.asarray(picture, dtype=np.float64)


@pytest.fixture(scope="session")
def characters(make_once: MakeOnce, draw_characters: Draw) -> Path:
    """Three classes of 16 images."""
    return make_once("characters", lambda folder: draw_characters(folder, each=16))


@pytest.fixture(scope="session")
def tiny_words(characters: Path) -> tuple[str, ...]:
    """The configuration of a training of a few seconds, as `key=value` words."""
    return (
        f"data.source={characters}",
        "backbone={name: convnet_small, weights: random, size: 32, layers: [block2], pooling: avg_2x2}",
        "strategy={name: finetune, augmentation: none, precision: fp32, batch_size: 8, phases: [{epochs: 8, "
        "train: all, lr_head: 0.01, lr_backbone: 0.003}]}",
    )


def _train(task: Any, words: tuple[str, ...], folder: Path, home: Path) -> None:
    from shared.config.read import load_config
    from shared.pipeline.train import run

    with pytest.MonkeyPatch.context() as patch:
        # made before the home of the test that asks for it first
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("MEDTL_SALT", SALT)
        run(task, load_config(None, words), root=folder)


@pytest.fixture(scope="session")
def tiny_run(make_once: MakeOnce, tmp_path_factory: pytest.TempPathFactory, tiny_words: tuple[str, ...]) -> Path:
    """A finished run of handwriting, nothing left out or replaced. Read it only; copy it to change it."""
    from handwriting.task import TASK

    home = tmp_path_factory.mktemp("session-home")
    (run,) = make_once("tiny_run", lambda folder: _train(TASK, tiny_words, folder, home)).iterdir()
    return run


@pytest.fixture(scope="session")
def sibling_run(make_once: MakeOnce, tmp_path_factory: pytest.TempPathFactory, tiny_words: tuple[str, ...]) -> Path:
    """A run as `tiny_run`, of another seed on the same division of the data. Read it only; copy it to change it."""
    from handwriting.task import TASK

    home, words = tmp_path_factory.mktemp("session-home"), (*tiny_words, "seed=1", "data.split.seed=0")
    (run,) = make_once("sibling_run", lambda folder: _train(TASK, words, folder, home)).iterdir()
    return run


@pytest.fixture(scope="session")
def ensemble_run(
    make_once: MakeOnce, tmp_path_factory: pytest.TempPathFactory, tiny_run: Path, sibling_run: Path
) -> Path:
    """The mean of the answers of `tiny_run` and `sibling_run`. Read it only; copy it to change it."""
    from handwriting.task import TASK
    from shared.pipeline.ensemble import make_ensemble

    home = tmp_path_factory.mktemp("session-home")

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
            patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
            patch.setenv("MEDTL_SALT", SALT)
            make_ensemble(TASK, [tiny_run, sibling_run], root=folder)

    (run,) = make_once("ensemble_run", make).iterdir()
    return run


@pytest.fixture(scope="session")
def screening_run(make_once: MakeOnce, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of medtl on drawn heads; it knows no meningioma. Read it only; copy it to change it."""
    from medtl.task import TASK
    from tests.shared.cli.heads import BACKBONE, FINETUNE, PLACES, draw_heads

    places = {name: place for name, place in PLACES.items() if name != "meningioma"}
    data = make_once("screened", lambda folder: draw_heads(folder, places, each=14))
    words = (f"data.source={data}", "data.split.how=drawn", "seed=5", BACKBONE, FINETUNE)
    home = tmp_path_factory.mktemp("session-home")
    (run,) = make_once("screening_run", lambda folder: _train(TASK, words, folder, home)).iterdir()
    return run


@pytest.fixture(scope="session")
def released_model(make_once: MakeOnce, tiny_run: Path, characters: Path) -> Path:
    """The folder of a released model of handwriting, made of `tiny_run`, alone in its folder. Read it only."""

    def make(folder: Path) -> None:
        from handwriting.task import TASK
        from shared.pipeline.pack import pack

        out, licences = folder / "devanagari", ["The model: Apache-2.0", "Drawn characters: CC0"]
        pack(TASK, tiny_run, out, licences=licences, images=characters, root=folder, progress=lambda *_: None)

    (found,) = make_once("released_model", make).iterdir()
    return found


@pytest.fixture
def with_released(released_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The released model, come with handwriting; medtl has none."""
    root = released_model.parent
    monkeypatch.setattr("shared.runs.named.released_root", lambda task: root if task == "handwriting" else None)
    return released_model


@pytest.fixture(scope="session")
def fonts() -> Any:
    """The Devanagari fonts of the system; at least three families, as a split needs."""
    from handwriting.glyphs.fonts import find_fonts
    from shared.errors import DataError

    try:
        found = find_fonts()
    except DataError as error:
        pytest.skip(str(error))
    if len({font.family for font in found}) < 3:
        pytest.skip("fewer than three families of Devanagari fonts are installed")
    return found


@pytest.fixture(scope="session")
def model_record() -> ModelRecord:
    """Of a network of two classes for images of 32 pixels a side; replace what a test is about."""
    return ModelRecord(
        task="handwriting",
        classes=("no", "yes"),
        positive=(False, False),
        preprocessing=Preprocessing(SIDE),
        threshold=0.5,
        operating_point=None,
        rejection=None,
        aggregation=Aggregation(),
        certified_sensitivity=None,
        certified_error=None,
        ood={"threshold": 1.0},
        temperature=1.0,
        backbone={"name": "convnet_small", "layers": ["block2"], "pooling": "max_1x1", "size": SIDE, "weights": {}},
        domains=(),
        acquisition={},
        synthetic=True,
        data_hash="",
        weights_hash="",
        copy_rule=CopyRule(mirrored=True, altered=True),
    )


@pytest.fixture(scope="session")
def planted_training(make_once: MakeOnce) -> Any:
    """A `tests.medtl.planted.Training`. Read it only."""
    from tests.medtl.planted import Training, train_planted

    return Training.read(make_once("training", train_planted))  # a name without any of the marks


@pytest.fixture
def quick_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out what takes nine tenths of a tiny run and has tests of its own: ONNX, attributions and their sheet."""

    def export(network: Any, spec: Any, path: Path, check: Any) -> float:
        path.write_bytes(b"not exported")
        return 0.0

    monkeypatch.setattr("shared.pipeline.finish.export_onnx", export)
    monkeypatch.setattr("shared.reporting.run_report.attribution_pictures", lambda *_: [])
    monkeypatch.setattr("shared.pipeline.finish.write_properties", lambda *_: None)
