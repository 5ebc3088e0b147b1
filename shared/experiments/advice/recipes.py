"""Recipes that advice chooses among, as sections of a configuration, sized by the number of training images.

Sources: the fixed extractor and the scenarios, CS231n's notes on transfer learning; head first and then the rest, Kumar
et al., arXiv 2202.10054; rates, docs/lab-log.md, "How the default recipe was chosen".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

PROBE, PROBE_AUTO, FINETUNE = "probe", "probe_auto", "finetune"
"""A linear head on the last layer, a linear head on the best layer by validation, and fine-tuning of all stages."""

IMAGES_SEEN, MIN_EPOCHS, MAX_EPOCHS = 3_000, 8, 30
"""Images that fine-tuning sees over all epochs, and the bounds within which its epochs follow from that."""
LR_HEAD, LR, LR_DECAY = 1e-3, 5e-4, 0.9
BATCH_SIZE, SMALL_BATCH_SIZE, SMALL_BATCH_BELOW = 32, 16, 400
"""Below this number of training images batches are small, so that an epoch has more than a few steps."""


def recipe(name: str, images: int) -> dict[str, Any]:
    """Writes a recipe as sections of a configuration.

    Args:
        name: `PROBE`, `PROBE_AUTO` or `FINETUNE`.
        images: Number of training images.

    Returns:
        `strategy` and, for `PROBE_AUTO`, `backbone`: the keys that the recipe sets in these sections.
    """
    return _MAKERS[name](images)


def epochs_for(images: int) -> int:
    """Computes the number of epochs in which all stages are fine-tuned, from `MIN_EPOCHS` to `MAX_EPOCHS`.

    The fewer images, the more epochs. One epoch of the head alone precedes them and is not counted.

    Args:
        images: Number of training images.
    """
    return min(MAX_EPOCHS, max(MIN_EPOCHS, math.ceil(IMAGES_SEEN / max(images, 1))))


def _probe(images: int) -> dict[str, Any]:
    return {"strategy": {"name": "linear_probe", "head": "softmax"}}


def _probe_auto(images: int) -> dict[str, Any]:
    return {"backbone": {"layers": "auto"}, "strategy": {"name": "linear_probe", "head": "softmax"}}


def _finetune(images: int) -> dict[str, Any]:
    phases = [
        {"epochs": 1, "train": "none", "lr_head": LR_HEAD},
        {"epochs": epochs_for(images), "train": "all", "lr_head": LR, "lr_backbone": LR, "lr_decay": LR_DECAY},
    ]
    batch = SMALL_BATCH_SIZE if images < SMALL_BATCH_BELOW else BATCH_SIZE
    # BatchNorm statistics of few images would replace those of a million
    return {"strategy": {"name": "finetune", "batch_norm": "freeze_stats", "batch_size": batch, "phases": phases}}


_MAKERS: Mapping[str, Callable[[int], dict[str, Any]]] = {
    PROBE: _probe,
    PROBE_AUTO: _probe_auto,
    FINETUNE: _finetune,
}
