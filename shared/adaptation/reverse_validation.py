"""Reverse validation: whoever has learned the target well can teach the way back to the source.

The network labels the target; a fresh one is trained from there to the source, by the same strategy and without the
source's labels, and is judged on the source's validation, where labels are known.
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
"""Within the run folder: what `reverse_validation` gave."""
SOURCE = "source"


def reverse_validation(job: Job, strategy: Strategy, options: Any, fresh: Network) -> dict[str, Any]:
    """How often the way back is right on the source's validation.

    Args:
        job: A training that has ended, with a target.
        strategy: By which.
        options: Of the strategy.
        fresh: A network as the training began with.

    Returns:
        `hits`, for each image of the source's validation whether the way back named its class, and `accuracy`.

    Source: Zhong et al., ECML PKDD 2010, section 4; Ganin et al., JMLR 17(59), 2016, section 5.1.2.
    """
    assert job.target is not None  # the runner refuses it
    folder = job.folder / "reverse"
    learned, chosen_by = (
        _labelled(split, _answers(job, strategy, split)) for split in (job.target.train, job.target.validation)
    )
    back = replace(
        job,
        network=fresh,
        train=learned,
        validation=chosen_by,
        target=Target(_as_target(job.train), _as_target(job.validation)),
        folder=folder,
        on_epoch_end=lambda *_: None,
        state={},
    )
    if getattr(options, "target_prior", None) is not None:
        options = options.model_copy(update={"target_prior": None})  # it is that of the way there
    strategy.fit(back, options)
    hits = _answers(back, strategy, _as_target(job.validation)) == job.validation.labels
    shutil.rmtree(folder)
    return {"accuracy": float(hits.mean()), "hits": hits.tolist()}


@torch.no_grad()
def _answers(job: Job, strategy: Strategy, split: Split) -> NDArray[np.int64]:
    """The likeliest class of each image."""
    head = job.network.to(job.device).head
    rows = [head(features).argmax(dim=1).cpu().numpy() for features in strategy.features(job, split)]
    return np.concatenate(rows).astype(np.int64)


def _labelled(split: Split, labels: NDArray[np.int64]) -> Split:
    return replace(split, labels=labels)


def _as_target(split: Split) -> Split:
    """The source, however many domains it has, as the one target of the way back."""
    hidden = unlabelled(split)
    return replace(hidden, samples=[replace(sample, domain=SOURCE) for sample in hidden.samples])
