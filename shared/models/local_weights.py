"""Survey of the weights on this machine: which backbones have some, which files others need; nothing is downloaded."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.errors import UsageError, WeightsError
from shared.io.atomic import read_json
from shared.models.backbones.build import find_backbone, is_buildable
from shared.models.backbones.record import BACKBONES, IMAGENET, BackboneRecord
from shared.models.held_stages import fitted_record
from shared.models.imagenet_weights import cached_path
from shared.models.packaged_weights import find_packaged
from shared.models.pretrained_on import pretrained_on
from shared.models.weight_files import IMAGENET_SPEC, PACKAGED, SUFFIXES
from shared.runs.folder import check_finished

WEIGHTS_VARIABLE = "MEDTL_WEIGHTS"
"""The environment variable that names a folder of weights."""


@dataclass(frozen=True)
class LocalWeights:
    """Weights of a backbone on this machine.

    Attributes:
        name: Name of the backbone.
        weights: Path of the file or run folder, "imagenet" or "packaged", as the option `backbone.weights` takes it.
    """

    name: str
    weights: str

    @property
    def record(self) -> BackboneRecord:
        """Returns the record of the backbone, with the layers that these weights hold."""
        return fitted_record(find_backbone(self.name), self.weights)

    @property
    def pretrained_on(self) -> str:
        """Says what these weights were trained on."""
        return pretrained_on(self.record, self.weights)


@dataclass(frozen=True)
class MissingWeights:
    """Published weights of a backbone that are not on this machine.

    Attributes:
        name: Name of the backbone.
        file: Name of the published file, or of the package with its version, as pip takes it.
    """

    name: str
    file: str


def available_backbones(named: Sequence[Path] = ()) -> tuple[list[LocalWeights], list[MissingWeights]]:
    """Finds weights at paths, in the folder that `MEDTL_WEIGHTS` names, in torch's cache and in installed packages.

    Of `named` all files and runs are returned, also several of one backbone. The folder, the cache and the packages
    add, in this order, backbones that were not found before.

    Args:
        named: Weights files, finished runs, or folders of weights files.

    Returns:
        The weights that were found, and the published ones of all other backbones.

    Raises:
        UsageError: Nothing is at a named path, or no weights are found at all.
        WeightsError: The name of a named file does not begin with that of a backbone.
        RunError: A named run is unfinished or was changed.
    """
    found = [one for path in named for one in _at_path(path)]
    for one in surveyed_weights():
        if one.name not in {other.name for other in found}:
            found.append(one)
    missing = _missing({one.name for one in found})
    if not found:
        raise UsageError(
            f"no weights of any backbone were found; place a file such as {missing[0].name}.pth or {missing[0].file} "
            f"in the folder that {WEIGHTS_VARIABLE} names, or give a file or finished run with --weights"
        )
    return found, missing


def surveyed_weights() -> list[LocalWeights]:
    """Finds weights in the folder that `MEDTL_WEIGHTS` names, in torch's cache and in installed packages.

    Returns:
        All that were found, in this order; of a backbone there may be several. Backbones whose library is not installed
        are left out.
    """
    folder = os.environ.get(WEIGHTS_VARIABLE)
    in_folder = list(_in_folder(Path(folder))) if folder and Path(folder).is_dir() else []
    found = [*in_folder, *_in_cache(), *_in_packages()]
    return [one for one in found if is_buildable(BACKBONES.get(one.name))]


def backbone_of_file(path: Path) -> str | None:
    """Reads the name of a backbone from the name of a weights file (`vgg16-397923af.pth`, `vgg16.safetensors`).

    Args:
        path: The file; it is not opened.

    Returns:
        The longest registered name that fits; None where none does.
    """
    fitting = [name for name in BACKBONES if path.stem == name or path.stem.startswith(f"{name}-")]
    return max(fitting, key=len, default=None)


def _at_path(path: Path) -> Iterator[LocalWeights]:
    if path.is_file():
        name = backbone_of_file(path)
        if name is None or path.suffix not in SUFFIXES:
            raise WeightsError(
                f"{path.name}: its name does not begin with that of a backbone, or its suffix is none of "
                f"{', '.join(SUFFIXES)}; rename it, for example to squeezenet1_1-mine.pth (the command `backbones` "
                "lists the names)"
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
        if record.weights_url is not None and (path := cached_path(record)).is_file():
            yield LocalWeights(name, IMAGENET_SPEC if record.pretrained_on == IMAGENET else str(path))


def _in_packages() -> Iterator[LocalWeights]:
    for name in BACKBONES:
        if find_packaged(BACKBONES.get(name)) is not None:
            yield LocalWeights(name, PACKAGED)


def _missing(found: Collection[str]) -> list[MissingWeights]:
    """The published weights of all other backbones: files first, then those that only a package has."""
    others = [BACKBONES.get(name) for name in BACKBONES if name not in found]
    files = [MissingWeights(one.name, cached_path(one).name) for one in others if one.weights_url is not None]
    packages = [
        MissingWeights(one.name, f"{one.packaged.package}=={one.packaged.version}")
        for one in others
        if one.weights_url is None and one.packaged is not None
    ]
    return [*files, *packages]
