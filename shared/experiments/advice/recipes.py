"""The few recipes that advice chooses among, as sections of a configuration, sized by how many images they learn from.

Sources: the fixed extractor and the scenarios, CS231n's notes on transfer learning; head first and then the rest, Kumar
et al., arXiv 2202.10054; rates, docs/lab-log.md, 2026-11-25.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

PROBE, PROBE_AUTO, FINETUNE, FINETUNE_LAST = "probe", "probe_auto", "finetune", "finetune_last"
RECIPES = (PROBE, PROBE_AUTO, FINETUNE, FINETUNE_LAST)
"""A linear head on the default code, or on the one that validation prefers; all stages or the last third fine-tuned."""

PASSES, FEWEST_EPOCHS, MOST_EPOCHS = 3_000, 8, 30
"""Images seen in fine-tuning, over all epochs, unless the bounds of the epochs say otherwise."""
LR_HEAD, LR, LR_DECAY = 1e-3, 5e-4, 0.9
BATCH, SMALL_BATCH, SMALL = 32, 16, 400
"""Below so many images batches are small, so that an epoch has more than a few steps."""


def recipe(name: str, images: int, stages: Sequence[str], *, precision: str = "auto") -> dict[str, Any]:
    """The sections `strategy`, and `backbone` where the recipe asks for one, of a configuration.

    Args:
        name: One of `RECIPES`.
        images: How many are learnt from.
        stages: Of the backbone.
        precision: Of fine-tuning.
    """
    tree = _MAKERS[name](images, stages)
    if name in (FINETUNE, FINETUNE_LAST):
        tree["strategy"]["precision"] = precision
    return tree


def epochs_for(images: int) -> int:
    """Epochs of fine-tuning after the first, in which the head learns alone."""
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(PASSES / max(images, 1))))


def _probe(images: int, stages: Sequence[str]) -> dict[str, Any]:
    return {"strategy": {"name": "linear_probe", "head": "softmax"}}


def _probe_auto(images: int, stages: Sequence[str]) -> dict[str, Any]:
    return {"backbone": {"layers": "auto"}, "strategy": {"name": "linear_probe", "head": "softmax"}}


def _finetune(images: int, stages: Sequence[str]) -> dict[str, Any]:
    return _tuned(images, "all")


def _finetune_last(images: int, stages: Sequence[str]) -> dict[str, Any]:
    return _tuned(images, f"last:{max(1, len(stages) // 3)}")


def _tuned(images: int, trained: str) -> dict[str, Any]:
    phases = [
        {"epochs": 1, "train": "none", "lr_head": LR_HEAD},
        {"epochs": epochs_for(images), "train": trained, "lr_head": LR, "lr_backbone": LR, "lr_decay": LR_DECAY},
    ]
    batch = SMALL_BATCH if images < SMALL else BATCH
    # the statistics of few images would replace those of a million
    return {"strategy": {"name": "finetune", "batch_norm": "frozen", "batch_size": batch, "phases": phases}}


_MAKERS: Mapping[str, Callable[[int, Sequence[str]], dict[str, Any]]] = {
    PROBE: _probe,
    PROBE_AUTO: _probe_auto,
    FINETUNE: _finetune,
    FINETUNE_LAST: _finetune_last,
}
