"""Cross-fitting of a run: folds of the training images choose and judge in place of validation.

Each fold is held out in turn, and a network trained on the others scores its images. The network of the run is then
trained once on all images, with the setting whose out-of-fold scores are best. A fold costs one more training.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.data.split import Split
from shared.errors import RunError
from shared.io.atomic import read_json, write_bytes, write_json
from shared.pipeline.scores import Scores, reference_features, score_split
from shared.progress import Progress
from shared.strategies.base import Strategy
from shared.training.job import Job
from shared.training.options import TrainingOptions
from shared.training.selection import LAST, best_row

FOLDER = "folds"
"""Folder in the run folder for the trainings without each fold; it is deleted when the run is finished."""
ENDED = "ended.json"
"""File in the folder of a fold, written last: the history of its training."""
BY_VALIDATION = ("validation_score", "validation_accuracy")
"""Columns of a history that are measured on validation."""

Row = Mapping[str, Any]


def cross_fit(strategy: Strategy, job: Job, options: Any) -> tuple[list[dict[str, Any]], Scores | None]:
    """Trains `job.network` in place on all training images, with what the folds of `job` choose.

    Args:
        strategy: The strategy.
        job: The training, with its folds.
        options: Options of the strategy.

    Returns:
        The history, scored by folds; and the out-of-fold scores of the training images under the chosen setting, None
        where no fold can be held out: nothing is chosen then, and the history has no score.

    Raises:
        MedtlError: A training fails, or what an interrupted one left belongs to other data.
    """
    assert job.folds is not None  # a job without folds is fitted by the strategy alone
    if not job.folds.count:
        rows = strategy.fit(job, options.keeping(None))
        return [{key: value for key, value in row.items() if key not in BY_VALIDATION} for row in rows], None
    parts = [_part(job, number, rows) for number, rows in enumerate(job.folds.parts())]
    if isinstance(options, TrainingOptions):
        return _choose_epoch(strategy, job, options, parts)
    history = strategy.fit(job, options)
    kept = options.keeping(best_row(history))
    scores = []
    for part in parts:
        alone = replace(part.job, network=deepcopy(job.network), folds=None)  # nothing is left to choose
        strategy.fit(alone, kept)
        scores.append(_scores(strategy, alone, alone.validation))
    return history, _joined(parts, scores)


@dataclass(frozen=True)
class _Part:
    """The training without one fold.

    Attributes:
        job: The job; its training images are those outside the fold, whose other folds choose the L2 strength of a
            head that is fitted first. Its validation is the fold, and its network is still that of the run: each
            training gets a copy, one at a time.
        held_out: int64 [m], indices of the images of the fold among all training images.
    """

    job: Job
    held_out: NDArray[np.int64]


def _part(job: Job, number: int, rows: tuple[NDArray[np.int64], NDArray[np.int64]]) -> _Part:
    """Makes the training without fold `number`."""
    rest, held_out = rows
    assert job.folds is not None
    part = replace(
        job,
        train=job.train.of(rest),
        validation=job.train.of(held_out),
        folds=job.folds.at(rest),
        folder=job.folder / FOLDER / str(number),
        progress=_prefixed(job.progress, f"without {job.folds.each} {number + 1} of {job.folds.count}"),
        state={},
    )
    return _Part(part, held_out)


def _choose_epoch(
    strategy: Strategy, job: Job, options: TrainingOptions, parts: Sequence[_Part]
) -> tuple[list[dict[str, Any]], Scores]:
    """Trains without each fold, recording every epoch, and then on all images up to the best epoch."""
    histories = [_recorded(strategy, part.job, options) for part in parts]
    sizes = np.array([len(part.held_out) for part in parts])
    epochs = [_mean(rows, sizes / sizes.sum()) for rows in zip(*histories, strict=True)]
    best = best_row(epochs)
    number = next(i for i, row in enumerate(epochs) if row is best)
    before = [row for row in strategy.fit(job, options.keeping(best)) if "phase" not in row]
    return [*before, *epochs], _joined(parts, [_read_scores(part.job.folder, number) for part in parts])


def _recorded(strategy: Strategy, job: Job, options: TrainingOptions) -> list[dict[str, Any]]:
    """Trains without a fold, writes the scores of the fold by epoch, and returns the rows of the epochs.

    Where the last epoch is kept, only its scores are written. A training that ended is not repeated, and one that was
    interrupted resumes.

    Raises:
        RunError: The training that ended was on other data.
    """
    ended = job.folder / ENDED
    if ended.is_file():
        tree = read_json(ended)
        if tree["fingerprint"] != job.fingerprint:
            raise RunError(f"{ended} belongs to other data; delete its folder to start anew, or choose another --out")
        return list(tree["epochs"])
    alone = replace(job, network=deepcopy(job.network))
    by_epoch = options.selection != LAST
    if by_epoch:
        alone = replace(alone, on_epoch_end=lambda now, epoch: _write_scores(strategy, now, epoch))
    epochs = [row for row in strategy.fit(alone, options) if "phase" in row]
    if not by_epoch:
        _write_scores(strategy, alone, len(epochs) - 1)
    write_json(ended, {"fingerprint": job.fingerprint, "epochs": epochs})
    return epochs


def _mean(rows: Sequence[Row], shares: NDArray[np.float64]) -> dict[str, Any]:
    """Averages one epoch over folds, each with its share of the images."""
    means = {key: float(shares @ [row[key] for row in rows]) for key in rows[0]}
    return {**means, "phase": rows[0]["phase"], "epoch": rows[0]["epoch"]}


def _scores(strategy: Strategy, job: Job, held_out: Split) -> Scores:
    """Scores held-out images by a network that was trained without them, and compares them with its training images."""
    return score_split(strategy, job, held_out, reference_features(strategy, job, job.seed))


def _joined(parts: Sequence[_Part], scores: Sequence[Scores]) -> Scores:
    """Puts the scores of all folds into the order of the training images."""
    order = np.argsort(np.concatenate([part.held_out for part in parts]), kind="stable")
    classes, ood = (np.concatenate([getattr(one, name) for one in scores])[order] for name in ("classes", "ood"))
    return Scores(classes, ood, {})


def _write_scores(strategy: Strategy, job: Job, epoch: int) -> None:
    found, stream = _scores(strategy, job, job.validation), io.BytesIO()
    np.savez(stream, classes=found.classes, ood=found.ood)
    write_bytes(_scores_path(job.folder, epoch), stream.getvalue())


def _read_scores(folder: Path, epoch: int) -> Scores:
    with np.load(_scores_path(folder, epoch), allow_pickle=False) as arrays:
        return Scores(arrays["classes"], arrays["ood"], {})


def _scores_path(folder: Path, epoch: int) -> Path:
    return folder / f"{epoch:03d}.npz"


def _prefixed(progress: Progress, words: str) -> Progress:
    return lambda what, done, total, note: progress(f"{words}: {what}", done, total, note)
