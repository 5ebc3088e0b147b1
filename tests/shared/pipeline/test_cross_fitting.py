"""Folds of few labels choose the epoch or the L2 strength, and stand for validation; a kill changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shared.data.folds import Folds, draw_folds
from shared.errors import RunError
from shared.pipeline.cross_fitting import ENDED, FOLDER, cross_fit
from shared.strategies import find_strategy
from shared.training.job import Job
from shared.training.selection import best_row
from tests.shared.small_job import Killed, small_job, small_split

FINETUNE, PROBE = find_strategy("finetune"), find_strategy("linear_probe")
PHASES = [{"epochs": 1, "lr_head": 0.01}, {"epochs": 2, "train": "all", "lr_head": 0.01, "lr_backbone": 0.01}]
OPTIONS = FINETUNE.options(batch_size=4, augmentation="none", phases=PHASES)


def _few(folder: Path, count: int = 12, progress: object = lambda *_: None) -> Job:
    """A job on few images, which have no validation beside them."""
    split = small_split(count, 1)
    folds = draw_folds(split.samples, np.array(split.grouping.units), seed=0)
    return replace(small_job(folder, progress), train=split, validation=split, folds=folds)


def _weights(job: Job) -> list[torch.Tensor]:
    return list(job.network.state_dict().values())


def test_the_run_is_trained_on_all_images_up_to_the_epoch_that_folds_prefer(tmp_path: Path) -> None:
    job = _few(tmp_path / "folds")
    history, scores = cross_fit(FINETUNE, job, OPTIONS)
    assert [(row["phase"], row["epoch"]) for row in history] == [(1, 1), (2, 1), (2, 2)]
    assert scores is not None
    assert scores.classes.shape == (12, 2)
    assert scores.ood.shape == (12,)
    kept = history.index(best_row(history)) + 1
    alone = replace(_few(tmp_path / "alone"), folds=None)
    FINETUNE.fit(alone, OPTIONS.model_copy(update={"stop_after": kept}))
    assert all(torch.equal(a, b) for a, b in zip(_weights(job), _weights(alone), strict=True))


def test_scores_of_a_fold_come_from_the_training_without_it(tmp_path: Path) -> None:
    job = _few(tmp_path / "folds")
    assert job.folds is not None
    history, scores = cross_fit(FINETUNE, job, OPTIONS)
    assert scores is not None
    rest, held_out = next(job.folds.parts())
    part = replace(_few(tmp_path / "part"), train=job.train.of(rest), folds=None)
    FINETUNE.fit(part, OPTIONS.keeping(best_row(history)))
    with torch.no_grad():
        blocks = FINETUNE.features(part, job.train.of(held_out))
        expected = torch.cat([part.network.head(block) for block in blocks]).double().numpy()
    np.testing.assert_allclose(scores.classes[held_out], expected, atol=1e-5)


def test_where_the_last_epoch_is_kept_only_its_scores_are_made(tmp_path: Path) -> None:
    job, last = _few(tmp_path / "last"), OPTIONS.model_copy(update={"selection": "last"})
    history, scores = cross_fit(FINETUNE, job, last)
    assert [path.name for path in sorted((tmp_path / "last" / FOLDER / "0").glob("*.npz"))] == ["002.npz"]
    assert history.index(best_row(history)) == 2
    stated = OPTIONS.model_copy(update={"stop_after": 3})
    _, same = cross_fit(FINETUNE, _few(tmp_path / "stated"), stated)
    assert scores is not None
    assert same is not None
    np.testing.assert_array_equal(scores.classes, same.classes)


@pytest.mark.parametrize(
    "kill_after",
    [pytest.param(5, marks=pytest.mark.slow, id="in the first fold"), pytest.param(20, id="in a later one")],
)
def test_killed_and_resumed_it_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    monkeypatch.setattr("shared.training.trainer.CHECKPOINT_SECONDS", 0.0)
    whole = _few(tmp_path / "whole")
    history, scores = cross_fit(FINETUNE, whole, OPTIONS)
    steps: list[Any] = []

    def kill(*_: object) -> None:
        steps.append(None)
        if len(steps) == kill_after:
            raise Killed

    with pytest.raises(Killed):
        cross_fit(FINETUNE, _few(tmp_path / "cut", progress=kill), OPTIONS)
    assert (tmp_path / "cut" / FOLDER / "0" / ENDED).is_file() == (kill_after > 10)
    resumed = _few(tmp_path / "cut")
    again, others = cross_fit(FINETUNE, resumed, OPTIONS)
    assert again == history
    assert scores is not None
    assert others is not None
    assert np.array_equal(scores.classes, others.classes)
    assert np.array_equal(scores.ood, others.ood)
    assert all(torch.equal(a, b) for a, b in zip(_weights(whole), _weights(resumed), strict=True))


def test_folds_that_were_trained_on_other_data_are_refused(tmp_path: Path) -> None:
    cross_fit(FINETUNE, _few(tmp_path), OPTIONS)
    with pytest.raises(RunError, match="belongs to other data"):
        cross_fit(FINETUNE, replace(_few(tmp_path), fingerprint="other"), OPTIONS)


@pytest.mark.parametrize("section", [{}, {"epochs": 3}, {"penalty": 0.5}], ids=["path", "epochs", "stated"])
def test_a_linear_probe_is_judged_by_heads_without_the_fold(tmp_path: Path, section: dict[str, Any]) -> None:
    job, options = _few(tmp_path), PROBE.options(**section)
    assert job.folds is not None
    history, scores = cross_fit(PROBE, job, options)
    assert scores is not None
    kept = options.keeping(best_row(history))
    rest, held_out = next(job.folds.parts())
    part = replace(_few(tmp_path), train=job.train.of(rest), validation=job.train.of(held_out), folds=None)
    PROBE.fit(part, kept)
    with torch.no_grad():
        features = torch.cat(list(PROBE.features(part, job.train.of(held_out))))
        expected = part.network.head(features).double().numpy()
    np.testing.assert_allclose(scores.classes[held_out], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("strategy", "options"), [(FINETUNE, OPTIONS), (PROBE, PROBE.options())], ids=["finetune", "linear_probe"]
)
def test_one_image_a_class_chooses_nothing(tmp_path: Path, strategy: Any, options: Any) -> None:
    job = _few(tmp_path / "folds", count=2)
    assert job.folds is not None
    assert job.folds.count == 0
    history, scores = cross_fit(strategy, job, options)
    assert scores is None
    assert not any("validation_score" in row for row in history)
    alone = replace(_few(tmp_path / "alone", count=2), folds=None)
    strategy.fit(alone, options.keeping(None))
    assert all(torch.equal(a, b) for a, b in zip(_weights(job), _weights(alone), strict=True))


def test_a_head_that_is_probed_first_is_chosen_without_the_fold_that_judges_it(tmp_path: Path) -> None:
    """Else the fold would choose the L2 strength of the network that it is then to judge."""
    job, inner = _few(tmp_path), list[Folds | None]()
    plain = PROBE.fit

    def watched(part: Job, options: Any) -> Any:
        inner.append(part.folds)
        return plain(part, options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(PROBE), "fit", lambda _, part, options: watched(part, options))
        cross_fit(FINETUNE, job, OPTIONS.model_copy(update={"head": "probe"}))
    assert job.folds is not None
    assert [None if one is None else one.count for one in inner] == [job.folds.count - 1] * job.folds.count + [
        job.folds.count
    ]
