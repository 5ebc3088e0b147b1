"""One training run, from a configuration to a finished run folder."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import PartialState

from shared.adaptation.observer import observer_of
from shared.config.paths import RUN_CONFIG
from shared.config.schema import Config
from shared.data.finding_masks import with_masks
from shared.data.loading import load_dataset, require_data
from shared.data.partition import SplitData, split_data
from shared.data.split import Split
from shared.data.unjudged import leave_out_unjudged
from shared.errors import ConfigError
from shared.models.restore import load_trained
from shared.models.weight_files import IMAGENET_SPEC, PACKAGED, RANDOM
from shared.models.weights import require_weights
from shared.pipeline.build import check_fit, read_splits
from shared.pipeline.finish import finish_run
from shared.pipeline.fit import Fitted, fit, fresh_network
from shared.pipeline.origin import origin_of_training
from shared.pipeline.preflight import Experiment, preflight
from shared.pipeline.tracking import UNTRACKED, tracking
from shared.pipeline.trained import Trained
from shared.progress import Progress
from shared.runs.configuration import Written
from shared.runs.folder import DONE, check_finished, is_finished, is_whole, locked
from shared.runs.record import read_model_record
from shared.samples import Dataset
from shared.task import Task
from shared.training.job import OnRow

log = logging.getLogger(__name__)


def run(
    task: Task,
    config: Config,
    *,
    root: Path,
    out: Path | None = None,
    whole: bool = True,
    progress: Progress = lambda *_: None,
) -> Path:
    """Trains a network as configured, evaluates, exports and reports it.

    A run that was interrupted resumes, and a finished one is returned as it is.

    Args:
        task: The application.
        config: The configuration.
        root: Folder that holds run folders.
        out: The run folder; None: one under `root`, named by `run_name`.
        whole: Whether the run is exported and has a report; else it holds its numbers and weights.
        progress: Called with (what, done, total, note).

    Returns:
        The finished run folder.

    Raises:
        ConfigError: The configuration does not fit, or the folder holds something else.
        DataError: The data cannot be read, split or learnt from.
        WeightsError: Pretrained weights are missing or damaged.
        RunError: The run is in use or damaged.
        ExportError: The exported network differs from the trained one.
    """
    return run_experiment(preflight(task, config), root=root, out=out, whole=whole, progress=progress)


def run_experiment(
    experiment: Experiment,
    *,
    root: Path,
    under: str = "",
    out: Path | None = None,
    whole: bool = True,
    progress: Progress = lambda *_: None,
) -> Path:
    """Trains, evaluates, exports and reports an experiment that `preflight` has checked.

    Args:
        experiment: The checked configuration.
        root: Folder that holds run folders, and generated synthetic data.
        under: Folder below `root` for the run, apart from those that `models` lists; empty: `root` itself.
        out: The run folder; None: one named by `run_name`.
        whole: Whether the run is exported and has a report; else it holds its numbers and weights.
        progress: Called with (what, done, total, note).

    Returns:
        The finished run folder.

    Raises:
        MedtlError: The run is refused or fails; see `run`.
    """
    return end_experiment(experiment, root=root, under=under, out=out, whole=whole, progress=progress).folder


@dataclass(frozen=True)
class Ended:
    """A run that is finished, and can be made whole.

    Attributes:
        folder: The run folder.
        make_whole: Exports the network and writes the report where the run holds its numbers and weights alone. A run
            that another process trained is trained again for it; of what this one trained the weights are read from the
            run folder, so that many runs may wait for their choice.
    """

    folder: Path
    make_whole: Callable[[], None]


def end_experiment(
    experiment: Experiment,
    *,
    root: Path,
    under: str = "",
    out: Path | None = None,
    whole: bool = True,
    progress: Progress = lambda *_: None,
) -> Ended:
    """Trains, evaluates, exports and reports an experiment, as `run_experiment` does, and can make it whole later.

    The arguments are those of `run_experiment`, as is what is raised.
    """
    require_data(experiment.task, experiment.config.data)
    processes = PartialState(cpu=experiment.device.type == "cpu")
    with processes.main_process_first():
        dataset = _load(experiment, root, progress)
    folder = out or root / under / run_name(experiment, dataset)
    written = Written.of(experiment.config)
    if holds_run(folder, written, dataset.fingerprint) and (is_whole(folder) or not whole):
        log.warning("%s is finished already; nothing is trained again", folder)
        return Ended(folder, lambda: _finish_whole(experiment, root, folder, progress))
    is_main = processes.is_main_process
    with locked(folder) if is_main else nullcontext():
        started = time.monotonic()
        if is_main:
            (folder / DONE).unlink(missing_ok=True)  # of a run that is made whole, which is trained again
            written.write(folder)
        with tracking(experiment, folder) if is_main else nullcontext(UNTRACKED) as tracked:
            data, splits, fitted = _train(
                experiment, dataset, folder, is_main=is_main, progress=progress, on_row=tracked.epoch
            )
            if not is_main:
                return Ended(folder, lambda: None)
            trained = Trained(data, splits, fitted.job, fitted.history, fitted.out_of_fold)
            origin = origin_of_training(experiment, data, fitted)
            finish_run(experiment, trained, origin, started, whole=whole)
            tracked.end(fitted.history, by_folds=data.folds is not None)
    if whole:
        return Ended(folder, lambda: None)
    taken = time.monotonic() - started
    trained.job.network.to("meta")  # which frees its weights

    def make_whole() -> None:
        network = load_trained(folder)[0].to(memory_format=torch.channels_last)  # as it was built: the same last digits
        again = replace(trained, job=replace(trained.job, network=network))
        with locked(folder):
            (folder / DONE).unlink(missing_ok=True)
            finish_run(experiment, again, origin, time.monotonic() - taken, whole=True)

    return Ended(folder, make_whole)


def _finish_whole(experiment: Experiment, root: Path, folder: Path, progress: Progress) -> None:
    """Trains a finished run again that is not whole."""
    if not is_whole(folder):
        run_experiment(experiment, root=root, out=folder, progress=progress)


def run_name(experiment: Experiment, dataset: Dataset) -> str:
    """Makes the name of a run folder from task, configuration, seed and a hash of configuration and data.

    Args:
        experiment: The checked configuration.
        dataset: The data; their fingerprint enters the hash.

    Returns:
        The name alone, without a path: `TASK-NAME-seedSEED-HASH`, with the name of the configuration.
    """
    task, config = experiment.task, experiment.config
    facts = json.dumps([task.name, config.model_dump(mode="json"), dataset.fingerprint], sort_keys=True)
    return f"{task.name}-{config.name}-seed{config.seed}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"


def _load(experiment: Experiment, root: Path, progress: Progress) -> Dataset:
    """Loads the samples and makes sure of the weights.

    Raises:
        MedtlError: The data cannot be read or the weights are missing.
        ConfigError: Images with masks are to be explained and there are none.
    """
    config, record = experiment.config, experiment.backbone
    if config.backbone.weights != IMAGENET_SPEC:  # those may need a download, for which sound data are required first
        require_weights(record, config.backbone.weights)
    if config.backbone.weights not in (IMAGENET_SPEC, PACKAGED, RANDOM):
        check_fit(experiment)
    dataset = load_dataset(experiment.task, config.data, experiment.spec, root, progress)
    require_weights(record, config.backbone.weights)
    if config.explained_images and not any(sample.mask for sample in dataset.samples):
        raise ConfigError(
            f"explained_images: {config.explained_images} would do nothing, because no image of these data has a mask; "
            "leave it out"
        )
    return dataset


def holds_run(folder: Path, config: Written, fingerprint: str) -> bool:
    """Tells whether a folder holds a run, finished.

    Args:
        folder: The folder; it need not exist.
        config: The configuration of the run.
        fingerprint: Fingerprint of its data.

    Raises:
        ConfigError: The folder holds another run, this run on other data, or files that are no run.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; choose another --out, for a folder")
    earlier = folder / RUN_CONFIG
    if earlier.is_file() and not config.is_in(folder):
        raise ConfigError(f"{folder} holds a run of another configuration; choose another --out")
    if folder.is_dir() and not earlier.is_file() and any(path.name != ".lock" for path in folder.iterdir()):
        raise ConfigError(f"{folder} holds files and no run; choose another --out")
    if not is_finished(folder):
        return False
    check_finished(folder)
    if read_model_record(folder).data_hash != fingerprint:
        raise ConfigError(f"{folder} holds a run on other data; choose another --out")
    return True


def divide(experiment: Experiment, dataset: Dataset, progress: Progress) -> SplitData:
    """Divides the data of an experiment as its training does.

    Args:
        experiment: The checked configuration.
        dataset: Its data.
        progress: Called with (what, done, total, note).

    Raises:
        MedtlError: The data cannot be divided; see `split_data`.
    """
    task, config = experiment.task, experiment.config
    other = config.data.exclude_copies_of
    copies_of = (
        () if other is None else task.load(Path(other), options=experiment.spec.options, unlabelled=True).samples
    )
    data = split_data(
        task, config.data, dataset, exclude_copies_of=copies_of, seed=config.split_seed, progress=progress
    )
    return leave_out_unjudged(task, data, progress)


def _train(
    experiment: Experiment, dataset: Dataset, folder: Path, *, is_main: bool, progress: Progress, on_row: OnRow
) -> tuple[SplitData, Mapping[str, Split], Fitted]:
    """Splits the data, reads the images and trains the network; scores of a target are recorded after each epoch.

    Returns:
        The samples and their splits, the labelled images of each split, and the trained network.
    """
    task, config = experiment.task, experiment.config
    data = divide(experiment, dataset, progress)
    seen = read_splits(task, data, experiment.spec, progress)
    if experiment.options_learn_masks:
        seen["train"] = with_masks(seen["train"], task, dataset.classes, experiment.spec, progress)
    observer = observer_of(config.data.target, experiment.strategy, seen)
    fitted = fit(
        experiment,
        dataset,
        {**observer.splits, "validation": observer.splits["validation"].judged()},
        folder=folder,
        progress=progress,
        target=observer.target,
        on_epoch_end=observer.on_epoch_end,
        on_row=on_row,
        folds=data.folds,
    )
    if is_main:
        job = fitted.job
        notes = observer.end(job, experiment.options, fitted.history, lambda: fresh_network(experiment, job))
        data = replace(data, notes=(*data.notes, *notes))
    return data, observer.splits, fitted
