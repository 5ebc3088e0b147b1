"""Loading of pretrained weights into a backbone, stage by stage, with a report on every key."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shared.errors import WeightsError
from shared.io.atomic import file_hash
from shared.models.backbones.module import Backbone
from shared.models.backbones.record import IMAGENET, BackboneRecord
from shared.models.imagenet_weights import download_weights
from shared.models.packaged_weights import packaged_path
from shared.models.pretrained_on import UNKNOWN, pretrained_on
from shared.models.weight_files import (
    IMAGENET_SPEC,
    PACKAGED,
    RANDOM,
    WeightsFile,
    find_weights,
    list_keys,
    locate_weights,
    read_named,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeightsReport:
    """The outcome of loading weights, for the record of the run.

    Attributes:
        spec: The specification of the weights; a path is reduced to its name.
        pretrained_on: What the weights were trained on, in words.
        sha256: Hash of the file; None for random weights.
        loaded: Number of tensors copied; float tensors become float32, whatever the file holds.
        unused: Keys of the file that this network has no place for (its classifier, stages cut off).
        reinitialised: Stages left at their random initialisation.
        absent: Stages of the network, deeper than the features, that the weights do not hold.
        folded_batch_norm: Whether BatchNorm was folded into the convolutions of these weights (mean 0, variance 1):
            updating such statistics in training would destroy the weights.
    """

    spec: str
    pretrained_on: str
    sha256: str | None = None
    loaded: int = 0
    unused: tuple[str, ...] = ()
    reinitialised: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    folded_batch_norm: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns the report as plain data for `model.json`, with a key for each attribute."""
        return asdict(self)


def load_weights(
    backbone: Backbone,
    spec: str,
    *,
    copied: Sequence[str] | None = None,
    source: Path | None = None,
    stated: str | None = None,
) -> WeightsReport:
    """Copies weights into the stages named in `copied`; the other stages keep their random initialisation.

    Args:
        backbone: The backbone with seeded random weights, as built.
        spec: "random"; "imagenet"; "packaged"; a `.pth`, `.pt` or `.safetensors` file; or a finished run folder.
        copied: Names of the stages to copy; None: all.
        source: Folder in which a relative path is looked up; None: the current one.
        stated: What the weights of a file were trained on, as the user states it; None: what is known of them.

    Raises:
        UsageError: There is no such file or run.
        WeightsError: The file is damaged, lacks tensors that a copied stage needs, or holds some that these stages
            have no place for (they are listed). Or something is stated of a run, which knows better.
        RunError: The run is unfinished or was changed.
    """
    stages = tuple(backbone.stages)
    record = backbone.record
    if spec == RANDOM:
        return WeightsReport(spec, pretrained_on(record, spec), reinitialised=stages)
    file = locate_weights(backbone, spec, source)
    path, names = file.path, file.names
    if stated is not None and file.is_run:
        raise WeightsError(f"backbone.pretrained_on: {path.parent.name} is a run, which says so itself; leave it out")
    origin = pretrained_on(record, spec, source, stated)
    if origin == UNKNOWN:
        log.warning(
            "%s: what these weights were trained on is not known; state it with backbone.pretrained_on=WORDS",
            path.name,
        )
    wanted, own, tensors = _fitting(backbone, file, copied)
    needed = [name for name in own if names[name] in tensors]
    with torch.no_grad():
        for name in needed:
            own[name].copy_(tensors[names[name]])
    unused = tuple(sorted(set(tensors) - {names[name] for name in own}))
    log.info("%s: %d tensors loaded, %d not used: %s", path.name, len(needed), len(unused), list_keys(unused) or "none")
    if record.absent_stages:
        log.warning(
            "%s: the weights end with %s and hold no %s; the deepest layer of the features is %s",
            *(path.name, record.feature_layers[-1], ", ".join(record.absent_stages), stages[-1]),
        )
    return WeightsReport(
        spec=spec
        if spec == PACKAGED or (spec == IMAGENET_SPEC and record.pretrained_on == IMAGENET)
        else f"{path.parent.name}/{path.name}"
        if file.is_run
        else path.name,
        pretrained_on=origin,
        sha256=file_hash(path),
        loaded=len(needed),
        unused=unused,
        reinitialised=tuple(stage for stage in stages if stage not in wanted),
        absent=record.absent_stages,
        folded_batch_norm=_is_folded(own),
    )


def check_weights(
    backbone: Backbone, spec: str, *, copied: Sequence[str] | None = None, source: Path | None = None
) -> None:
    """Checks that `load_weights` can copy weights into a backbone; copies none.

    The arguments are those of `load_weights`, as is what is raised.
    """
    if spec != RANDOM:
        _fitting(backbone, locate_weights(backbone, spec, source), copied)


def _fitting(
    backbone: Backbone, file: WeightsFile, copied: Sequence[str] | None
) -> tuple[tuple[str, ...], dict[str, Tensor], dict[str, Tensor]]:
    """Reads the tensors of a file and checks that they fit.

    Returns:
        The stages to copy, the backbone's own tensors in them, by their names, and those of the file, by theirs.

    Raises:
        WeightsError: The file is damaged or of another network, or lacks a tensor.
    """
    wanted = _stages_to_copy(backbone, copied)
    tensors = read_named(backbone, file)
    if not file.is_run:
        _refuse_other_backbone(file.path, tensors, backbone)
    own = {name: tensor for name, tensor in backbone.stages.state_dict().items() if name.split(".")[0] in wanted}
    names = file.names
    # files from before this counter existed are whole; it plays no part while momentum is set
    needed = [name for name in own if names[name] in tensors or not name.endswith("num_batches_tracked")]
    _check(file.path, backbone.record.name, {names[name]: own[name] for name in needed}, tensors)
    return wanted, own, tensors


def require_weights(record: BackboneRecord, spec: str, *, source: Path | None = None) -> None:
    """Checks that weights can be had, before anything long begins; ImageNet weights are downloaded.

    Args:
        record: The backbone that the weights are for.
        spec: "random"; "imagenet"; "packaged"; a `.pth`, `.pt` or `.safetensors` file; or a finished run folder.
        source: Folder in which a relative path is looked up; None: the current one.

    Raises:
        UsageError: There is no such file or run.
        WeightsError: There is no such package, or the download failed.
        RunError: The run is unfinished or was changed.
    """
    if spec == IMAGENET_SPEC:
        download_weights(record)
    elif spec == PACKAGED:
        packaged_path(record)
    elif spec != RANDOM:
        find_weights(spec, source)


def _stages_to_copy(backbone: Backbone, copied: Sequence[str] | None) -> tuple[str, ...]:
    stages = tuple(backbone.stages)
    absent = [stage for stage in copied or () if stage not in stages]
    if absent:
        raise WeightsError(
            f"backbone.transfer_stages: {', '.join(absent)} not in this network, which ends at "
            f"{backbone.record.name}'s stage {stages[-1]}; its stages: {', '.join(stages)}"
        )
    return stages if copied is None else tuple(copied)


def _refuse_other_backbone(path: Path, tensors: Mapping[str, Tensor], backbone: Backbone) -> None:
    """Raises if the file is of another backbone of the family, such as a deeper one, which has all our tensors too.

    Tensors within our stages that our network does not have give it away.
    """
    roots = {name.split(".")[0] for name in backbone.original_names.values()}
    cut_off = f"{backbone.record.classifier}."
    foreign = [
        name
        for name in tensors
        if name not in backbone.original_shapes and name.split(".")[0] in roots and not name.startswith(cut_off)
    ]
    if foreign:
        raise WeightsError(
            f"{path.name} is not of {backbone.record.name}, which has no {list_keys(foreign)}; set "
            "backbone.name to the network of the file, or name other weights"
        )


def _check(path: Path, name: str, own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Raises unless each of `own` is in `tensors`, of the same shape and finite."""
    missing = [key for key in own if key not in tensors]
    found = {key: tensor for key, tensor in own.items() if key in tensors}
    wrong = [
        f"{key} {tuple(tensors[key].shape)} for {tuple(tensor.shape)}"
        for key, tensor in found.items()
        if tensors[key].shape != tensor.shape
    ]
    parts = [f"lacks {list_keys(missing)}"] if missing else []
    parts += [f"has other shapes in {list_keys(wrong)}"] if wrong else []
    if parts:
        raise WeightsError(
            f"{path.name} does not fit {name}: it {'; it '.join(parts)}; leave those stages out of "
            "backbone.transfer_stages"
        )
    broken = [key for key in found if not bool(torch.isfinite(tensors[key]).all())]
    if broken:
        raise WeightsError(f"{path.name} is damaged: values that are not finite in {list_keys(broken)}")


def _is_folded(tensors: Mapping[str, Tensor]) -> bool:
    """Whether all BatchNorm statistics are mean 0 and variance 1, as after folding into the convolutions."""
    means = [tensor for name, tensor in tensors.items() if name.endswith("running_mean")]
    variances = [tensor for name, tensor in tensors.items() if name.endswith("running_var")]
    return bool(means) and all(not t.any() for t in means) and all(bool((t == 1).all()) for t in variances)
