"""Importance-weighted validation: weighs labelled source images by how much they look like the target's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.seeding import generator

FOLDS = 5
"""Folds by which each source image is weighed by a classifier that did not see it."""
STRENGTH = 0.01
"""Inverse L2 strength of the domain classifier, as in the proxy A-distance: features may be as many as images."""


def importance_weights(
    source: NDArray[np.float32], target: NDArray[np.float32], units: Sequence[int]
) -> NDArray[np.float64]:
    """Estimates how much likelier each source image is in the target than in the source, by its features.

    A linear classifier tells the two domains apart; its odds are the ratio of the densities. Each source image is
    weighed by a classifier that saw no image of its unit.

    Args:
        source: float32 [N, width], features of the source's validation.
        target: float32 [M, width], features of the target's validation.
        units: Number of the independent unit of each source image.

    Returns:
        float64 [N], above 0, with mean 1; all 1 where the source has one unit only.

    Source: Sugiyama et al., JMLR 8:985, 2007 (importance-weighted validation); the ratio by a domain classifier,
    Bickel et al., ICML 2007.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = np.unique(units)
    if len(known) < 2:
        return np.ones(len(source))
    drawn = generator(0, "importance weights").permutation(known)
    weights = np.empty(len(source))
    for held_out in np.array_split(drawn, min(FOLDS, len(known))):
        judged = np.isin(units, held_out)
        features = np.concatenate([source[~judged], target])
        truth = np.repeat([0, 1], [int((~judged).sum()), len(target)])
        classifier = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000)
        fitted = make_pipeline(StandardScaler(), classifier).fit(features, truth)
        weights[judged] = np.exp(np.clip(fitted.decision_function(source[judged]), -10.0, 10.0))
    mean_one: NDArray[np.float64] = weights / weights.mean()
    return mean_one
