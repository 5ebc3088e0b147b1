"""Agreement of answers with clusters: how well the predicted classes fit the groups that target features form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STARTS = 3
"""Random starts of k-means, of which the tightest clusters are kept."""


def feature_clusters(features: NDArray[np.float32], classes: int) -> NDArray[np.int64]:
    """Groups images by k-means on their features, into as many clusters as there are classes.

    Args:
        features: float32 [N, width], of the target's validation images.
        classes: Number of classes; with fewer images there are as many clusters as images.

    Returns:
        Number of each image's cluster, int64 [N]. The same features always give the same clusters.
    """
    from sklearn.cluster import KMeans

    found = KMeans(min(classes, len(features)), n_init=STARTS, random_state=0).fit_predict(features)
    clusters: NDArray[np.int64] = found.astype(np.int64)
    return clusters


def cluster_agreement(answers: NDArray[np.int64], clusters: NDArray[np.int64]) -> float:
    """Computes how well predicted classes and clusters agree: 1 where they are the same, about 0 by chance.

    Args:
        answers: int64 [N], predicted classes, of one image or more.
        clusters: int64 [N], numbers of the images' clusters.

    Source: Musgrave et al., arXiv 2208.07360, section 3 (ClassAMI); the adjusted mutual information, Vinh et al., JMLR
    11:2837, 2010.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    return float(adjusted_mutual_info_score(answers, clusters))
