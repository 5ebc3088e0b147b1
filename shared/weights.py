"""Weights from a download, a file, or a finished run, loaded stage by stage and accounted for key by key."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from shared.artifacts import check_finished, file_hash, read_json
from shared.backbone import Backbone
from shared.errors import WeightsError

SHOWN = 8
"""Keys named in one message."""


@dataclass(frozen=True)
class WeightsReport:
    """What became of each key.

    Attributes:
        spec: As asked for; a path is reduced to its name.
        sha256: Of the file; None for random weights.
        loaded: Number of tensors copied.
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
        WeightsError: The file is missing, damaged, or lacks tensors that a copied stage needs (they are listed).
        RunError: The run is unfinished or was changed.
    """
    stages = tuple(backbone.stages)
    if spec == "random":
        return WeightsReport(spec, reinitialised=stages)
    wanted = stages if copied is None else tuple(copied)
    path, names = _locate(backbone, spec, source)
    tensors = _read(path)
    own = {name: tensor for name, tensor in backbone.stages.state_dict().items() if name.split(".")[0] in wanted}
    missing = [names[name] for name in own if names[name] not in tensors]
    wrong = [
        f"{names[name]} {tuple(tensors[names[name]].shape)} for {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if names[name] in tensors and tensors[names[name]].shape != tensor.shape
    ]
    if missing or wrong:
        raise WeightsError(_mismatch(path, backbone.record.name, missing, wrong))
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[names[name]])
    used = {names[name] for name in own}
    return WeightsReport(
        spec=spec if spec == "imagenet" else path.parent.name + "/" + path.name,
        sha256=file_hash(path),
        loaded=len(own),
        unused=tuple(sorted(set(tensors) - used)),
        reinitialised=tuple(stage for stage in stages if stage not in wanted),
        folded_batch_norm=_is_folded(own),
    )


def _locate(backbone: Backbone, spec: str, source: Path | None) -> tuple[Path, Mapping[str, str]]:
    """The file, and for each tensor of the backbone's stages its name in that file."""
    if spec == "imagenet":
        return _download(backbone), backbone.original_names
    path = (source or Path()) / spec
    if path.is_dir():
        check_finished(path)
        trained = read_json(path / "model.json")["backbone"]["name"]
        if trained != backbone.record.name:
            raise WeightsError(f"{spec} was trained with {trained}; backbone.name is {backbone.record.name}")
        return path / "model.safetensors", {name: f"backbone.stages.{name}" for name in backbone.stages.state_dict()}
    if not path.is_file():
        raise WeightsError(f"weights {spec!r}: no such file or run; allowed: imagenet, random, a file, a finished run")
    return path, backbone.original_names


def _download(backbone: Backbone) -> Path:
    record = backbone.record
    if record.weights_url is None:
        raise WeightsError(f"{record.name} has no ImageNet weights; use weights=random, a file, or a finished run")
    url = record.weights_url()
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / url.rsplit("/", 1)[1]
    if path.is_file():
        return path
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    digest = path.stem.rsplit("-", 1)[-1]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(partial), hash_prefix=digest, progress=False)
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"the ImageNet weights of {record.name} could not be fetched ({type(error).__name__}); "
            f"place {path.name} in {folder} by hand, or name a file with backbone.weights=FILE"
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix not in (".pth", ".pt", ".safetensors"):
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


def _mismatch(path: Path, name: str, missing: Sequence[str], wrong: Sequence[str]) -> str:
    parts = []
    for what, keys in (("lacks", missing), ("has other shapes in", wrong)):
        if keys:
            more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
            parts.append(f"{what} {', '.join(keys[:SHOWN])}{more}")
    return f"{path.name} does not fit {name}: it {'; it '.join(parts)}; leave those stages out of backbone.copied"


def _is_folded(tensors: Mapping[str, Tensor]) -> bool:
    means = [tensor for name, tensor in tensors.items() if name.endswith("running_mean")]
    variances = [tensor for name, tensor in tensors.items() if name.endswith("running_var")]
    return bool(means) and all(not t.any() for t in means) and all(bool((t == 1).all()) for t in variances)
