"""Fixed extractor: frozen codes, cached, under a linear softmax or a linear SVM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.special import softmax

from shared.calibration import fit_temperature
from shared.config import Section
from shared.features import cached_codes
from shared.heads import LinearHead, fit_path
from shared.job import Job, Part
from shared.losses import class_weights
from shared.selection import RULES


class Options(Section):
    """Options of the fixed extractor."""

    name: Literal["linear_probe"] = Field("linear_probe", description="frozen codes under a linear head")
    head: Literal["softmax", "svm"] = Field("softmax", description="both solved by L-BFGS")
    class_weights: Literal["balanced", "none"] = Field("balanced", description="in the loss")
    selection: str = Field("loss", description="which L2 strength validation prefers: loss or balanced_accuracy")


class LinearProbe:
    """The backbone stays as it is; only a linear head is solved for."""

    options = Options

    def check(self, options: Options, stages: Sequence[str]) -> None:
        """Looks up the rule of selection."""
        RULES.get(options.selection)

    def fit(self, job: Job, options: Options) -> list[dict[str, Any]]:
        """Solves the head along a path of L2 strengths and keeps the one that validation prefers."""
        train, validation = _codes(job, job.train, "codes, training"), _codes(job, job.validation, "codes, validation")
        rule = RULES.get(options.selection)
        history: list[dict[str, Any]] = []

        def score(head: LinearHead) -> float:
            scores = head.scores(validation).cpu().numpy().astype(np.float64)
            temperature = fit_temperature(scores, job.validation.labels)
            value = rule(softmax(scores / temperature, axis=1), job.validation.labels)
            history.append({"penalty": head.penalty, "train_objective": head.objective, "validation_score": value})
            return value

        labels = torch.from_numpy(job.train.labels).to(job.device)
        weights = class_weights(job.train.labels, job.costs, balanced=options.class_weights == "balanced")
        weights = weights.to(job.device)
        head = fit_path(
            train, labels, len(job.classes), loss=options.head, score=score, class_weights=weights.to(job.device)
        )
        with torch.no_grad():
            job.network.head.weight.copy_(head.weight)
            job.network.head.bias.copy_(head.bias)
        return history


def _codes(job: Job, part: Part, what: str) -> torch.Tensor:
    codes = cached_codes(
        job.network,
        part.images,
        part.samples,
        job.spec,
        content_hash=job.content_hash,
        device=job.device,
        progress=lambda done, total: job.progress(what, done, total, ""),
    )
    return torch.from_numpy(np.array(codes)).to(job.device)


STRATEGY = LinearProbe()
