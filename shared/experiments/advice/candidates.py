"""The recipes and backbones among which advice chooses, each judged on images that it did not learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shared.experiments.advice.depth_profile import Profile, depth_profile
from shared.experiments.advice.judge import Judge, Values
from shared.experiments.advice.recipes import FINETUNE, PROBE, PROBE_AUTO, recipe
from shared.experiments.advice.setting import Setting
from shared.experiments.advice.short_finetune import finetuned_scores, folds_to_run
from shared.features.cache import FeatureRequest, features_of_layers
from shared.features.ridge import out_of_fold
from shared.models.backbones.build import find_backbone
from shared.models.local_weights import LocalWeights
from shared.pipeline.preflight import preflight
from shared.training.precision import fast_precision

MAX_FINE_TUNED = 2
"""Backbones that are fine-tuned: those under which linear classifiers do best."""


@dataclass(frozen=True)
class Candidate:
    """One recipe on one backbone.

    Attributes:
        backbone: With its weights.
        recipe: One of `shared.experiments.advice.recipes`.
        layer: Whose output is the code.
        pooling: Of it.
        judge: Of the images it was judged on.
        scores: Of those, [N, classes].
        side: Of the network's input there, in pixels.
        gain: Of fine-tuning over the best linear classifier on the same images, and its standard error; None: not
            compared.
    """

    backbone: LocalWeights
    recipe: str
    layer: str
    pooling: str
    judge: Judge
    scores: Values
    side: int
    gain: tuple[float, float] | None = None

    @property
    def value(self) -> float:
        """The measure."""
        return self.judge.value(self.scores)


def profiles_of(setting: Setting, backbones: Sequence[LocalWeights]) -> dict[LocalWeights, Profile]:
    """How linear classifiers do over the depth of each backbone."""
    return {
        one: depth_profile(
            setting.backbone(one, setting.config.backbone.size),
            setting.split,
            setting.folds,
            setting.judge,
            setting.spec,
            content_hash=setting.pool.dataset.content_hash,
            device=setting.device,
            progress=setting.progress,
        )
        for one in backbones
    }


def linear_candidates(setting: Setting, profiles: Mapping[LocalWeights, Profile]) -> list[Candidate]:
    """A linear head on the default code of each backbone, and on its best."""
    side = setting.config.backbone.size
    return [
        Candidate(one, name, tried.layer, tried.pooling, setting.judge, tried.scores, side)
        for one, profile in profiles.items()
        for name, tried in ((PROBE, profile.last), (PROBE_AUTO, profile.best))
    ]


def tuned_candidates(setting: Setting, linear: Sequence[Candidate], base: Candidate) -> list[Candidate]:
    """Fine-tuning of the backbones of the best linear candidates, beside `base` on the same images."""
    order = sorted(linear, key=lambda one: -one.value)
    backbones = list(dict.fromkeys(one.backbone for one in order))[:MAX_FINE_TUNED]
    brief = setting.briefer()
    beside = _scores_again(brief, base)
    return [_tuned(brief, one, beside) for one in backbones]


def _tuned(setting: Setting, one: LocalWeights, beside: Values) -> Candidate:
    record = find_backbone(one.name)
    precision = fast_precision()
    rows, scores = finetuned_scores(
        lambda images: preflight(
            setting.experiment.task,
            setting.configured(one, recipe(FINETUNE, images, precision=precision)),
        ),
        setting.pool.dataset,
        setting.split,
        setting.folds,
        folds_to_run(len(setting.folds), setting.folds),
        lambda what, done, total, note: setting.progress(f"{one.name}, {what}", done, total, note),
    )
    judge = setting.judge.of(rows)
    gain = judge.gain(scores, beside[rows])
    layer, pooling = record.default_layer, setting.config.backbone.pooling
    return Candidate(one, FINETUNE, layer, pooling, judge, scores, setting.config.backbone.size, gain)


def _scores_again(setting: Setting, base: Candidate) -> Values:
    """A linear candidate on the images of another setting."""
    wanted = (base.layer, base.pooling)
    request = FeatureRequest(
        setting.split.images,
        setting.split.samples,
        setting.spec,
        setting.pool.dataset.content_hash,
        setting.device,
        lambda done, total: setting.progress("features of smaller images", done, total, ""),
    )
    rows = features_of_layers(setting.backbone(base.backbone, setting.config.backbone.size), [wanted], request)
    features = rows[wanted].block(0, len(setting.folds))
    return out_of_fold(features, setting.split.labels, len(setting.judge.positive), np.asarray(setting.folds))
