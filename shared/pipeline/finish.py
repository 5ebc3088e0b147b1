"""From a trained network to a finished run folder: decision, export, record, evaluation, report."""

from __future__ import annotations

import csv
import io
import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from shared.config import Config, to_yaml
from shared.data.auxiliary_labels import auxiliary_labels
from shared.data.partition import SplitData
from shared.data.split import Split
from shared.evaluation.abstention import abstention
from shared.evaluation.auxiliary import evaluate_auxiliary
from shared.evaluation.calibration import fit_temperature, softmax
from shared.evaluation.decision.decide import Decision, decide
from shared.evaluation.decision.ood import FILE, REFERENCE_SIZE, Reference, choose_threshold, one_of_each
from shared.evaluation.decision.operating_point import OperatingPoint
from shared.evaluation.measures import UsageContext, evaluate
from shared.io.atomic import file_hash, write_array, write_json, write_text
from shared.models.network import Network
from shared.models.onnx_export import export_onnx
from shared.models.weights import WeightsReport
from shared.processes.memory import peak_memory_mib
from shared.reporting.run_report import Finished, write_report
from shared.runs.folder import finish, is_finished, read_training_digests, write_training_digests
from shared.runs.record import ModelRecord
from shared.samples import SPLITS, global_group_digest, image_digest
from shared.seeding import generator
from shared.strategies.base import Strategy
from shared.task import Task, positive_classes
from shared.training.job import Job
from shared.training.selection import LAST

PACKAGES = ("numpy", "torch", "torchvision", "onnxruntime", "pydicom", "monai", "accelerate", "captum")
EXPORT_CHECK_IMAGES = 8
NOT_CERTIFIED = "Nothing is certified: images or patients of validation were seen in training"


def complete(
    task: Task,
    config: Config,
    strategy: Strategy,
    divided: SplitData,
    splits: Mapping[str, Split],
    job: Job,
    weights: WeightsReport,
    history: list[dict[str, Any]],
    started: float,
    *,
    seen: Mapping[str, Split],
) -> None:
    """Chooses what a run decides by on validation, judges the test set once, and writes the run folder.

    Args:
        task: The application.
        config: The resolved configuration.
        strategy: By which `job.network` was trained.
        divided: The data and how they were divided.
        splits: By split.
        job: The training that has ended.
        weights: Where the network's weights came from.
        history: Rows of `metrics.jsonl`.
        started: `time.monotonic()` when the run began.
        seen: By split, what the network has seen, with labels or without.

    Raises:
        MedtlError: The export disagrees with the network, or validation holds nothing to decide by.
    """
    folder, network = job.folder, job.network
    reference = _reference(config, strategy, job)
    scores, ood, auxiliary = {}, {}, {}
    for name in SPLITS[1:]:
        scores[name], ood[name], auxiliary[name] = _judge(strategy, job, splits[name], reference)
    temperature = fit_temperature(scores["validation"], splits["validation"].labels)
    with torch.no_grad():
        network.temperature.fill_(temperature)
    probabilities = {name: softmax(rows / temperature) for name, rows in scores.items()}
    decision = decide(
        probabilities["validation"],
        splits["validation"].labels,
        splits["validation"].belonging,
        np.array(positive_classes(task, job.classes)),
        target=config.sensitivity,
        error_rate=config.error_rate,
        threshold=config.threshold,
        choices=_tried(config, history),
    )
    familiar = _one_of_each(ood["validation"], splits["validation"], config.seed)
    if job.target is not None:  # inputs of the domain adapted to are familiar too; that takes no label
        of_target = _judge(strategy, job, job.target.validation, reference)[1]
        familiar = np.concatenate([familiar, _one_of_each(of_target, job.target.validation, config.seed)])
    threshold = choose_threshold(familiar, config.ood_rate)
    beyond = {"threshold": threshold, "rate": config.ood_rate, "units": len(familiar)}
    network.cpu().eval()
    save_file(_tensors(network), folder / "model.safetensors")
    write_array(folder / FILE, reference.features)
    check = np.stack(
        [splits["validation"].images[i] for i in range(min(EXPORT_CHECK_IMAGES, len(scores["validation"])))]
    )
    difference = export_onnx(network, job.spec, folder / "model.onnx", check)
    before = _seen_before(config)
    sound = divided.sound and not _marks(splits["validation"]) & before
    record = _record(task, config, divided, job, weights, temperature, decision, beyond, sound=sound)
    write_json(folder / "model.json", record.to_json())
    write_training_digests(folder, before.union(*(_marks(seen[name]) for name in SPLITS[:2])))
    again = len(_marks(splits["test"]) & before)
    told = (f"LEAK: {again} test images or patients were seen by the run that the weights come from.",) if again else ()
    write_text(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in history))
    write_text(folder / "predictions.csv", _predictions(job.classes, splits, probabilities, ood))
    environment = _environment(job.device, difference, time.monotonic() - started)
    write_json(folder / "environment.json", environment)
    stakes = UsageContext(config.prevalence, config.miss_cost)
    results = {name: _evaluate(splits[name], probabilities[name], ood[name], record, stakes) for name in SPLITS[1:]}
    for name, found in auxiliary.items():
        if found:
            results[name]["auxiliary"] = _auxiliary(found, splits[name], job, record)
    done = Finished(
        record=record,
        config=_without_folders(config),
        stakes=stakes,
        notes=(*divided.notes, *told),
        splits=splits,
        probabilities=probabilities,
        uncalibrated=softmax(scores["test"]),
        results=results,
        history=history,
        environment=environment,
        network=network,
        masked_images=config.masked_images,
        published=said.model_dump() if (said := config.published.get(config.backbone.name)) else None,
    )
    write_report(task, folder, done, job.progress)
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    finish(folder, task.name)


def _reference(config: Config, strategy: Strategy, job: Job) -> Reference:
    """The features of some training images, of a target as many as of what is labelled, by the trained network."""
    seen = [job.train] if job.target is None else [job.train, job.target.train]
    blocks = []
    for split in seen:
        drawn = generator(config.seed, "reference codes").permutation(len(split.samples))[: REFERENCE_SIZE // len(seen)]
        blocks += [features.float().cpu().numpy() for features in strategy.features(job, split.of(np.sort(drawn)))]
    features = np.concatenate(blocks)
    # in no order: neighbours in the file must not be slices of one patient
    return Reference.of(features[generator(config.seed, "reference order").permutation(len(features))])


def _one_of_each(scores: NDArray[np.float64], split: Split, seed: int) -> NDArray[np.float64]:
    return one_of_each(scores, [sample.series_key for sample in split.samples], split.belonging.units, seed)


def _tried(config: Config, history: Sequence[Mapping[str, Any]]) -> int:
    """Among how many models validation chose: heads that were solved, and epochs unless the last is kept anyway."""
    heads = sum("phase" not in row for row in history)
    epochs = 1 if config.strategy.get("selection") == LAST else len(history) - heads
    return max(1, heads + epochs)


@torch.no_grad()
def _judge(
    strategy: Strategy, job: Job, split: Split, reference: Reference
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Class scores [N, classes], out-of-distribution scores [N], auxiliary scores [N, answers] of a split."""
    head, others = job.network.head.to(job.device), job.network.to(job.device).auxiliary_heads()
    rows, ood = [], []
    auxiliary: dict[str, list[NDArray[np.float64]]] = {other.task: [] for other in others}
    for features in strategy.features(job, split):
        rows.append(head(features).double().cpu().numpy())
        ood.append(reference.scores(features.float().cpu().numpy()))
        for other in others:
            auxiliary[other.task].append(other(features).double().cpu().numpy())
    return np.concatenate(rows), np.concatenate(ood), {name: np.concatenate(of) for name, of in auxiliary.items()}


def _auxiliary(
    scores: Mapping[str, NDArray[np.float64]], split: Split, job: Job, record: ModelRecord
) -> dict[str, dict[str, Any]]:
    """How each auxiliary task does on a split."""
    return {
        name: evaluate_auxiliary(
            softmax(rows), auxiliary_labels(split.samples, job.auxiliary, name, record.auxiliary[name]), split.belonging
        )
        for name, rows in scores.items()
    }


def _seen_before(config: Config) -> frozenset[str]:
    """What the run has seen from which the weights come; nothing where they come from elsewhere."""
    source = Path(config.backbone.weights)
    return read_training_digests(source) if is_finished(source) else frozenset()


def _without_folders(config: Config) -> str:
    """The configuration for a report, which may travel: data and weights by the last part of their paths."""
    data = config.data
    names: dict[str, Any] = {
        "source": data.source and Path(data.source).name,
        "apart_from": data.apart_from and Path(data.apart_from).name,
        "collections": {name: Path(path).name for name, path in data.collections.items()},
    }
    backbone = config.backbone.model_copy(update={"weights": Path(config.backbone.weights).name})
    return to_yaml(config.model_copy(update={"data": data.model_copy(update=names), "backbone": backbone}))


def _marks(split: Split) -> set[str]:
    """What is remembered of a split: its images by their pixels, and its groups."""
    groups = {mark for sample in split.samples if (mark := global_group_digest(sample)) is not None}
    return groups | {image_digest(image) for image in split.images}


def _record(
    task: Task,
    config: Config,
    divided: SplitData,
    job: Job,
    weights: WeightsReport,
    temperature: float,
    decision: Decision,
    beyond: Mapping[str, Any],
    *,
    sound: bool,
) -> ModelRecord:
    chosen = decision.chosen
    screening = isinstance(chosen, OperatingPoint)
    certified = chosen.certified if sound else None
    domains = sorted({sample.domain for sample in job.validation.samples})
    told = {**asdict(chosen), "domains": domains, "statement": chosen.statement if sound else NOT_CERTIFIED}
    return ModelRecord(
        task=task.name,
        classes=job.classes,
        positive=positive_classes(task, job.classes),
        preprocessing=job.spec,
        threshold=chosen.threshold,
        operating_point=told if screening else None,
        rejection=None if screening else told,
        aggregation=decision.aggregation,
        certified_sensitivity=certified if screening else None,
        certified_error=None if screening else certified,
        ood=beyond,
        temperature=temperature,
        backbone={
            "name": config.backbone.name,
            "layers": list(job.network.layers),
            "pooling": job.network.pooling,
            "size": job.network.backbone.input_size or job.spec.size,
            "weights": weights.to_json(),
        },
        domains=tuple(sorted({sample.domain for sample in job.train.samples})),
        synthetic=divided.dataset.synthetic,
        data_hash=job.fingerprint,
        weights_hash=file_hash(job.folder / "model.safetensors"),
        auxiliary={head.task: head.classes for head in job.network.auxiliary_heads()},
    )


def _evaluate(
    split: Split,
    probabilities: NDArray[np.float64],
    ood: NDArray[np.float64],
    record: ModelRecord,
    stakes: UsageContext,
) -> dict[str, Any]:
    result = evaluate(
        probabilities,
        split.labels,
        record.classes,
        positive=np.array(record.positive),
        belonging=split.belonging,
        domains=[sample.domain for sample in split.samples],
        threshold=record.threshold,
        aggregation=record.aggregation,
        stakes=stakes,
    )
    return {
        **result,
        "abstention": abstention(probabilities, ood, split.labels, split.samples, split.belonging, record),
    }


def _tensors(network: Network) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}


def _predictions(
    classes: tuple[str, ...],
    splits: Mapping[str, Split],
    probabilities: Mapping[str, NDArray[np.float64]],
    ood: Mapping[str, NDArray[np.float64]],
) -> str:
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(
        ["split", "sample", "series", "group", "unit", "domain", "label", "predicted", "ood_score", *classes]
    )
    for name, rows in probabilities.items():
        belonging = splits[name].belonging
        owners = zip(belonging.series, belonging.groups, belonging.units, strict=True)
        for sample, owner, row, strange in zip(splits[name].samples, owners, rows, ood[name], strict=True):
            predicted = classes[int(row.argmax())]
            facts = [name, sample.id, *owner, sample.domain, str(sample.label), predicted, f"{strange:.6g}"]
            table.writerow([*facts, *(f"{value:.9g}" for value in row)])
    return stream.getvalue()


def _environment(device: torch.device, difference: float, seconds: float) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "packages": {name: version(name) for name in PACKAGES},
        "onnx_difference": difference,
        "seconds": round(seconds, 1),
        "peak_memory_mib": round(peak_memory_mib(), 1),
    }
