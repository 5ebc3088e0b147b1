"""Restoring the torch network of a finished run, without unpickling anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from shared.errors import RunError
from shared.models.backbones.build import build_backbone
from shared.models.backbones.module import Backbone
from shared.models.ensemble import Ensemble
from shared.models.network import AuxiliaryHead, Network, Trunk
from shared.runs.folder import check_finished
from shared.runs.record import ModelRecord, read_model_record
from shared.seeding import derive_seed


def load_trained(run: Path) -> tuple[Network, ModelRecord]:
    """Loads the network of a run, and its record.

    The backbones of the run's application must be registered.

    Args:
        run: The run folder.

    Returns:
        The network, on the CPU and in evaluation mode, and the model record.

    Raises:
        UsageError: The run is unfinished.
        RunError: The run is damaged, or its tensors do not fit the network of its record.
    """
    check_finished(run)
    record = read_model_record(run)
    try:
        tensors = load_file(run / "model.safetensors")
        width = tensors["head.weight"].shape[1]
        network = build_network(record, width)
        network.load_state_dict(tensors)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise RunError(
            f"{run}/model.safetensors does not hold the network of its record ({type(error).__name__}); train it anew"
        ) from None
    return network.eval(), record


def build_network(record: ModelRecord, width: int, *, seed: int = 0) -> Network:
    """Builds a network like that of a run, with random weights that depend on `seed` alone.

    Args:
        record: Record of the run.
        width: Width of the features.
        seed: Seed of the initialisation.

    Returns:
        The network; an `Ensemble` where the run is the mean of the answers of several.

    Raises:
        KeyError: The record lacks part of the description of its network.
    """
    count = len(record.classes)
    if record.is_ensemble:
        members = [_parts(stated, derive_seed(seed, "member", number)) for number, stated in enumerate(record.trunks)]
        trunks = [
            Trunk(*parts, mirrored=_is_mirrored(stated)) for parts, stated in zip(members, record.trunks, strict=True)
        ]
        network: Network = Ensemble(trunks, width, count)
    else:
        mirrored = _is_mirrored(record.backbone)
        network = Network(*_parts(record.backbone, seed), width, count, mirrored=mirrored)
    for name, classes in record.auxiliary.items():
        network.auxiliary.append(AuxiliaryHead(name, width, classes))
    return network


def _parts(stated: Mapping[str, Any], seed: int) -> tuple[Backbone, Sequence[str], str]:
    """Backbone, layers and pooling of a trunk that a record describes."""
    backbone = build_backbone(stated["name"], layers=stated["layers"], seed=seed, input_size=stated["size"])
    return backbone, stated["layers"], stated["pooling"]


def _is_mirrored(stated: Mapping[str, Any]) -> bool:
    """Whether a trunk that a record describes sees mirror images too; records of before do not say it."""
    return bool(stated.get("mirrored", False))
