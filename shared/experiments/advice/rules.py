"""From what was measured to advice: pure rules, whose constants were set on tasks that no regret is reported on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from shared.experiments.advice.recipes import FINETUNE, PROBE, PROBE_AUTO

FEW_A_CLASS, FEW_GROUPS = 60, 30
"""Below either, data are called small. Source: docs/lab-log.md, 2026-11-25 and 2026-11-26."""
ALIKE = 0.02
"""By how much the best layer may be better than the last where data are still called like ImageNet's."""

Size = Literal["small", "large"]
SCENARIOS: Mapping[tuple[Size, bool], tuple[str, str]] = {
    ("small", True): (PROBE, "a linear head on the last layer"),
    ("small", False): (PROBE_AUTO, "a linear head on an earlier layer"),
    ("large", True): (FINETUNE, "fine-tuning of all layers"),
    ("large", False): (FINETUNE, "fine-tuning of all layers"),
}
"""By size and likeness to ImageNet: the recipe that the scenario calls for, and that in words.

Source: CS231n, Convolutional Neural Networks for Visual Recognition, notes on transfer learning.
"""


def size_of(counts: Mapping[str, int], groups: int, images: int) -> Size:
    """Whether data are small, by their rarest class, or by groups where those are fewer than images."""
    few_groups = groups < images and groups < FEW_GROUPS
    return "small" if min(counts.values()) < FEW_A_CLASS or few_groups else "large"


def is_alike(last: float, best: float) -> bool:
    """Whether data are like ImageNet's: the last layer, which knows its classes, does as well as any before it.

    Args:
        last: The measure of a linear classifier on the last layer.
        best: The largest of any layer.
    """
    return best - last <= ALIKE


def tuning_pays(gain: float) -> bool:
    """Whether fine-tuning is advised in place of the best linear classifier.

    No standard error is asked for beside: the best linear classifier is the best of many, which flatters it, and the
    brief fine-tuning sees fewer images than training will. Source: docs/lab-log.md, 2026-11-26, on Sartaj's images.

    Args:
        gain: Of the measure, on the same images.
    """
    return gain > 0
