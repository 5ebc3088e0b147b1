"""Licences of the weights that a training began with."""

from __future__ import annotations

from shared.models.backbones.record import BACKBONES
from shared.models.weight_files import RANDOM
from shared.runs.record import ModelRecord

IMAGES_UNKNOWN = "The images of training: their licence is not recorded"


def licences_of_first_weights(record: ModelRecord) -> tuple[str, ...]:
    """Lists the licences of the weights that the training of a model began with, a line for each backbone.

    Args:
        record: Record of the model; backbones of an application are known once it registered them.

    Returns:
        The lines; none for random weights, and for a backbone that is not known.
    """
    lines = []
    for trunk in record.trunks:
        name, weights = str(trunk.get("name")), trunk.get("weights", {})
        if weights.get("spec") != RANDOM and name in BACKBONES:
            lines.append(f"{name}, with which training began: {BACKBONES.get(name).licence}")
    return tuple(dict.fromkeys(lines))
