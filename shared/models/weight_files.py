"""Files of weights: where a specification points, and reading their tensors without executing anything in them."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from shared.errors import UsageError, WeightsError
from shared.io.atomic import read_json
from shared.models.backbones.module import Backbone
from shared.models.imagenet_weights import download_weights
from shared.models.onnx_weights import read_convolutions
from shared.models.packaged_weights import is_packaged, packaged_path
from shared.models.tensor_names import named_in_order, own_names
from shared.runs.folder import check_finished

SUFFIXES = (".pth", ".pt", ".safetensors")
"""Suffixes of files from which weights are read."""
ONNX_SUFFIX = ".onnx"
"""Suffix of files from which the convolutions alone are read, where their input is known."""
IMAGENET_SPEC, PACKAGED, RANDOM = "imagenet", "packaged", "random"
"""Words that name weights without a path: published ones, those of an installed package, none."""
MAX_KEYS = 8
"""Most keys that one message names."""


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights for a backbone.

    Attributes:
        path: The file.
        names: For each tensor of the backbone's stages, its name in the file.
        is_run: Whether the file is part of a finished run of this package.
        is_packaged: Whether it is the file of the package that carries weights of this backbone.
    """

    path: Path
    names: Mapping[str, str]
    is_run: bool = False
    is_packaged: bool = False


def locate_weights(backbone: Backbone, spec: str, source: Path | None = None) -> WeightsFile:
    """Finds the file of a specification; ImageNet weights are downloaded, packaged ones are not.

    Args:
        backbone: The backbone that the weights are for.
        spec: "imagenet"; "packaged"; a `.pth`, `.pt` or `.safetensors` file, or the `.onnx` file of the package; or a
            finished run folder.
        source: Folder in which a relative path is looked up; None: the current one.

    Raises:
        UsageError: There is no such file or run.
        WeightsError: There is no such package, the run has another backbone or several, the input that an `.onnx` file
            expects is unknown, or the download failed.
        RunError: The run is unfinished or was changed.
    """
    record = backbone.record
    if spec == IMAGENET_SPEC:
        return WeightsFile(download_weights(record), backbone.original_names)
    if spec == PACKAGED:
        return WeightsFile(packaged_path(record), backbone.original_names, is_packaged=True)
    path = find_weights(spec, source)
    if path.is_dir():
        trunk = read_json(path / "model.json")["backbone"]
        if "members" in trunk:
            raise WeightsError(f"{spec} is the mean of several runs and has several backbones; name one of its members")
        trained = trunk["name"]
        if trained != record.name:
            raise WeightsError(
                f"{spec} was trained with {trained}; backbone.name is {record.name}: set "
                f"backbone.name={trained}, or name other weights"
            )
        own_names = {name: f"backbone.stages.{name}" for name in backbone.stages.state_dict()}
        return WeightsFile(path / "model.safetensors", own_names, is_run=True)
    from_package = record.packaged is not None and is_packaged(record.packaged, path)
    if path.suffix == ONNX_SUFFIX and not from_package:
        known = f"only that of {record.packaged.package} {record.packaged.version} is" if record.packaged else "none is"
        raise WeightsError(
            f"{path.name}: of an .onnx file nothing says which input it expects; for {record.name} {known} known; "
            "allowed are .pth, .pt and .safetensors"
        )
    return WeightsFile(path, backbone.original_names, is_packaged=from_package)


def find_weights(spec: str, source: Path | None) -> Path:
    """Finds a weights file or a finished run folder.

    Args:
        spec: Path of the file or folder.
        source: Folder in which a relative path is looked up; None: the current one.

    Returns:
        The path of the file or of the run folder.

    Raises:
        UsageError: There is no such file or run.
        RunError: The run is unfinished or was changed.
    """
    path = (source or Path()) / spec
    if path.is_dir():
        check_finished(path)
    elif not path.is_file():
        near = difflib.get_close_matches(spec, (IMAGENET_SPEC, PACKAGED, RANDOM), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"weights {spec!r}: no such file or run; {hint}allowed: imagenet, packaged, random, a file "
            f"({', '.join(SUFFIXES)}), the folder of a finished run (runs/NAME)"
        )
    return path


def read_named(backbone: Backbone, file: WeightsFile) -> dict[str, Tensor]:
    """Reads the tensors of a weights file by their names in the original network, for the input that it states.

    Position embeddings of a vision transformer are interpolated to the size of the backbone's input.

    Args:
        backbone: The backbone that the weights are for.
        file: Result of `locate_weights`. The names in a finished run are left as they are.

    Raises:
        WeightsError: The file is damaged or holds more than tensors, or is not of this network.
    """
    tensors = read_tensors(file.path)
    record = backbone.record
    if file.is_run:
        original = {key: backbone.original_names[own] for own, key in file.names.items() if key in tensors}
        fitted = _fitted(backbone, file, {original[key]: tensors[key] for key in original})
        return tensors | {key: fitted[name] for key, name in original.items() if name in fitted}
    if not file.is_packaged or record.packaged is None:
        named = own_names(file.path.name, record, tensors, backbone.original_shapes)
        return _fitted(backbone, file, named)
    named = named_in_order(file.path.name, tensors, backbone.original_shapes)
    return record.packaged.converted(named) if record.packaged.converted else named


def _fitted(backbone: Backbone, file: WeightsFile, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors for the size of the backbone's input, where its network is built for one."""
    record = backbone.record
    if record.build_at is None:
        return tensors
    from shared.models.backbones.timm_transformer import fitted_tensors

    side = backbone.input_size or record.input_size
    return fitted_tensors(file.path.name, tensors, record.name, record.build_at, side)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Reads the tensors of a weights file.

    Args:
        path: A `.pth`, `.pt` or `.safetensors` file; a `state_dict` or `model` inside is taken in place of the whole.
            Of an `.onnx` file the convolutions are read.

    Returns:
        The tensors by name, on the CPU.

    Raises:
        UsageError: The file has another suffix.
        WeightsError: It is damaged, or holds more than tensors.
    """
    if path.suffix == ONNX_SUFFIX:
        return read_convolutions(path)
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path.name} is no weights file; allowed are .pth, .pt and .safetensors")
    try:
        tensors = load_file(path) if path.suffix == ".safetensors" else _load_pickled(path)
    except Exception as error:  # pickle and zip readers raise many kinds for a damaged file
        raise WeightsError(
            f"{path.name} is damaged or holds more than tensors ({type(error).__name__}); save the "
            "network's state dict alone"
        ) from None
    for part in ("state_dict", "model"):
        if isinstance(tensors, dict) and isinstance(tensors.get(part), dict):
            tensors = tensors[part]
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise WeightsError(
            f"{path.name} does not hold a state dict (names with tensors); save the network's state dict alone"
        )
    return tensors


def _load_pickled(path: Path) -> object:
    """What torch saved, without executing anything: besides tensors a `Namespace`, a timm checkpoint's options."""
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(path, map_location="cpu", weights_only=True)


def list_keys(keys: Sequence[str]) -> str:
    """Writes keys for a message: the first `MAX_KEYS`, joined by commas, and the number of those left out.

    Args:
        keys: The keys; without any the text is empty.
    """
    more = f" and {len(keys) - MAX_KEYS} more ({len(keys)} in all)" if len(keys) > MAX_KEYS else ""
    return ", ".join(keys[:MAX_KEYS]) + more
