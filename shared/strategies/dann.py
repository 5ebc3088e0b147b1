"""Domain-adversarial training: a classifier of domains learns from the code, and the code learns to deceive it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from shared.strategies._alignment import AlignmentBatch, AlignmentOptions, DomainLoss, Shape, aligner
from shared.strategies._domain_classifier import DomainClassifier


class Options(AlignmentOptions):
    """Options of DANN."""

    name: Literal["dann"] = Field("dann", description="finetune, and a classifier of domains to be deceived")
    hidden: int = Field(100, ge=1, description="width of the two hidden layers of the classifier of domains")


class DannLoss(DomainLoss):
    """The loss of the domain classifier on the aligned layer, whose gradient is reversed there.

    Two domains or more; each image counts by its weight.

    Source: Ganin et al., JMLR 17(59), 2016, section 4 and figure 1.
    """

    def __init__(self, options: Options, shape: Shape) -> None:
        super().__init__()
        self.classifier = DomainClassifier(shape.width, options.hidden, shape.domains)

    def forward(self, seen: AlignmentBatch) -> Tensor:
        """Cross-entropy over domains; the strength acts on what flows back into the network alone."""
        loss: Tensor = self.classifier(seen.features, seen)
        return loss

    def metrics(self) -> dict[str, float]:
        """How often the classifier was right."""
        return self.classifier.metrics()


STRATEGY = aligner(Options, DannLoss)
