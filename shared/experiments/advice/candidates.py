"""Candidates of advice: recipes on backbones, each scored on images that its classifier did not learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shared.experiments.advice.depth_profile import DepthProfile, depth_profile
from shared.experiments.advice.recipes import FINETUNE, PROBE, PROBE_AUTO, recipe
from shared.experiments.advice.scorer import Scorer, Values
from shared.experiments.advice.setting import Setting
from shared.experiments.advice.short_finetune import finetuned_scores, folds_to_run
from shared.features.cache import FeatureRequest, features_of_layers
from shared.features.ridge import out_of_fold
from shared.models.local_weights import LocalWeights
from shared.pipeline.preflight import preflight

MAX_FINE_TUNED = 2
"""Backbones that are fine-tuned: those on which linear classifiers do best."""


@dataclass(frozen=True)
class Candidate:
    """One recipe on one backbone, with its scores.

    Attributes:
        backbone: The backbone and its weights.
        recipe: Name of the recipe in `shared.experiments.advice.recipes`.
        layers: Layers whose outputs, joined, are the features.
        pooling: Pooling of their maps.
        scorer: Measures scores of the images on which the candidate was tried.
        scores: float64 [N, classes], out-of-fold scores of these images.
        side: Side of the network input on which it was tried, in pixels.
        gain: Gain of fine-tuning over the best linear classifier on the same images, and its standard error; None for
            linear classifiers.
    """

    backbone: LocalWeights
    recipe: str
    layers: tuple[str, ...]
    pooling: str
    scorer: Scorer
    scores: Values
    side: int
    gain: tuple[float, float] | None = None

    @property
    def value(self) -> float:
        """The measure of the scores (AUC or accuracy, as the scorer decides), 0 to 1."""
        return self.scorer.value(self.scores)

    @property
    def log_likelihood(self) -> float:
        """Mean log-likelihood of the true classes by the scores, in nats."""
        return self.scorer.log_likelihood(self.scores)


def depth_profiles(setting: Setting, backbones: Sequence[LocalWeights]) -> dict[LocalWeights, DepthProfile]:
    """Measures linear classifiers on the layers of each backbone.

    Args:
        setting: The images, their folds and their scorer.
        backbones: Backbones with their weights.

    Returns:
        The measurements of each backbone.
    """
    return {
        one: depth_profile(
            setting.build_backbone(one),
            setting.split,
            setting.folds,
            setting.scorer,
            setting.spec,
            content_hash=setting.pool.dataset.content_hash,
            device=setting.device,
            progress=setting.progress,
        )
        for one in backbones
    }


def linear_candidates(setting: Setting, profiles: Mapping[LocalWeights, DepthProfile]) -> list[Candidate]:
    """Makes two candidates of each backbone: a linear head on its last layer, and one on its best layers.

    Args:
        setting: The images, their folds and their scorer.
        profiles: Result of `depth_profiles`.
    """
    return [
        Candidate(one, name, result.layers, result.pooling, setting.scorer, result.scores, setting.side_of(one))
        for one, profile in profiles.items()
        for name, result in ((PROBE, profile.last), (PROBE_AUTO, profile.best))
    ]


def best_linear(linear: Sequence[Candidate]) -> Candidate:
    """Picks the linear candidate by which the true classes are likeliest; of equals a head on the last layer.

    Likelihood uses how far each score is from right, where AUC and accuracy of a few dozen images are alike for many
    layers. Source: docs/lab-log.md, "By what linear heads are compared".

    Args:
        linear: The linear candidates, at least one.
    """
    return max(linear, key=lambda one: (one.log_likelihood, one.recipe == PROBE))


def tuned_candidates(setting: Setting, linear: Sequence[Candidate], base: Candidate) -> list[Candidate]:
    """Fine-tunes the backbones of the best linear candidates, and compares each with `base` on the same images.

    Args:
        setting: The images, their folds and their scorer; fewer and smaller ones are fine-tuned on.
        linear: The linear candidates.
        base: The linear candidate that fine-tuning has to beat.

    Returns:
        A fine-tuned candidate for each of up to `MAX_FINE_TUNED` backbones that take images of the side that `base`
        is then tried on, with its gain over `base`.
    """
    reduced = setting.reduced(base.backbone)
    side = reduced.config.backbone.size
    order = sorted(linear, key=lambda one: -one.log_likelihood)
    backbones = list(dict.fromkeys(one.backbone for one in order if one.backbone.record.takes(side)))[:MAX_FINE_TUNED]
    reference = _rescored(reduced, base)
    return [_tuned(reduced, one, reference) for one in backbones]


def _tuned(setting: Setting, one: LocalWeights, reference: Values) -> Candidate:
    """Fine-tunes one backbone on as many folds as time allows."""
    record = one.record
    rows, scores = finetuned_scores(
        lambda images: preflight(
            setting.experiment.task,
            setting.config_for(one, recipe(FINETUNE, images)),
        ),
        setting.pool.dataset,
        setting.split,
        setting.folds,
        folds_to_run(len(setting.folds), setting.folds),
        lambda what, done, total, note: setting.progress(f"{one.name}, {what}", done, total, note),
    )
    scorer = setting.scorer.select(rows)
    gain = scorer.gain(scores, reference[rows])
    layers, pooling = (record.default_layer,), setting.config.backbone.pooling
    return Candidate(one, FINETUNE, layers, pooling, scorer, scores, setting.side_of(one), gain)


def _rescored(setting: Setting, base: Candidate) -> Values:
    """Out-of-fold scores of a linear candidate on the images of another setting, float64 [N, classes]."""
    wanted = [(layer, base.pooling) for layer in base.layers]
    request = FeatureRequest(
        setting.split.images,
        setting.split.samples,
        setting.spec,
        setting.pool.dataset.content_hash,
        setting.device,
        lambda done, total: setting.progress("features of smaller images", done, total, ""),
    )
    rows = features_of_layers(setting.build_backbone(base.backbone), wanted, request)
    features = np.concatenate([rows[one].block(0, len(setting.folds)) for one in wanted], axis=1)
    return out_of_fold(features, setting.split.labels, len(setting.scorer.positive), np.asarray(setting.folds))
