"""The way through, from a configuration to a finished run folder."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray

from shared.artifacts import check_finished, claimed, is_finished, read_model_record, write_text
from shared.backbone import Backbone
from shared.backbones import build_backbone, find_backbone
from shared.code_choice import Code, choose_code
from shared.completion import complete, positive_classes
from shared.config import Config, to_yaml, validate
from shared.division import divide
from shared.errors import ConfigError
from shared.job import Job, Part
from shared.loading import load_dataset, require_data
from shared.network import Network, code_width
from shared.pooling import POOLINGS
from shared.progress import Progress
from shared.samples import Belonging, Dataset
from shared.seeding import derive_seed
from shared.strategies import find_strategy
from shared.task import Preprocessing, Task
from shared.weights import WeightsReport, load_weights, require_weights

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
    task.register()
    strategy = find_strategy(str(config.strategy.get("name", "finetune")))
    options = validate(strategy.options, config.strategy, origin="strategy")
    spec = preprocessing_of(task, config)
    _check_backbone(config)
    require_data(config.data)
    strategy.check(options, find_backbone(config.backbone.name).stages)
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
    with claimed(folder) if processes.is_main_process else nullcontext():
        started = time.monotonic()
        if processes.is_main_process:
            write_text(folder / "config.yaml", to_yaml(config))
        other = config.data.apart_from
        apart_from = () if other is None else task.load(Path(other), options=spec.options).samples
        divided = divide(task, config.data, dataset, apart_from=apart_from, seed=config.seed, progress=progress)
        parts = {
            name: part_of(task, divided.dataset, indices, divided.units, spec, progress, name)
            for name, indices in divided.parts.items()
        }
        job, loaded, history = fit(task, config, dataset, parts, folder=folder, progress=progress)
        if processes.is_main_process:
            complete(task, config, strategy, divided, parts, job, loaded, history, started)
    return folder


def fit(
    task: Task, config: Config, dataset: Dataset, parts: Mapping[str, Part], *, folder: Path, progress: Progress
) -> tuple[Job, WeightsReport, list[dict[str, Any]]]:
    """Builds the network that a checked configuration asks for and fits it to "train" and "validation" of `parts`.

    Args:
        task: The application.
        config: The resolved configuration.
        dataset: Of the parts.
        parts: By the names of `SPLITS`; no other is looked at.
        folder: Where an interrupted training is kept.
        progress: Called with (what, done, total, note).

    Returns:
        What was fitted, the network in it; what became of its weights; and the history.
    """
    strategy = find_strategy(str(config.strategy.get("name", "finetune")))
    spec, device = preprocessing_of(task, config), device_of(config)
    code, tried = _code(config, parts, spec, dataset, device, progress)
    network, loaded = _network(config, code, spec, len(dataset.classes))
    job = Job(
        network=network,
        train=parts["train"],
        validation=parts["validation"],
        classes=dataset.classes,
        costs=tuple(config.miss_cost if one else 1.0 for one in positive_classes(task, dataset.classes)),
        spec=spec,
        content_hash=dataset.content_hash,
        fingerprint=dataset.fingerprint,
        augment=task.augment,
        seed=config.seed,
        device=device,
        folder=folder,
        progress=progress,
    )
    options = validate(strategy.options, config.strategy, origin="strategy")
    return job, loaded, [*tried, *strategy.fit(job, options)]


def run_name(task: Task, config: Config, dataset: Dataset) -> str:
    """The run folder's name: the same configuration on the same data always has the same."""
    facts = json.dumps([task.name, config.model_dump(mode="json"), dataset.fingerprint], sort_keys=True)
    return f"{task.name}-{config.name}-seed{config.seed}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"


def preprocessing_of(task: Task, config: Config) -> Preprocessing:
    """What a configuration asks for before the network.

    Raises:
        ConfigError: An option that the application does not have.
    """
    unknown = sorted(set(config.data.options) - set(task.default_options))
    if unknown:
        allowed = ", ".join(task.default_options)
        raise ConfigError(f"data.options: unknown {', '.join(unknown)}; {task.name} knows {allowed}")
    return Preprocessing(
        config.backbone.frame or config.backbone.size, 1, {**task.default_options, **config.data.options}
    )


def _check_backbone(config: Config) -> None:
    record = find_backbone(config.backbone.name)
    wanted = config.backbone
    for size in (wanted.size, *wanted.sizes):
        if size < record.min_size:
            raise ConfigError(f"backbone.size: {size}; {record.name} needs at least {record.min_size} pixels")
    for layer in () if wanted.layers == "auto" else wanted.layers:
        if layer not in record.code_layers:
            raise ConfigError(f"backbone.layers: no layer {layer!r}; {record.name} has {', '.join(record.code_layers)}")
    for stage in wanted.copied or ():
        if stage not in record.stages:
            raise ConfigError(f"backbone.copied: no stage {stage!r}; {record.name} has {', '.join(record.stages)}")
    if wanted.pooling not in POOLINGS:
        raise ConfigError(f"backbone.pooling: {wanted.pooling!r}; allowed: {', '.join(POOLINGS)}")


def part_of(
    task: Task,
    dataset: Dataset,
    indices: NDArray[np.int64],
    units: NDArray[np.int64],
    spec: Preprocessing,
    progress: Progress,
    name: str,
) -> Part:
    """The samples at `indices` with their images, read now.

    Args:
        task: The application.
        dataset: Of all samples.
        indices: Into its samples.
        units: [N] of all samples, as in `shared.division.Divided`.
        spec: Of the preprocessing.
        progress: Called with (what, done, total, note).
        name: Of the part, for the progress.
    """
    index = {name: number for number, name in enumerate(dataset.classes)}
    samples = [dataset.samples[i] for i in indices]
    labels = np.array([index[str(sample.label)] for sample in samples], dtype=np.int64)
    images = task.images(samples, spec, dataset.content_hash, partial(_reading, progress, name))
    return Part(samples, images, labels, Belonging.of(samples, units[indices].tolist()))


def _reading(progress: Progress, name: str, done: int, total: int) -> None:
    progress(f"reading images, {name}", done, total, "")


def _code(
    config: Config,
    parts: Mapping[str, Part],
    spec: Preprocessing,
    dataset: Dataset,
    device: torch.device,
    progress: Progress,
) -> tuple[Code, list[dict[str, Any]]]:
    """What the code is made of, and what was tried where validation chose it."""
    wanted = config.backbone
    record = find_backbone(wanted.name)
    if wanted.layers != "auto":
        return Code(wanted.layers or (record.default_layer,), wanted.pooling, wanted.size), []

    def build(size: int) -> Backbone:
        return _backbone(config, record.code_layers, size, spec)[0]

    return choose_code(
        build,
        wanted.sizes or (wanted.size,),
        parts["train"],
        parts["validation"],
        len(dataset.classes),
        spec,
        content_hash=dataset.content_hash,
        seed=config.seed,
        device=device,
        progress=progress,
    )


def _backbone(
    config: Config, layers: tuple[str, ...], size: int, spec: Preprocessing
) -> tuple[Backbone, WeightsReport]:
    input_size = None if size == spec.size else size
    backbone = build_backbone(config.backbone.name, layers=layers, seed=config.seed, input_size=input_size)
    report = load_weights(backbone, config.backbone.weights, copied=config.backbone.copied)
    # 1.05 to 2.2 times as fast on a CPU, in training and in evaluation, for each kind of network measured
    return backbone.to(memory_format=torch.channels_last), report


def _network(config: Config, code: Code, spec: Preprocessing, classes: int) -> tuple[Network, WeightsReport]:
    backbone, report = _backbone(config, code.layers, code.size, spec)
    width = code_width(backbone, code.layers, code.pooling, spec.channels, spec.size)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(config.seed, "head"))
        network = Network(backbone, code.layers, code.pooling, width, classes)
    return network.to(memory_format=torch.channels_last), report


def device_of(config: Config) -> torch.device:
    """Where a configuration computes.

    Raises:
        ConfigError: It asks for a GPU, and there is none.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: cuda was asked for and none is there; use device=auto or device=cpu")
    return torch.device("cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu")
