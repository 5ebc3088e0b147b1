"""Which backbone, strategy, layer and rates to begin with on a person's data, measured and not guessed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shared.config.schema import Config, split_shares
from shared.errors import UsageError
from shared.experiments.advice.candidates import Candidate, linear_candidates, profiles_of, tuned_candidates
from shared.experiments.advice.depth_profile import Profile
from shared.experiments.advice.pool import Pool, learning_pool
from shared.experiments.advice.recipes import FINETUNE, PROBE, recipe
from shared.experiments.advice.rules import SCENARIOS, is_alike, size_of, tuning_pays
from shared.experiments.advice.setting import Setting
from shared.models.backbones.build import find_backbone
from shared.models.local_weights import LocalWeights, available_backbones
from shared.pipeline.preflight import preflight
from shared.progress import Progress
from shared.task import Task
from shared.training.precision import fast_precision


def advise(
    task: Task, config: Config, *, weights: Sequence[Path], root: Path, progress: Progress
) -> tuple[dict[str, Any], Config]:
    """Measures, and says what to begin with.

    Args:
        task: The application.
        config: Data, seed, device and sides of the images; what it says else of backbone and strategy is not used.
        weights: Weights files, runs or folders beside those that are found by themselves.
        root: Where the synthetic data lie.
        progress: Called with (what, done, total, note).

    Returns:
        What was measured and what is advised, as plain data; and the configuration of a run.

    Raises:
        MedtlError: One of its leaves: no data, no weights, or too few groups for folds.
    """
    started = time.monotonic()
    task.register_backbones()
    found, missing = available_backbones(weights)
    size = config.backbone.size
    fitting = [one for one in found if find_backbone(one.name).min_size <= size]
    if not fitting:
        least = min(find_backbone(one.name).min_size for one in found)
        raise UsageError(f"backbone.size is {size}; the backbones whose weights are here need at least {least} pixels")
    experiment = preflight(task, _with_any_backbone(config, fitting[0]))
    pool = learning_pool(experiment, root=root, progress=progress)
    tree, advised = advise_on(Setting.read(experiment, pool, progress), fitting)
    tree["missing"] = [asdict(one) for one in missing]
    tree["too_small_for"] = sorted({one.name for one in found} - {one.name for one in fitting})
    tree["seconds"] = time.monotonic() - started
    return tree, advised


def _with_any_backbone(config: Config, one: LocalWeights) -> Config:
    """The configuration on a backbone that is here, so that it can be checked; advice chooses among all."""
    return config.model_copy(update={"backbone": config.backbone.model_copy(update={"name": one.name})})


def advise_on(setting: Setting, backbones: Sequence[LocalWeights]) -> tuple[dict[str, Any], Config]:
    """The same on images that were read already."""
    profiles = profiles_of(setting, backbones)
    linear = linear_candidates(setting, profiles)
    base = max(linear, key=lambda one: (one.value, one.recipe == PROBE))
    tuned = tuned_candidates(setting, linear, base)
    best = max(tuned, key=lambda one: one.value)
    pays = best.gain is not None and tuning_pays(best.gain[0])
    advised = best if pays else base
    pool = setting.pool
    tree = {
        "task": setting.experiment.task.name,
        "synthetic": pool.dataset.synthetic,
        "data": _data(pool, setting),
        "measure": setting.judge.measure,
        "backbones": [_backbone(one, profile) for one, profile in profiles.items()],
        "candidates": [_candidate(one) for one in (*linear, *tuned)],
        "scenario": _scenario(pool, profiles[base.backbone]),
        "advised": _candidate(advised),
        # of the linear head also where tuning is advised: that was tried on too few images to promise its gain
        "expected": base.judge.interval(base.scores),
    }
    return tree, _config(setting, advised)


def _config(setting: Setting, advised: Candidate) -> Config:
    """What `train` takes; training gets the images that are neither of the test nor of validation."""
    wanted = setting.config.data
    _, validation, _ = split_shares(wanted.split)
    images = round(setting.pool.images * (1 - validation))
    name = FINETUNE if advised.recipe == FINETUNE else PROBE
    sections = recipe(name, images, precision=fast_precision())
    if advised.recipe != FINETUNE:
        sections["backbone"] = {"layers": [advised.layer], "pooling": advised.pooling}
    return setting.configured(advised.backbone, sections)


def _data(pool: Pool, setting: Setting) -> dict[str, Any]:
    return {
        "images": pool.images,
        "groups": pool.groups,
        "counts": pool.counts,
        "used": len(pool.dataset.samples),
        "side": setting.config.backbone.size,
        "test": pool.test,
        "notes": list(pool.notes),
    }


def _backbone(one: LocalWeights, profile: Profile) -> dict[str, Any]:
    tried = [{"layer": t.layer, "pooling": t.pooling, "depth": t.depth, "value": t.value} for t in profile.tried]
    return {**asdict(one), "log_me": profile.log_me, "h_score": profile.h_score, "layers": tried}


def _candidate(one: Candidate) -> dict[str, Any]:
    return {
        **asdict(one.backbone),
        "recipe": one.recipe,
        "layer": one.layer,
        "pooling": one.pooling,
        "side": one.side,
        "images": len(one.scores),
        **one.judge.interval(one.scores),
        "gain": None if one.gain is None else {"value": one.gain[0], "error": _finite(one.gain[1])},
    }


def _finite(value: float) -> float | None:
    return None if value == float("inf") else value


def _scenario(pool: Pool, profile: Profile) -> dict[str, Any]:
    size = size_of(pool.counts, pool.groups, pool.images)
    last, best = profile.last, profile.best
    alike = is_alike(last.value, best.value)
    called_for, words = SCENARIOS[size, alike]
    return {
        "size": size,
        "alike": alike,
        "calls_for": called_for,
        "words": words,
        "last": {"layer": last.layer, "value": last.value},
        "best": {"layer": best.layer, "pooling": best.pooling, "depth": best.depth, "value": best.value},
    }
