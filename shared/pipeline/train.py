"""The way through, from a configuration to a finished run folder."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from accelerate import PartialState

from shared.adaptation.observer import observer_of
from shared.config.describe import to_yaml
from shared.config.schema import Config
from shared.data.loading import load_dataset, require_data
from shared.data.partition import split_data
from shared.errors import ConfigError
from shared.io.atomic import write_text
from shared.models.weights import require_weights
from shared.pipeline.build import read_splits
from shared.pipeline.finish import Trained, complete
from shared.pipeline.fit import fit, fresh_network
from shared.pipeline.preflight import Experiment, preflight
from shared.progress import Progress
from shared.runs.folder import check_finished, is_finished, locked
from shared.runs.record import read_model_record
from shared.samples import Dataset
from shared.task import Task

log = logging.getLogger(__name__)


def run(
    task: Task, config: Config, *, root: Path, out: Path | None = None, progress: Progress = lambda *_: None
) -> Path:
    """Trains, evaluates, exports and reports; resumes what an earlier call with the same configuration began.

    Args:
        task: The application.
        config: The configuration.
        root: Where run folders lie.
        out: The run folder itself, in place of one under `root`.
        progress: Called with (what, done, total, note).

    Returns:
        The finished run folder.

    Raises:
        MedtlError: One of its leaves, with a message for the person who started the run.
    """
    return run_experiment(preflight(task, config), root=root, out=out, progress=progress)


def run_experiment(
    experiment: Experiment, *, root: Path, out: Path | None = None, progress: Progress = lambda *_: None
) -> Path:
    """Trains, evaluates, exports and reports an experiment that was checked already; as `run`."""
    require_data(experiment.config.data)
    processes = PartialState(cpu=experiment.device.type == "cpu")
    with processes.main_process_first():
        dataset = _load(experiment, root, progress)
    folder = out or root / run_name(experiment, dataset)
    if _is_done(experiment, dataset, folder):
        log.warning("%s is finished already; nothing is trained again", folder)
        return folder
    with locked(folder) if processes.is_main_process else nullcontext():
        started = time.monotonic()
        if processes.is_main_process:
            write_text(folder / "config.yaml", to_yaml(experiment.config))
        trained = _train(experiment, dataset, folder, is_main=processes.is_main_process, progress=progress)
        if processes.is_main_process:
            complete(experiment, trained, started)
    return folder


def run_name(experiment: Experiment, dataset: Dataset) -> str:
    """The run folder's name: the same configuration on the same data always has the same."""
    task, config = experiment.task, experiment.config
    facts = json.dumps([task.name, config.model_dump(mode="json"), dataset.fingerprint], sort_keys=True)
    return f"{task.name}-{config.name}-seed{config.seed}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"


def _load(experiment: Experiment, root: Path, progress: Progress) -> Dataset:
    """The samples, once it is sure that the weights are there."""
    config, record = experiment.config, experiment.backbone
    if config.backbone.weights != "imagenet":  # which may take a download: first, whether the data are sound
        require_weights(record, config.backbone.weights)
    dataset = load_dataset(experiment.task, config.data, experiment.spec, root, progress)
    require_weights(record, config.backbone.weights)
    if config.explained_images and not any(sample.mask for sample in dataset.samples):
        raise ConfigError("explained_images: no image of these data has a mask, so it does nothing; leave it out")
    return dataset


def _is_done(experiment: Experiment, dataset: Dataset, folder: Path) -> bool:
    """Whether a folder holds this very run, finished.

    Raises:
        ConfigError: It holds another run, the run on other data, or something else.
    """
    earlier = folder / "config.yaml"
    if earlier.is_file() and earlier.read_text(encoding="utf-8") != to_yaml(experiment.config):
        raise ConfigError(f"{folder} holds a run of another configuration; choose another --out")
    if folder.is_dir() and not earlier.is_file() and any(path.name != ".lock" for path in folder.iterdir()):
        raise ConfigError(f"{folder} holds something else than a run; choose another --out")
    if not is_finished(folder):
        return False
    check_finished(folder)
    if read_model_record(folder).data_hash != dataset.fingerprint:
        raise ConfigError(f"{folder} holds a run on other data; choose another --out")
    return True


def _train(experiment: Experiment, dataset: Dataset, folder: Path, *, is_main: bool, progress: Progress) -> Trained:
    """Divides the data, reads the images and fits the network; a target is observed on the way."""
    task, config = experiment.task, experiment.config
    other = config.data.exclude_copies_of
    copies_of = () if other is None else task.load(Path(other), options=experiment.spec.options).samples
    data = split_data(task, config.data, dataset, exclude_copies_of=copies_of, seed=config.seed, progress=progress)
    seen = read_splits(task, data, experiment.spec, progress)
    observer = observer_of(config.data.target, experiment.strategy, seen)
    job, loaded, history = fit(
        experiment,
        dataset,
        observer.splits,
        folder=folder,
        progress=progress,
        target=observer.target,
        on_epoch_end=observer.on_epoch_end,
    )
    if is_main:
        notes = observer.end(job, experiment.options, history, lambda: fresh_network(experiment, job))
        data = replace(data, notes=(*data.notes, *notes))
    return Trained(data, observer.splits, seen, job, loaded, history)
