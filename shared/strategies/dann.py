"""DANN: domain-adversarial training, in which features learn to deceive a domain classifier."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from shared.strategies._alignment import (
    AlignmentBatch,
    AlignmentOptions,
    AlignmentSizes,
    DomainLoss,
    alignment_strategy,
)
from shared.strategies._domain_classifier import DomainClassifier


class Options(AlignmentOptions):
    """The section `strategy` named `dann` (DANN).

    The command `options dann` describes every key.
    """

    name: Literal["dann"] = Field(
        "dann", description="domain-adversarial training: features learn to deceive a domain classifier (DANN)"
    )
    hidden: int = Field(
        100, ge=1, description="width of each of the two hidden layers of the domain classifier (1 or more)"
    )


class DannLoss(DomainLoss):
    """The loss of a domain classifier on the aligned features, with its gradient into the features reversed.

    There may be more than two domains.

    Args:
        options: Options of DANN.
        sizes: Width of the features and number of domains; the number of classes is not used.

    Source: Ganin et al., JMLR 17(59), 2016, section 4 and figure 1.
    """

    def __init__(self, options: Options, sizes: AlignmentSizes) -> None:
        super().__init__()
        self.classifier = DomainClassifier(sizes.width, options.hidden, sizes.domains)

    def forward(self, batch: AlignmentBatch) -> Tensor:
        """Computes the weighted cross-entropy of the domains of a batch, a scalar.

        `batch.lambda_` scales only the reversed gradient into the features, not the loss.
        """
        loss: Tensor = self.classifier(batch.features, batch)
        return loss

    def metrics(self) -> dict[str, float]:
        """Returns how often the domain classifier was right since the last call, and starts counting anew.

        Returns:
            `domain_accuracy`, 0..1; empty where no image was classified since.
        """
        return self.classifier.metrics()


STRATEGY = alignment_strategy(Options, DannLoss, (0.3, 1.0))
