"""The stages that a file of weights holds: the deepest of them is as deep as the features can lie."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from shared.errors import MedtlError
from shared.models.backbones.build import find_backbone
from shared.models.backbones.record import BackboneRecord
from shared.models.packaged_weights import is_packaged
from shared.models.tensor_names import own_names
from shared.models.weight_files import PACKAGED, SUFFIXES, read_tensors


def fitted_record(record: BackboneRecord, spec: str) -> BackboneRecord:
    """Limits a backbone's feature layers to the stages that its weights hold; the deepest becomes the default layer.

    Only a file that ends with a whole stage limits it: one that lacks single tensors is damaged, and refused when it
    is loaded. So is one that cannot be read.

    Args:
        record: Record of the backbone.
        spec: The weights, as `backbone.weights` takes them.

    Returns:
        The record, changed where the weights hold the first stages alone.
    """
    path = Path(spec)
    if spec == PACKAGED:
        held = record.packaged.stages if record.packaged else ()
    elif path.suffix in (*SUFFIXES, ".onnx") and path.is_file():
        stat = path.stat()
        held = _held(record.name, path.resolve(), stat.st_mtime_ns, stat.st_size)
    else:
        return record
    if not held or held == record.stages:
        return record
    layers = tuple(layer for layer in record.feature_layers if layer in held)
    return replace(
        record,
        feature_layers=layers,
        default_layer=record.default_layer if record.default_layer in layers else layers[-1],
        absent_stages=record.stages[len(held) :],
    )


@cache
def _held(name: str, path: Path, changed_ns: int, size: int) -> tuple[str, ...]:
    """The first stages that a file holds whole, where it holds nothing of the others; else none."""
    record = find_backbone(name)
    if record.packaged and is_packaged(record.packaged, path):
        return record.packaged.stages
    try:
        known = [key for own in _names_by_stage(name).values() for key in own]
        keys = set(own_names(path.name, record, read_tensors(path), known))
    except MedtlError:
        return ()
    return _first_stages(record, keys)


def _first_stages(record: BackboneRecord, keys: Collection[str]) -> tuple[str, ...]:
    names = _names_by_stage(record.name)
    whole = [set(own) <= set(keys) for own in names.values()]
    count = whole.index(False) if False in whole else len(whole)
    rest = [key for own in list(names.values())[count:] for key in own]
    return () if any(key in keys for key in rest) else record.stages[:count]


@cache
def _names_by_stage(name: str) -> dict[str, tuple[str, ...]]:
    """For each stage the names of its stored tensors in the original network, without the counters of BatchNorm."""
    record = find_backbone(name)
    with torch.device("meta"):
        original = record.build()
    stages = record.split(original)
    names = {id(tensor): key for key, tensor in (*original.named_parameters(), *original.named_buffers())}
    stored = original.state_dict()
    return {
        stage: tuple(
            key
            for tensor in (*module.parameters(), *module.buffers())
            if (key := names[id(tensor)]) in stored and not key.endswith("num_batches_tracked")
        )
        for stage, module in stages.items()
    }
