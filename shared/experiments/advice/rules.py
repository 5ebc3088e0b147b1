"""Rules that turn measurements into advice; their constants were set on tasks for which no regret is reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from shared.experiments.advice.recipes import FINETUNE, PROBE, PROBE_AUTO

SMALL_CLASS = 60
"""Images of the rarest class below which data count as small. Source: docs/lab-log.md, "Few labels a class: frozen
beats fine-tuned"."""
FEW_GROUPS = 30
"""Groups (patients, writers) below which data count as small. Chosen, not measured."""
ALIKE_MARGIN = 0.02
"""Lead of the best layer over the last up to which data count as like those of pretraining. Chosen, not measured."""

Size = Literal["small", "large"]
SCENARIOS: Mapping[tuple[Size, bool], tuple[str, str]] = {
    ("small", True): (PROBE, "a linear head on the last layer"),
    ("small", False): (PROBE_AUTO, "a linear head on an earlier layer"),
    ("large", True): (FINETUNE, "fine-tuning of all layers"),
    ("large", False): (FINETUNE, "fine-tuning of all layers"),
}
"""The recipe for each scenario, by name and in words; keys are the size and whether data are like those of pretraining
(ImageNet in the source).

Source: CS231n, Convolutional Neural Networks for Visual Recognition, notes on transfer learning.
"""


def size_of(counts: Mapping[str, int], groups: int, images: int) -> Size:
    """Classifies data as "small" or "large", by their rarest class and by their groups.

    Args:
        counts: Number of images by class; at least one class.
        groups: Number of patients, writers or single images; counts only where some group has several images.
        images: Number of images.
    """
    few_groups = groups < images and groups < FEW_GROUPS
    return "small" if min(counts.values()) < SMALL_CLASS or few_groups else "large"


def is_alike(last: float, best: float) -> bool:
    """Decides whether data are like those of pretraining: whether the last layer, nearest to their classes, does best.

    Args:
        last: Measure of a linear classifier on the last layer, 0 to 1.
        best: Highest measure of any layer, 0 to 1.
    """
    return best - last <= ALIKE_MARGIN


def tuning_pays(gain: float) -> bool:
    """Decides whether fine-tuning is advised in place of the best linear classifier: where it gains at all.

    The gain need not exceed its standard error: the best linear classifier is the best of many, which flatters it, and
    the short fine-tuning sees fewer images than training will. Source: docs/lab-log.md, "The rule on fine-tuning, and
    LogME".

    Args:
        gain: Measure of fine-tuning less that of the linear classifier, on the same images.
    """
    return gain > 0
