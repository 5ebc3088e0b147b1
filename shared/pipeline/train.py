"""The way through, from a configuration to a finished run folder."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from accelerate import PartialState

from shared.adaptation.criteria import Run, oracle_note
from shared.adaptation.reverse_validation import REVERSE, reverse_validation
from shared.adaptation.target import EpochRecorder, with_target, write_truth
from shared.config import Config, to_yaml
from shared.data.loading import load_dataset, require_data
from shared.data.partition import split_data
from shared.data.split import Split
from shared.errors import ConfigError
from shared.io.atomic import write_json, write_text
from shared.models.backbones.build import find_backbone
from shared.models.weights import require_weights
from shared.pipeline.build import device_of, preprocessing_of, read_splits
from shared.pipeline.finish import complete
from shared.pipeline.fit import fit, fresh_network, strategy_of
from shared.pipeline.preflight import faults_of_run
from shared.progress import Progress
from shared.runs.folder import check_finished, is_finished, locked
from shared.runs.record import read_model_record
from shared.samples import Dataset
from shared.strategies.base import Strategy
from shared.task import Task
from shared.training.job import Job, Target

log = logging.getLogger(__name__)


def run(
    task: Task, config: Config, *, root: Path, out: Path | None = None, progress: Progress = lambda *_: None
) -> Path:
    """Trains, evaluates, exports and reports; resumes what an earlier call with the same configuration began.

    Args:
        task: The application.
        config: The resolved configuration.
        root: Where run folders lie.
        out: The run folder itself, in place of one under `root`.
        progress: Called with (what, done, total, note).

    Returns:
        The finished run folder.

    Raises:
        MedtlError: One of its leaves, with a message for the person who started the run.
    """
    task.register_backbones()
    if faults := faults_of_run(task, config):
        raise ConfigError("; ".join(faults))
    spec = preprocessing_of(task, config)
    strategy, options = strategy_of(config)
    require_data(config.data)
    config = config.model_copy(update={"strategy": options.model_dump(mode="json")})
    processes = PartialState(cpu=device_of(config).type == "cpu")
    with processes.main_process_first():
        record, weights = find_backbone(config.backbone.name), config.backbone.weights
        if weights != "imagenet":  # which may take a download: first, whether the data are sound
            require_weights(record, weights)
        dataset = load_dataset(task, config.data, spec, root, progress)
        require_weights(record, weights)
    folder = out or root / run_name(task, config, dataset)
    earlier = folder / "config.yaml"
    if earlier.is_file() and earlier.read_text(encoding="utf-8") != to_yaml(config):
        raise ConfigError(f"{folder} holds a run of another configuration; choose another --out")
    if folder.is_dir() and not earlier.is_file() and any(path.name != ".lock" for path in folder.iterdir()):
        raise ConfigError(f"{folder} holds something else than a run; choose another --out")
    if is_finished(folder):
        check_finished(folder)
        if read_model_record(folder).data_hash != dataset.fingerprint:
            raise ConfigError(f"{folder} holds a run on other data; choose another --out")
        log.warning("%s is finished already; nothing is trained again", folder)
        return folder
    with locked(folder) if processes.is_main_process else nullcontext():
        started = time.monotonic()
        if processes.is_main_process:
            write_text(folder / "config.yaml", to_yaml(config))
        other = config.data.apart_from
        apart_from = () if other is None else task.load(Path(other), options=spec.options).samples
        divided = split_data(task, config.data, dataset, apart_from=apart_from, seed=config.seed, progress=progress)
        splits = read_splits(task, divided, spec, progress)
        seen, target = splits, None
        if config.data.target is not None:
            splits, target = with_target(splits, config.data.target, labels=config.data.target_labels)
        watch = _watch(config, strategy, splits, target)
        job, loaded, history = fit(
            task, config, dataset, splits, folder=folder, progress=progress, target=target, watch=watch
        )
        if processes.is_main_process:
            if config.reverse_validation:
                write_json(folder / REVERSE, reverse_validation(job, strategy, options, fresh_network(config, job)))
            if (domain := config.data.target) is not None:
                of_target = with_target(seen, domain, labels=True)[0]["validation"]
                truth = {"validation": splits["validation"], "target": of_target, "test": splits["test"]}
                write_truth(job, strategy, truth)
                ended = Run(folder.name, folder, tuple(row for row in history if "phase" in row))
                if job.target is not None and ended.history and not config.data.target_unlabelled:
                    divided = replace(divided, notes=(*divided.notes, oracle_note(ended, options.selection, domain)))
            complete(task, config, strategy, divided, splits, job, loaded, history, started, seen=seen)
    return folder


def run_name(task: Task, config: Config, dataset: Dataset) -> str:
    """The run folder's name: the same configuration on the same data always has the same."""
    facts = json.dumps([task.name, config.model_dump(mode="json"), dataset.fingerprint], sort_keys=True)
    return f"{task.name}-{config.name}-seed{config.seed}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"


def _watch(
    config: Config, strategy: Strategy, splits: Mapping[str, Split], target: Target | None
) -> Callable[[Job, int], None]:
    """Writes down what a run with a target says after each epoch; any other is not read_epochs."""
    if config.data.target is None:
        return lambda *_: None
    return EpochRecorder(strategy, splits if target is None else {**splits, "target": target.validation})
