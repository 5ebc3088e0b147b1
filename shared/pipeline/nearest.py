"""The network that training begins with where a configuration names a nearer one beside its own."""

from __future__ import annotations

import logging

from shared.config.schema import BackboneSection, Config
from shared.models.local_weights import WEIGHTS_VARIABLE, surveyed_weights

log = logging.getLogger(__name__)


def with_nearest(config: Config) -> Config:
    """Puts the nearer network that a configuration names in the place of its own, if weights of it are on this machine.

    Which one it is depends on the machine, so a warning says it, and what its weights were trained on.

    Args:
        config: The configuration, checked.

    Returns:
        The configuration without `backbone.nearest`; the place of the weights stands in `backbone.weights`.
    """
    own, nearest = config.backbone, config.backbone.nearest
    if nearest is None:
        return config
    here = next((one for one in surveyed_weights() if one.name == nearest.name), None)
    if here is None:
        log.warning(
            "begins with %s (weights: %s), as no weights of %s are here; their place is the folder that %s names",
            *(own.name, own.weights, nearest.name, WEIGHTS_VARIABLE),
        )
        section = own.model_copy(update={"nearest": None})
    else:
        log.warning("begins with %s, pretrained on %s", here.name, here.pretrained_on)
        section = BackboneSection(**nearest.model_dump(), weights=here.weights)
    return config.model_copy(update={"backbone": section})
