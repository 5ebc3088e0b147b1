"""Learning-rate schedules as pure functions: share of the phase done -> multiplier of the base rate."""

from __future__ import annotations

import math
from typing import Literal

Shape = Literal["constant", "cosine", "linear", "annealed"]


def multiplier(step: int, total: int, *, shape: Shape = "cosine", warmup: float = 0.0) -> float:
    """The factor on the base learning rate at `step` of a phase of `total` steps.

    Args:
        step: From 0 to total - 1.
        total: Steps of the phase, at least 1.
        shape: The decay after the warm-up; cosine and linear end near 0, annealed at 0.17.
        warmup: Share of the phase (0..1) over which the factor rises linearly to 1.

    Source: cosine after Loshchilov & Hutter, arXiv 1608.03983, eq. 5, one cycle; linear warm-up after Goyal et al.,
    arXiv 1706.02677, section 2.2; annealed after Ganin et al., JMLR 17(59), 2016, section 5.2.2.
    """
    warm_steps = round(total * warmup)
    if step < warm_steps:
        return (step + 1) / (warm_steps + 1)
    done = (step - warm_steps) / max(1, total - warm_steps)
    if shape == "constant":
        return 1.0
    if shape == "linear":
        return 1.0 - done
    if shape == "annealed":
        return float((1.0 + 10.0 * done) ** -0.75)
    return 0.5 * (1.0 + math.cos(math.pi * done))


def ramp(progress: float) -> float:
    """How strongly domains are aligned at `progress` (0..1) of training: from 0 to nearly 1, steeply at first.

    Source: Ganin et al., JMLR 17(59), 2016, section 5.2.2, lambda with gamma = 10.
    """
    return 2.0 / (1.0 + math.exp(-10.0 * progress)) - 1.0
