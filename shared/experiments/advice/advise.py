"""Measures candidates on the user's data and advises which backbone, strategy, layer and rates to begin with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shared.config.schema import Config, split_shares
from shared.errors import UsageError
from shared.experiments.advice.candidates import (
    Candidate,
    best_linear,
    depth_profiles,
    linear_candidates,
    tuned_candidates,
)
from shared.experiments.advice.depth_profile import DepthProfile
from shared.experiments.advice.pool import Pool, learning_pool
from shared.experiments.advice.recipes import FINETUNE, PROBE, recipe
from shared.experiments.advice.rules import SCENARIOS, is_alike, size_of, tuning_pays
from shared.experiments.advice.setting import Setting
from shared.models.local_weights import LocalWeights, available_backbones
from shared.pipeline.preflight import preflight
from shared.progress import Progress
from shared.task import Task


def advise(
    task: Task, config: Config, *, weights: Sequence[Path], root: Path, progress: Progress
) -> tuple[dict[str, Any], Config]:
    """Reads the data, measures linear heads and short fine-tuning on every backbone at hand, and advises a run.

    Args:
        task: The application.
        config: Data, seed, device and image sides; its other settings of backbone and strategy are not used.
        weights: Weights files, runs or folders, searched in addition to the usual places.
        root: Folder for generated synthetic data.
        progress: Called with (what, done, total, note).

    Returns:
        Measurements and advice as plain data, and the configuration of the advised run.

    Raises:
        UsageError: No weights are at hand, or the images are too small for every backbone that has some.
        DataError: The data cannot be read, or all belong to one group.
        ConfigError: The configuration chooses its own test or budget.
    """
    started = time.monotonic()
    task.register_backbones()
    available, missing = available_backbones(weights)
    size = config.backbone.size
    fitting = [one for one in available if one.record.takes(size)]
    if not fitting:
        smallest = min(one.record.min_size for one in available)
        raise UsageError(
            f"backbone.size is {size}; the backbones whose weights are here need at least {smallest} pixels, vision "
            "transformers a multiple of their patches' side: set another backbone.size"
        )
    experiment = preflight(task, _with_backbone(config, fitting[0]))
    pool = learning_pool(experiment, root=root, progress=progress)
    tree, advised = advise_on(Setting.read(experiment, pool, progress), fitting)
    tree["missing"] = [asdict(one) for one in missing]
    tree["too_small_for"] = sorted({one.name for one in available} - {one.name for one in fitting})
    tree["seconds"] = time.monotonic() - started
    return tree, advised


def _with_backbone(config: Config, one: LocalWeights) -> Config:
    """Names a backbone whose weights are at hand, so that the configuration can be checked; advice chooses later."""
    return config.model_copy(update={"backbone": config.backbone.model_copy(update={"name": one.name})})


def advise_on(setting: Setting, backbones: Sequence[LocalWeights]) -> tuple[dict[str, Any], Config]:
    """Measures candidates on images that were already read, and advises a run.

    Args:
        setting: The images, their folds and their scorer.
        backbones: Backbones to try, with their weights; at least one.

    Returns:
        Plain data, and the configuration of the advised run. The data are `task`, `synthetic`, `data` (counts),
        `measure` (its name), `backbones`, `candidates`, `scenario`, `best_linear` and `advised` (candidates), and
        `expected` (measure of the best linear candidate with its interval).
    """
    profiles = depth_profiles(setting, backbones)
    linear = linear_candidates(setting, profiles)
    base = best_linear(linear)
    tuned = tuned_candidates(setting, linear, base)
    best = max(tuned, key=lambda one: one.value, default=base)
    pays = best.gain is not None and tuning_pays(best.gain[0])
    advised = best if pays else base
    pool = setting.pool
    tree = {
        "task": setting.experiment.task.name,
        "synthetic": pool.dataset.synthetic,
        "data": _data(pool, setting),
        "measure": setting.scorer.measure,
        "backbones": [_backbone(one, profile) for one, profile in profiles.items()],
        "candidates": [_candidate(one) for one in (*linear, *tuned)],
        "scenario": _scenario(pool, base.backbone, profiles[base.backbone]),
        "best_linear": _candidate(base),
        "advised": _candidate(advised),
        # the linear head's, also where tuning is advised: that was tried on too few images to promise its gain
        "expected": base.scorer.interval(base.scores),
    }
    return tree, _advised_config(setting, advised)


def _advised_config(setting: Setting, advised: Candidate) -> Config:
    """Writes the configuration for `train`, whose recipe is sized by the images that are left for training."""
    _, validation, _ = split_shares(setting.config.data.split)
    images = round(setting.pool.images * (1 - validation))
    name = FINETUNE if advised.recipe == FINETUNE else PROBE
    sections = recipe(name, images)
    if advised.recipe != FINETUNE:
        sections["backbone"] = {"layers": list(advised.layers), "pooling": advised.pooling}
    return setting.config_for(advised.backbone, sections)


def _data(pool: Pool, setting: Setting) -> dict[str, Any]:
    """Counts of the data, for the report."""
    return {
        "images": pool.images,
        "groups": pool.groups,
        "counts": pool.counts,
        "used": len(pool.dataset.samples),
        "side": setting.config.backbone.size,
        "test": pool.test,
        "notes": list(pool.notes),
    }


def _backbone(one: LocalWeights, profile: DepthProfile) -> dict[str, Any]:
    """One backbone's pretraining and transferability scores, and its linear classifiers by layer."""
    layers = [
        {"layers": list(t.layers), "pooling": t.pooling, "depth": t.depth, "value": t.value} for t in profile.results
    ]
    facts = {**asdict(one), "pretrained_on": one.pretrained_on}
    return {**facts, "log_me": profile.log_me, "h_score": profile.h_score, "layers": layers}


def _candidate(one: Candidate) -> dict[str, Any]:
    """One candidate with its measure, the interval, and its gain over the best linear head."""
    return {
        **asdict(one.backbone),
        "recipe": one.recipe,
        "layers": list(one.layers),
        "pooling": one.pooling,
        "side": one.side,
        "images": len(one.scores),
        **one.scorer.interval(one.scores),
        "gain": None if one.gain is None else {"value": one.gain[0], "error": _finite(one.gain[1])},
    }


def _finite(value: float) -> float | None:
    """The value, or None for infinity, which JSON does not have."""
    return None if value == float("inf") else value


def _scenario(pool: Pool, one: LocalWeights, profile: DepthProfile) -> dict[str, Any]:
    """CS231n's scenario of the data: how large they are, and how much like what a backbone was pretrained on."""
    size = size_of(pool.counts, pool.groups, pool.images)
    last, best = profile.last, profile.best_single
    alike = is_alike(last.value, best.value)
    called_for, words = SCENARIOS[size, alike]
    return {
        "size": size,
        "backbone": one.name,
        "alike": alike,
        "calls_for": called_for,
        "words": words,
        "last": {"layers": list(last.layers), "value": last.value},
        "best": {"layers": list(best.layers), "pooling": best.pooling, "depth": best.depth, "value": best.value},
    }
