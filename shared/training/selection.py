"""Rules that choose a checkpoint by validation; none looks at the test set or at target labels.

Some rules score the labelled validation of the source, others the probabilities of unlabelled target images. The
oracle, which chooses by target labels, is no rule here: `shared.experiments.adaptation` reports it separately.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.calibration import softmax
from shared.registry import Registry

Rule = Callable[[NDArray[np.float64], NDArray[np.int64]], float]
"""Maps (probabilities [N, classes], labels [N]) of the validation split to a score; higher is better."""


@dataclass(frozen=True)
class LabelFreeRule:
    """A rule that scores the answers for unlabelled target images; higher is better.

    Attributes:
        of_probabilities: Maps probabilities float64 [N, classes] to a score.
        scaled: Whether it judges answers at the temperature that the source's validation gives, so that an
            over-confident network does not win by its confidence; else at temperature 1.
    """

    of_probabilities: Callable[[NDArray[np.float64]], float]
    scaled: bool

    def __call__(self, scores: NDArray[np.float64], temperature: float) -> float:
        """Scores the answers for N images, at least one.

        Args:
            scores: Class scores (logits), float64 [N, classes].
            temperature: What the scores are divided by before the softmax, above 0.
        """
        return self.of_probabilities(softmax(scores / (temperature if self.scaled else 1.0)))


RULES: Registry[Rule] = Registry("selection rule")
LABEL_FREE: Registry[LabelFreeRule] = Registry("selection rule")
LAST = "last"
"""In place of the name of a rule: the last epoch is kept. Validation of the source need not rank epochs elsewhere."""
NEIGHBOUR_TEMPERATURE = 0.05
"""Temperature of the softmax over similarities. Source: Saito et al., arXiv 2108.10860, section 3.2."""


def best_row(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Finds the first row with the highest `validation_score`; None where there is no row.

    Args:
        history: Rows of settings or epochs.
    """
    return max(history, key=lambda row: row["validation_score"], default=None)


def mean_log_likelihood(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Computes the mean log-likelihood of the true classes, in nats, at most 0.

    Unlike accuracy, it separates checkpoints that predict the same classes.

    Args:
        probabilities: float64 [N, classes], of N images, at least one; below 1e-12 they count as that.
        labels: int64 [N], true classes.
    """
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(np.log(np.clip(chosen, 1e-12, 1.0)).mean())


def balanced_accuracy(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Computes the mean recall over the classes that occur in `labels`, 0..1; NaN without images.

    Args:
        probabilities: float64 [N, classes]; the likeliest class is the prediction.
        labels: int64 [N], true classes.
    """
    hits = probabilities.argmax(axis=1) == labels
    return float(np.mean([hits[labels == label].mean() for label in np.unique(labels)]))


def certainty(probabilities: NDArray[np.float64]) -> float:
    """Computes minus the mean entropy of the predictions, in nats, at most 0.

    It is highest where every prediction is certain, even if all images get one class.

    Args:
        probabilities: float64 [N, classes], of N images, at least one.

    Source: Morerio et al., arXiv 1711.10288, section 4.
    """
    return -float(_entropies(probabilities).mean())


def mutual_information(probabilities: NDArray[np.float64]) -> float:
    """Computes the mutual information of image and prediction, in nats: entropy of the mean less the mean entropy.

    It is high where predictions are confident and differ from image to image.

    Args:
        probabilities: float64 [N, classes], of N images, at least one.

    Source: Bridle et al., NIPS 1991; as a rule of selection Musgrave et al., arXiv 2208.07360.
    """
    return float(_entropies(probabilities.mean(axis=0, keepdims=True))[0] - _entropies(probabilities).mean())


def soft_neighbourhood_density(probabilities: NDArray[np.float64]) -> float:
    """Computes the mean entropy of the similarities of each prediction to the others, in nats: high in dense clusters.

    Args:
        probabilities: float64 [N, classes], a prediction for each image; fewer than two score 0.

    Source: Saito et al., arXiv 2108.10860, equations 2 and 3.
    """
    if len(probabilities) < 2:
        return 0.0
    directions = probabilities / np.linalg.norm(probabilities, axis=1, keepdims=True)
    similar = directions @ directions.T / NEIGHBOUR_TEMPERATURE
    np.fill_diagonal(similar, -np.inf)
    powers = np.exp(similar - similar.max(axis=1, keepdims=True))
    return float(_entropies(powers / powers.sum(axis=1, keepdims=True)).mean())


def _entropies(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    entropies: NDArray[np.float64] = -(probabilities * np.log(np.clip(probabilities, 1e-12, 1.0))).sum(axis=1)
    return entropies


RULES.add("log_likelihood", mean_log_likelihood)
RULES.add("balanced_accuracy", balanced_accuracy)
LABEL_FREE.add("entropy", LabelFreeRule(certainty, scaled=True))
LABEL_FREE.add("mutual_information", LabelFreeRule(mutual_information, scaled=True))
# its paper takes plain answers, and near-equal ones, as scaling makes them, count as dense
LABEL_FREE.add("soft_neighbourhood_density", LabelFreeRule(soft_neighbourhood_density, scaled=False))
