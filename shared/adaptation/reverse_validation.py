"""Reverse validation: scores an adaptation without target labels, by adapting back from the target to the source.

The adapted network labels the target images. A fresh network is adapted from these labels to the unlabelled source, by
the same strategy, and is scored on the source's validation split, where labels are known.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.data.split import Split, unlabelled
from shared.models.network import Network
from shared.strategies.base import Strategy
from shared.training.job import Job, Target

REVERSE = "reverse.json"
"""File in the run folder with the result of `reverse_validation`."""
SOURCE = "source"
"""Name of the source, of one domain or more, as the target of the reverse training."""


def reverse_validation(job: Job, strategy: Strategy, options: Any, fresh: Network) -> dict[str, Any]:
    """Scores an adaptation by adapting a fresh network back, from the labels predicted on the target to the source.

    Args:
        job: A finished training with a target.
        strategy: The strategy of both trainings.
        options: Options of the strategy.
        fresh: A network with the weights from which the training started; it is trained in place.

    Returns:
        `hits`: a bool for each validation image of the source, whether its class was predicted; `accuracy`: their
        share, 0 to 1.

    Source: Zhong et al., ECML PKDD 2010, section 4; Ganin et al., JMLR 17(59), 2016, section 5.1.2.
    """
    assert job.target is not None  # reverse validation is refused without a target
    folder = job.folder / "reverse"
    train, validation = (
        replace(split, labels=_predicted_labels(job, strategy, split))
        for split in (job.target.train, job.target.validation)
    )
    reverse = replace(
        job,
        network=fresh,
        train=train,
        validation=validation,
        target=Target(_as_target(job.train), _as_target(job.validation)),
        folder=folder,
        on_epoch_end=lambda *_: None,
        on_row=lambda *_: None,
        state={},
    )
    if getattr(options, "target_prior", None) is not None:
        options = options.model_copy(update={"target_prior": None})  # a prior of the target, not of the source
    strategy.fit(reverse, options)
    hits = _predicted_labels(reverse, strategy, _as_target(job.validation)) == job.validation.labels
    shutil.rmtree(folder)
    return {"accuracy": float(hits.mean()), "hits": hits.tolist()}


@torch.no_grad()
def _predicted_labels(job: Job, strategy: Strategy, split: Split) -> NDArray[np.int64]:
    """Predicts the likeliest class of each image, int64 [N]."""
    head = job.network.to(job.device).head
    rows = [head(features).argmax(dim=1).cpu().numpy() for features in strategy.features(job, split)]
    return np.concatenate(rows).astype(np.int64)


def _as_target(split: Split) -> Split:
    """Hides the labels of the source, and joins its domains into the one target of the reverse training."""
    hidden = unlabelled(split)
    return replace(hidden, samples=[replace(sample, domain=SOURCE) for sample in hidden.samples])
