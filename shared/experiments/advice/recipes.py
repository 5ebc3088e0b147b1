"""The few recipes that advice chooses among, as sections of a configuration, sized by how many images they learn from.

Sources: the fixed extractor and the scenarios, CS231n's notes on transfer learning; head first and then the rest, Kumar
et al., arXiv 2202.10054; rates, docs/lab-log.md, 2026-11-25.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

PROBE, PROBE_AUTO, FINETUNE = "probe", "probe_auto", "finetune"
"""A linear head on the default features, or on those that validation prefers; all stages fine-tuned."""

PASSES, FEWEST_EPOCHS, MOST_EPOCHS = 3_000, 8, 30
"""Images seen in fine-tuning, over all epochs, unless the bounds of the epochs say otherwise."""
LR_HEAD, LR, LR_DECAY = 1e-3, 5e-4, 0.9
BATCH, SMALL_BATCH, SMALL = 32, 16, 400
"""Below so many images batches are small, so that an epoch has more than a few steps."""


def recipe(name: str, images: int, *, precision: str = "auto") -> dict[str, Any]:
    """The sections `strategy`, and `backbone` where the recipe asks for one, of a configuration.

    Args:
        name: `PROBE`, `PROBE_AUTO` or `FINETUNE`.
        images: How many are learnt from.
        precision: Of fine-tuning.
    """
    tree = _MAKERS[name](images)
    if name == FINETUNE:
        tree["strategy"]["precision"] = precision
    return tree


def epochs_for(images: int) -> int:
    """Epochs of fine-tuning after the first, in which the head learns alone."""
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(PASSES / max(images, 1))))


def _probe(images: int) -> dict[str, Any]:
    return {"strategy": {"name": "linear_probe", "head": "softmax"}}


def _probe_auto(images: int) -> dict[str, Any]:
    return {"backbone": {"layers": "auto"}, "strategy": {"name": "linear_probe", "head": "softmax"}}


def _finetune(images: int) -> dict[str, Any]:
    phases = [
        {"epochs": 1, "train": "none", "lr_head": LR_HEAD},
        {"epochs": epochs_for(images), "train": "all", "lr_head": LR, "lr_backbone": LR, "lr_decay": LR_DECAY},
    ]
    batch = SMALL_BATCH if images < SMALL else BATCH
    # the statistics of few images would replace those of a million
    return {"strategy": {"name": "finetune", "batch_norm": "freeze_stats", "batch_size": batch, "phases": phases}}


_MAKERS: Mapping[str, Callable[[int], dict[str, Any]]] = {
    PROBE: _probe,
    PROBE_AUTO: _probe_auto,
    FINETUNE: _finetune,
}
