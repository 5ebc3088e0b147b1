"""The mean of several finished runs as a run of its own: calibrated, decided, certified and tested like any other.

The images are read again, and not only the predictions that the run folders store: those would give the mean of the
answers but for rounding, yet neither the out-of-distribution scores of the joined features, nor what the mean of the
weights says. So nothing of the new run rests on what was rounded, and the data are checked to be the members' own.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from shared.adaptation.observer import observer_of
from shared.config.schema import Config
from shared.data.loading import is_synthetic, load_dataset, require_data
from shared.data.partition import SplitData
from shared.data.split import Split
from shared.errors import ConfigError, UsageError
from shared.evaluation.calibration import fit_temperature, softmax
from shared.models.ensemble import mean_of_answers, mean_of_weights, statistics_differ
from shared.models.network import Network
from shared.models.restore import load_trained
from shared.pipeline.build import read_splits
from shared.pipeline.finish import finish_run
from shared.pipeline.mean_origin import name_of_mean, origin_of_mean, written_config
from shared.pipeline.preflight import Experiment, preflight
from shared.pipeline.train import divide, holds_run, run_experiment
from shared.pipeline.trained import Trained
from shared.progress import Progress
from shared.runs.folder import locked
from shared.runs.members import (
    JUDGED,
    Member,
    models_in_all,
    read_members,
    why_no_mean_of_weights,
)
from shared.samples import Dataset
from shared.strategies import find_strategy
from shared.task import Task
from shared.training.job import Job, Target
from shared.training.passes import predict_features
from shared.training.selection import best_row, mean_log_likelihood
from shared.training.statistics import estimate_statistics

log = logging.getLogger(__name__)

Average = Literal["auto", "answers", "weights"]
"""What is averaged: the members' answers, their weights, or what validation prefers of both."""
CHECKED_IMAGES = 64
"""Images of validation, at most, on which each member is checked to answer as its run folder says."""
ANSWERS_DIFFER = 0.05
"""Largest difference of a probability there: more than other precisions make, less than other statistics."""
MEMBERS = "members"
"""Folder below that of runs for runs that were trained to be averaged: `models` does not list them."""


def make_ensemble(
    task: Task,
    runs: Sequence[Path],
    *,
    root: Path,
    average: Average = "auto",
    data: Path | None = None,
    out: Path | None = None,
    progress: Progress = lambda *_: None,
) -> Path:
    """Makes the run that is the mean of finished runs, which stay as they are; one that is made already is returned.

    Args:
        task: The application.
        runs: Run folders of the members, at least two.
        root: Folder that holds run folders, and generated synthetic data.
        average: What is averaged. "auto" takes the mean of the answers, or of the weights where the members began
            with the same ones and validation does not prefer the answers; that counts as a choice.
        data: The members' data, where they lie elsewhere than the members' configurations say; None: they do not.
        out: The folder of the new run; None: one under `root`, named by task, members and `average`.
        progress: Called with (what, done, total, note).

    Returns:
        The folder of the finished new run.

    Raises:
        UsageError: The members do not belong together, their weights cannot be averaged, or the data are not theirs.
        ConfigError: `out` holds something else, or the data lie in several collections and `data` is given.
        MedtlError: The data cannot be read, or a run is damaged or in use.
    """
    task.register_backbones()
    members = read_members(task.name, runs)
    reason = why_no_mean_of_weights(members)
    if average == "weights" and reason is not None:
        raise UsageError(f"the weights of these runs cannot be averaged: {reason}; use --average answers")
    kinds = {"auto": ("answers",) if reason else ("weights", "answers")}.get(average, (average,))
    experiment = _experiment(task, members[0], data)
    dataset = _own_data(experiment, members[0], root, progress)
    folder = out or root / name_of_mean(task, members, average)
    config = written_config(members, average)
    if holds_run(folder, config, dataset.fingerprint):
        log.warning("%s is finished already; nothing is made again", folder)
        return folder
    started = time.monotonic()
    divided = _divided(experiment, dataset, members, progress)
    networks = _checked_networks(members, divided.splits["validation"])
    with locked(folder):
        config.write(folder)
        trained, kind = _averaged(experiment, dataset, divided, networks, kinds, folder, progress)
        origin = origin_of_mean(members, trained, kind, choices=models_in_all(members) * len(kinds), average=average)
        finish_run(experiment, trained, origin, started)
    return folder


def train_seeds(
    task: Task, config: Config, seeds: int, *, root: Path, under: str = "", progress: Progress = lambda *_: None
) -> list[Path]:
    """Trains runs that differ in their seed alone, on one division of the data; finished ones are taken as they are.

    Args:
        task: The application.
        config: Configuration of the runs; its seed is the first, and divides the data where `data.split.seed` is null.
        seeds: Number of runs, of consecutive seeds.
        root: Folder that holds run folders, and generated synthetic data.
        under: Folder below `root` for these runs; empty: `root` itself.
        progress: Called with (what, done, total, note).

    Returns:
        The finished run folders, in the order of the seeds.

    Raises:
        MedtlError: A run is refused or fails; the same call goes on where it ended.
    """
    experiment = preflight(task, config)
    split = config.data.split.model_copy(update={"seed": config.split_seed})
    data = config.data.model_copy(update={"split": split})
    folders = []
    for number in range(seeds):
        within = _numbered(progress, f"run {number + 1} of {seeds}")
        seeded = experiment.varied(seed=config.seed + number, data=data)
        folders.append(run_experiment(seeded, root=root, under=under, progress=within))
    return folders


def train_ensemble(
    task: Task,
    config: Config,
    seeds: int,
    *,
    root: Path,
    average: Average = "auto",
    out: Path | None = None,
    progress: Progress = lambda *_: None,
) -> tuple[Path, list[Path]]:
    """Trains runs of consecutive seeds on one division of the data, and makes their mean.

    Args:
        task: The application.
        config: Configuration of the members, as in `train_seeds`.
        seeds: Number of members, at least 2.
        root: Folder that holds run folders; the members' are in `members` under it.
        average: What is averaged, as in `make_ensemble`.
        out: The folder of the mean; None: one under `root`.
        progress: Called with (what, done, total, note).

    Returns:
        The folder of the mean, and those of its members.

    Raises:
        ConfigError: The configuration keeps no image for validation.
        UsageError: Several processes train, as under torchrun.
        MedtlError: A run is refused or fails; the same call goes on where it ended.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(
            "--ensemble makes the mean in one process, and torchrun started several; train with --seeds alone, and "
            "name the runs to the command `ensemble`"
        )
    if config.data.by_folds:
        raise ConfigError(f"a mean of runs is judged by their validation, and there is none: {config.data.keeps_none}")
    members = train_seeds(task, config, seeds, root=root, under=MEMBERS, progress=progress)
    return make_ensemble(task, members, root=root, average=average, out=out, progress=progress), members


def _numbered(progress: Progress, words: str) -> Progress:
    return lambda what, done, total, note: progress(f"{words}: {what}", done, total, note)


def _experiment(task: Task, first: Member, data: Path | None) -> Experiment:
    """The experiment by which the mean is finished: that of the first member, on a device that is there."""
    section = first.config.data
    if data is not None:
        if section.collections:
            raise ConfigError(f"--data names one dataset, and {first.folder} was trained on collections; leave it out")
        section = section.model_copy(update={"source": str(data)})
    device = "auto" if first.config.device == "cuda" else first.config.device
    experiment = preflight(task, first.config.model_copy(update={"data": section, "device": device}))
    # its features are those of the network in memory, not of a cache for one frozen backbone
    return replace(experiment, strategy=find_strategy("finetune"), spec=first.record.preprocessing)


def _own_data(experiment: Experiment, first: Member, root: Path, progress: Progress) -> Dataset:
    """Loads the data of the members.

    Raises:
        UsageError: They are not there, or are not those that the members were trained on.
    """
    section = experiment.config.data
    if section.source and not is_synthetic(experiment.task, section) and not Path(section.source).exists():
        raise UsageError(f"the data of {first.folder} are not here: {section.source}; name them by --data DATA")
    require_data(experiment.task, section)
    dataset = load_dataset(experiment.task, section, experiment.spec, root, progress)
    if dataset.fingerprint != first.record.data_hash:
        where = section.source or ", ".join(section.collections.values())
        raise UsageError(f"{where}: not the data, or no longer those, that {first.folder} was trained on; use --data")
    return dataset


@dataclass(frozen=True)
class _Divided:
    """The data of the members as they were divided for them.

    Attributes:
        data: The samples and their splits.
        splits: Labelled images of training, validation and test.
        target: Images of the domain that the members adapted to; None: there is none.
    """

    data: SplitData
    splits: Mapping[str, Split]
    target: Target | None


def _divided(experiment: Experiment, dataset: Dataset, members: Sequence[Member], progress: Progress) -> _Divided:
    """Divides the data and reads the images.

    Raises:
        UsageError: The division is another one than when the members were trained.
    """
    task, config = experiment.task, experiment.config
    data = divide(experiment, dataset, progress)
    observer = observer_of(config.data.target, experiment.strategy, read_splits(task, data, experiment.spec, progress))
    _refuse_other_division(observer.splits, members[0])
    return _Divided(data, observer.splits, observer.target)


def _checked_networks(members: Sequence[Member], validation: Split) -> list[Network]:
    """Loads the network of each member.

    Raises:
        UsageError: One gives other answers on validation than its run folder states.
    """
    networks = [load_trained(member.folder)[0] for member in members]
    for member, network in zip(members, networks, strict=True):
        _refuse_other_answers(member, network, validation)
    return networks


def _averaged(
    experiment: Experiment,
    dataset: Dataset,
    divided: _Divided,
    networks: Sequence[Network],
    kinds: Sequence[str],
    folder: Path,
    progress: Progress,
) -> tuple[Trained, str]:
    """Makes the mean of each kind, and takes the one that validation prefers, with its data; returns its kind too."""
    task, splits, target = experiment.task, divided.splits, divided.target
    made = {kind: _mean(kind, networks, None if target else splits["train"], experiment.device) for kind in kinds}
    history: list[dict[str, Any]] = []
    if len(kinds) > 1:
        history = [
            {"average": kind, "validation_score": _score(network, splits["validation"], experiment.device)}
            for kind, network in made.items()
        ]
    chosen = kinds[0] if (best := best_row(history)) is None else str(best["average"])
    job = Job(
        network=made[chosen],
        train=splits["train"],
        validation=splits["validation"],
        classes=dataset.classes,
        miss_costs=experiment.miss_costs(dataset.classes),
        spec=experiment.spec,
        content_hash=dataset.content_hash,
        fingerprint=dataset.fingerprint,
        augment=None,
        seed=experiment.config.seed,
        device=experiment.device,
        folder=folder,
        progress=progress,
        varying=task.varying,
        auxiliary=task.auxiliary,
        target=target,
    )
    return Trained(divided.data, splits, job, history), chosen


def _refuse_other_division(splits: Mapping[str, Split], first: Member) -> None:
    """Refuses a division of the data that is not the one that the members were trained on."""
    for split in JUDGED:
        if tuple(sample.id for sample in splits[split].samples) != first.predictions(split).samples:
            raise UsageError(
                f"{split} has other images here than when {first.folder} was trained, by another version or under "
                "another MEDTL_SALT; train the members here"
            )


def _refuse_other_answers(member: Member, network: Network, validation: Split) -> None:
    """Refuses a member whose network gives other answers on validation than its run folder states.

    So do those with statistics of BatchNorm for each domain: the run folder has those of the target alone. Images that
    `predict` leaves out are not compared: what is stated of them is not the network's answer.
    """
    rows = validation.judged_rows()[:CHECKED_IMAGES]
    stated = member.predictions("validation").probabilities[rows]
    logits = _logits(network, validation.of(rows), torch.device("cpu"))
    difference = float(np.abs(softmax(logits / float(network.temperature)) - stated).max())
    if not difference <= ANSWERS_DIFFER:
        raise UsageError(
            f"the network of {member.folder} gives other answers on its validation than it gave in training (by "
            f"{difference:.2f}, at most {ANSWERS_DIFFER} is allowed), as with statistics for each domain; leave it out"
        )


def _mean(kind: str, networks: Sequence[Network], train: Split | None, device: torch.device) -> Network:
    """The mean of networks; where training had moved statistics of BatchNorm, a mean of weights has them estimated
    anew on the images `train`, if these are given.
    """
    if kind == "answers":
        network: Network = mean_of_answers(networks)
    else:
        network = mean_of_weights(networks)
        if train is not None and statistics_differ(networks):
            estimate_statistics(network, train, device)
    return network.to(memory_format=torch.channels_last)


@torch.no_grad()
def _logits(network: Network, split: Split, device: torch.device) -> NDArray[np.float64]:
    """Class logits of the images of a split, float64 [N, classes]."""
    head = network.to(device).head
    blocks = [head(features).double().cpu().numpy() for features in predict_features(network, split, device)]
    return np.concatenate(blocks)


def _score(network: Network, validation: Split, device: torch.device) -> float:
    """Mean log-likelihood of validation at the temperature that fits it best."""
    logits = _logits(network, validation, device)
    probabilities = softmax(logits / fit_temperature(logits, validation.labels))
    return mean_log_likelihood(probabilities, validation.labels)
