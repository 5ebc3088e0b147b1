"""Weights from a download, a file, or a finished run, loaded stage by stage and accounted for key by key."""

from __future__ import annotations

import http.client
import logging
import os
import re
import sys
import urllib.error
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from shared.errors import WeightsError
from shared.io.atomic import file_hash, read_json
from shared.io.download import reason_of
from shared.models.backbones.module import Backbone
from shared.models.backbones.record import BackboneRecord
from shared.runs.folder import check_finished

log = logging.getLogger(__name__)
SUFFIXES = (".pth", ".pt", ".safetensors")
SHOWN = 8
"""Keys named in one message."""


@dataclass(frozen=True)
class WeightsReport:
    """What became of each key.

    Attributes:
        spec: As asked for; a path is reduced to its name.
        sha256: Of the file; None for random weights.
        loaded: Number of tensors copied; all float tensors are kept as float32, whatever the file holds.
        unused: Keys of the file that this network has no place for (its classifier, stages cut off).
        reinitialised: Stages left at their random initialisation.
        folded_batch_norm: Whether the statistics are those of BatchNorm folded into the convolutions (mean 0,
            variance 1): training-mode statistics would destroy such weights.
    """

    spec: str
    sha256: str | None = None
    loaded: int = 0
    unused: tuple[str, ...] = ()
    reinitialised: tuple[str, ...] = ()
    folded_batch_norm: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data for `model.json`."""
        return asdict(self)


def load_weights(
    backbone: Backbone, spec: str, *, copied: Sequence[str] | None = None, source: Path | None = None
) -> WeightsReport:
    """Copies weights into the stages named in `copied`; the other stages keep their random initialisation.

    Args:
        backbone: As built, with seeded random weights.
        spec: "random"; "imagenet"; a `.pth`, `.pt` or `.safetensors` file; or a finished run folder.
        copied: Names of the stages to copy; None: all.
        source: Folder in which a relative path is looked up; None: the current one.

    Raises:
        WeightsError: The file is missing or damaged, lacks tensors that a copied stage needs, or holds some that
            these stages have no place for (they are listed).
        RunError: The run is unfinished or was changed.
    """
    stages = tuple(backbone.stages)
    if spec == "random":
        return WeightsReport(spec, reinitialised=stages)
    wanted = _wanted(backbone, copied)
    path, names, is_run = _locate(backbone, spec, source)
    tensors = _read(path)
    if not is_run:
        tensors = _up_to_date(tensors, backbone.record)
        _refuse_foreign(path, tensors, backbone)
    own = {name: tensor for name, tensor in backbone.stages.state_dict().items() if name.split(".")[0] in wanted}
    # files from before this counter existed are whole; it plays no part while momentum is set
    needed = [name for name in own if names[name] in tensors or not name.endswith("num_batches_tracked")]
    _check(path, backbone.record.name, {names[name]: own[name] for name in needed}, tensors)
    with torch.no_grad():
        for name in needed:
            own[name].copy_(tensors[names[name]])
    unused = tuple(sorted(set(tensors) - {names[name] for name in own}))
    log.info("%s: %d tensors loaded, %d not used: %s", path.name, len(needed), len(unused), _listed(unused) or "none")
    return WeightsReport(
        spec=spec if spec == "imagenet" else f"{path.parent.name}/{path.name}" if is_run else path.name,
        sha256=file_hash(path),
        loaded=len(needed),
        unused=unused,
        reinitialised=tuple(stage for stage in stages if stage not in wanted),
        folded_batch_norm=_is_folded(own),
    )


@dataclass(frozen=True)
class Classifier:
    """The one layer that stood on a backbone where its weights were trained.

    Attributes:
        weight: float32 [classes, width] on features, or [classes, width, 1, 1] on maps, as SqueezeNet's.
        bias: float32 [classes].
        layers: Whose outputs were its input.
        pooling: How they became a code.
    """

    weight: Tensor
    bias: Tensor
    layers: tuple[str, ...]
    pooling: str


def load_classifier(backbone: Backbone, spec: str) -> Classifier:
    """The classifier that the weights were trained with and that was cut off.

    Args:
        backbone: Which it stood on.
        spec: As in `load_weights`; of a run its head is meant.

    Raises:
        WeightsError: There is none, or it has more than one layer.
        RunError: The run is unfinished or was changed.
    """
    if spec == "random":
        raise WeightsError("random weights have no classifier whose outputs could be kept; name others")
    path, _, is_run = _locate(backbone, spec, None)
    prefix = "head." if is_run else f"{backbone.record.classifier}."
    found = {name: tensor.float() for name, tensor in _read(path).items() if name.startswith(prefix)}
    weights = [tensor for name, tensor in found.items() if name.endswith(".weight")]
    biases = [tensor for name, tensor in found.items() if name.endswith(".bias")]
    if len(found) != 2 or len(weights) != 1 or len(biases) != 1:
        raise WeightsError(
            f"{path.name} holds no classifier of one layer for {backbone.record.name} (it has "
            f"{_listed([*found]) or 'none'}): its outputs cannot be kept; hold the parameters instead"
        )
    if is_run:
        code = read_json(path.with_name("model.json"))["backbone"]
        return Classifier(weights[0], biases[0], tuple(code["layers"]), code["pooling"])
    return Classifier(weights[0], biases[0], (backbone.record.default_layer,), "avg_1x1")


def require_weights(record: BackboneRecord, spec: str, *, source: Path | None = None) -> None:
    """Finds weights, those of ImageNet by fetching them, so that what is missing is said before anything long begins.

    Raises:
        WeightsError: There is no such file or run, or it could not be fetched.
        RunError: The run is unfinished or was changed.
    """
    if spec == "imagenet":
        _download(record)
    elif spec != "random":
        _find(spec, source)


def cached_path(record: BackboneRecord) -> Path:
    """Where torch keeps the ImageNet weights of a backbone that has some, whether they are there or not.

    Raises:
        WeightsError: None are published.
    """
    return Path(torch.hub.get_dir()) / "checkpoints" / _address(record).rsplit("/", 1)[1]


def _address(record: BackboneRecord) -> str:
    if record.weights_url is None:
        raise WeightsError(
            f"no download of ImageNet weights is known for {record.name}; "
            "backbone.weights is random, a .pth or .safetensors file, or a finished run"
        )
    return record.weights_url()


def _find(spec: str, source: Path | None) -> Path:
    """The file or run folder."""
    path = (source or Path()) / spec
    if path.is_dir():
        check_finished(path)
    elif not path.is_file():
        raise WeightsError(f"weights {spec!r}: no such file or run; allowed: imagenet, random, a file, a finished run")
    return path


def _wanted(backbone: Backbone, copied: Sequence[str] | None) -> tuple[str, ...]:
    stages = tuple(backbone.stages)
    absent = [stage for stage in copied or () if stage not in stages]
    if absent:
        raise WeightsError(
            f"backbone.transfer_stages: {', '.join(absent)} not in this network, which ends at "
            f"{backbone.record.name}'s stage {stages[-1]}; its stages: {', '.join(stages)}"
        )
    return stages if copied is None else tuple(copied)


def _locate(backbone: Backbone, spec: str, source: Path | None) -> tuple[Path, Mapping[str, str], bool]:
    """The file; for each tensor of the backbone's stages its name in that file; whether it is one of our own runs."""
    if spec == "imagenet":
        return _download(backbone.record), backbone.original_names, False
    path = _find(spec, source)
    if path.is_dir():
        trained = read_json(path / "model.json")["backbone"]["name"]
        if trained != backbone.record.name:
            raise WeightsError(f"{spec} was trained with {trained}; backbone.name is {backbone.record.name}")
        own_names = {name: f"backbone.stages.{name}" for name in backbone.stages.state_dict()}
        return path / "model.safetensors", own_names, True
    return path, backbone.original_names, False


def _download(record: BackboneRecord) -> Path:
    url, path = _address(record), cached_path(record)
    folder = path.parent
    digest = path.stem.rsplit("-", 1)[-1]
    if path.is_file():
        if not file_hash(path).startswith(digest):
            raise WeightsError(
                f"{path} is not the file its name says: its SHA-256 does not begin with {digest}; "
                f"fetch it anew from {url}, or name other weights with backbone.weights=FILE"
            )
        return path
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    log.info("fetching %s", url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(partial), hash_prefix=digest, progress=sys.stderr.isatty())
        partial.replace(path)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        raise WeightsError(
            f"the ImageNet weights of {record.name} could not be fetched ({reason_of(error)}); "
            f"place {path.name} from {url} in {folder} by hand, or name a file with backbone.weights=FILE"
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix not in SUFFIXES:
        raise WeightsError(f"{path.name}: weights are read from .pth, .pt and .safetensors files")
    try:
        tensors = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # pickle and zip readers raise many kinds for a damaged file
        raise WeightsError(f"{path.name} is damaged or holds more than tensors ({type(error).__name__})") from None
    if isinstance(tensors, dict) and isinstance(tensors.get("state_dict"), dict):
        tensors = tensors["state_dict"]
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise WeightsError(f"{path.name} does not hold a state dict (names with tensors)")
    return tensors


def _up_to_date(tensors: Mapping[str, Tensor], record: BackboneRecord) -> dict[str, Tensor]:
    if record.renamed is None:
        return dict(tensors)
    return {re.sub(*record.renamed, name): tensor for name, tensor in tensors.items()}


def _refuse_foreign(path: Path, tensors: Mapping[str, Tensor], backbone: Backbone) -> None:
    """Weights of a deeper relative hold all we ask for, and more: what stands beside our stages gives them away."""
    roots = {name.split(".")[0] for name in backbone.original_names.values()}
    cut_off = f"{backbone.record.classifier}."
    foreign = [
        name
        for name in tensors
        if name not in backbone.original_keys and name.split(".")[0] in roots and not name.startswith(cut_off)
    ]
    if foreign:
        raise WeightsError(f"{path.name} is not of {backbone.record.name}, which has no {_listed(foreign)}")


def _check(path: Path, name: str, own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Raises unless each of `own` is in `tensors`, of the same shape and finite."""
    missing = [key for key in own if key not in tensors]
    found = {key: tensor for key, tensor in own.items() if key in tensors}
    wrong = [
        f"{key} {tuple(tensors[key].shape)} for {tuple(tensor.shape)}"
        for key, tensor in found.items()
        if tensors[key].shape != tensor.shape
    ]
    parts = [f"lacks {_listed(missing)}"] if missing else []
    parts += [f"has other shapes in {_listed(wrong)}"] if wrong else []
    if parts:
        raise WeightsError(
            f"{path.name} does not fit {name}: it {'; it '.join(parts)}; leave those stages out of "
            "backbone.transfer_stages"
        )
    broken = [key for key in found if not bool(torch.isfinite(tensors[key]).all())]
    if broken:
        raise WeightsError(f"{path.name} is damaged: values that are not finite in {_listed(broken)}")


def _listed(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - SHOWN} more ({len(keys)} in all)" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more


def _is_folded(tensors: Mapping[str, Tensor]) -> bool:
    means = [tensor for name, tensor in tensors.items() if name.endswith("running_mean")]
    variances = [tensor for name, tensor in tensors.items() if name.endswith("running_var")]
    return bool(means) and all(not t.any() for t in means) and all(bool((t == 1).all()) for t in variances)
