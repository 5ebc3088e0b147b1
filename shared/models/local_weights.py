"""Which backbones have their weights on this machine, and which files the others lack; nothing is fetched."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.errors import UsageError, WeightsError
from shared.io.atomic import read_json
from shared.models.backbones.record import BACKBONES
from shared.models.weights import SUFFIXES, cached_path
from shared.runs.folder import check_finished

FOLDER = "MEDTL_WEIGHTS"
"""The environment variable that names a folder of weights."""


@dataclass(frozen=True)
class LocalWeights:
    """A backbone whose weights are here.

    Attributes:
        name: Of its record.
        weights: As in `backbone.weights`.
    """

    name: str
    weights: str


@dataclass(frozen=True)
class MissingWeights:
    """A backbone whose ImageNet weights are published but not here.

    Attributes:
        name: Of its record.
        file: What the published file is called.
    """

    name: str
    file: str


def available_backbones(named: Sequence[Path] = ()) -> tuple[list[LocalWeights], list[MissingWeights]]:
    """What `named`, the folder `MEDTL_WEIGHTS` and torch's cache hold, the first of them for each backbone.

    Every file and run of `named` counts, also several of one backbone.

    Args:
        named: Weights files, finished runs, or folders of weights files.

    Raises:
        UsageError: Nothing is at a named path, or no weights are anywhere.
        WeightsError: A named file does not say of which backbone it is.
        RunError: A named run is unfinished or was changed.
    """
    found = [one for path in named for one in _named(path)]
    folder = os.environ.get(FOLDER)
    beside = list(_in_folder(Path(folder))) if folder and Path(folder).is_dir() else []
    for one in (*beside, *_in_cache()):
        if one.name not in {other.name for other in found}:
            found.append(one)
    here = {one.name for one in found}
    missing = [
        MissingWeights(name, cached_path(BACKBONES.get(name)).name)
        for name in BACKBONES
        if name not in here and BACKBONES.get(name).weights_url is not None
    ]
    if not found:
        raise UsageError(
            f"no weights of any backbone are here; place a file such as {missing[0].name}.pth or "
            f"{missing[0].file} in the folder that {FOLDER} names, or give a file or finished run with --weights"
        )
    return found, missing


def backbone_of_file(path: Path) -> str | None:
    """The backbone that a file's name begins with (`vgg16-397923af.pth`, `vgg16.safetensors`), or None."""
    fitting = [name for name in BACKBONES if path.stem == name or path.stem.startswith(f"{name}-")]
    return max(fitting, key=len, default=None)


def _named(path: Path) -> Iterator[LocalWeights]:
    if path.is_file():
        name = backbone_of_file(path)
        if name is None or path.suffix not in SUFFIXES:
            raise WeightsError(
                f"{path.name}: its name does not say of which backbone it is; call it as `backbones` lists them, for "
                "example squeezenet1_1-mine.pth"
            )
        yield LocalWeights(name, str(path))
    elif (path / "model.json").is_file():
        check_finished(path)
        yield LocalWeights(str(read_json(path / "model.json")["backbone"]["name"]), str(path))
    elif path.is_dir() and (held := list(_in_folder(path))):
        yield from held
    else:
        raise UsageError(f"--weights {path}: no such file or finished run, and no folder that holds weights files")


def _in_folder(folder: Path) -> Iterator[LocalWeights]:
    for path in sorted(folder.iterdir()):
        name = backbone_of_file(path)
        if path.suffix in SUFFIXES and name is not None:
            yield LocalWeights(name, str(path))


def _in_cache() -> Iterator[LocalWeights]:
    for name in BACKBONES:
        record = BACKBONES.get(name)
        if record.weights_url is not None and cached_path(record).is_file():
            yield LocalWeights(name, "imagenet")
