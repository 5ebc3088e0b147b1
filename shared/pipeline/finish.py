"""Finishing a run: decision rule, export, record, evaluation and report of a trained network."""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from shared.config.describe import to_yaml
from shared.config.schema import Config, Screening, Selective
from shared.data.auxiliary_labels import auxiliary_labels
from shared.data.partition import SplitData
from shared.data.split import Split
from shared.evaluation.abstention import abstention, abstention_warning
from shared.evaluation.auxiliary import evaluate_auxiliary
from shared.evaluation.calibration import fit_temperature, softmax
from shared.evaluation.cases import UsageContext
from shared.evaluation.decision.decide import Decision, decide
from shared.evaluation.decision.ood import FILE, Reference
from shared.evaluation.decision.ood_threshold import choose_rule
from shared.evaluation.decision.operating_point import OperatingPoint
from shared.evaluation.evaluate import evaluate
from shared.io.atomic import file_hash, write_array, write_json, write_text, writing
from shared.models.onnx_export import export_onnx
from shared.models.weights import WeightsReport
from shared.pipeline.preflight import Experiment
from shared.pipeline.scores import Scores, familiar_by_class, familiar_scores, reference_features, score_split
from shared.processes.memory import peak_memory_mib
from shared.reporting.finished import Finished
from shared.reporting.run_report import write_report
from shared.runs.acquisition import seen_in
from shared.runs.folder import finish, is_finished, read_training_digests, write_training_digests
from shared.runs.predictions import write_predictions
from shared.runs.record import ModelRecord
from shared.samples import SPLITS, global_group_digest, image_digest
from shared.task import positive_classes
from shared.training.job import Job
from shared.training.selection import LAST

logger = logging.getLogger(__name__)

PACKAGES = ("numpy", "torch", "torchvision", "onnxruntime", "pydicom", "monai", "accelerate", "captum")
EXPORT_CHECK_IMAGES = 8
"""Validation images on which the exported network is compared with the network, at most."""
NOT_CERTIFIED = "Nothing is certified: images or patients of validation were seen in training"
EVALUATED = SPLITS[1:]
"""Validation and test."""


@dataclass(frozen=True)
class Trained:
    """A trained network with its data.

    Attributes:
        data: The samples and their splits.
        splits: Labelled images of training, validation and test.
        seen: All images of training, validation and test, with those of an unlabelled target.
        job: The job, with the trained network.
        weights: Report of the pretrained weights that were loaded.
        history: Rows of `metrics.jsonl`: candidates of a search, then epochs.
    """

    data: SplitData
    splits: Mapping[str, Split]
    seen: Mapping[str, Split]
    job: Job
    weights: WeightsReport
    history: list[dict[str, Any]]


def finish_run(experiment: Experiment, trained: Trained, started: float) -> None:
    """Chooses the decision rule on validation, evaluates the test set once, and writes the run folder.

    Args:
        experiment: The checked configuration.
        trained: The trained network with its data.
        started: `time.monotonic()` when the run began.

    Raises:
        ExportError: The exported network differs from the network.
        DataError: Validation lacks the images that the decision rule is chosen on.
    """
    job, splits = trained.job, trained.splits
    reference = reference_features(experiment.strategy, job, experiment.config.seed)
    scores = {name: score_split(experiment.strategy, job, splits[name], reference) for name in EVALUATED}
    temperature = fit_temperature(scores["validation"].classes, splits["validation"].labels)
    with torch.no_grad():
        job.network.temperature.fill_(temperature)
    probabilities = {name: softmax(found.classes / temperature) for name, found in scores.items()}
    decision = _decide(experiment, trained, probabilities["validation"])
    ood_rule = _ood_rule(experiment, trained, scores["validation"].ood, reference)
    difference = _export(job, splits["validation"], reference)
    pretraining = _pretraining_digests(experiment.config)
    sound = trained.data.sound and not _digests(splits["validation"]) & pretraining
    record = _record(experiment, trained, temperature, decision, ood_rule, sound=sound)
    environment = _environment(job.device, difference, time.monotonic() - started)
    _write(trained, record, probabilities, scores, pretraining, environment)
    context = _usage_context(experiment)
    results = _results(trained, record, probabilities, scores, context)
    warn_of_abstention(results, experiment.task.positive_name)
    finished = Finished(
        record=record,
        config=_without_folders(experiment.config),
        usage=context,
        notes=(*trained.data.notes, *_pretraining_leaks(splits["test"], pretraining)),
        splits=splits,
        probabilities=probabilities,
        uncalibrated=softmax(scores["test"].classes),
        results=results,
        history=trained.history,
        environment=environment,
        network=job.network,
        explained_images=experiment.explained_images,
        published=_published(experiment.config),
    )
    write_report(experiment.task, job.folder, finished, job.progress)
    (job.folder / "checkpoint.pt").unlink(missing_ok=True)
    finish(job.folder, experiment.task.name)


def warn_of_abstention(results: Mapping[str, Mapping[str, Any]], positive_name: str | None) -> None:
    """Logs a warning for each split on which abstention falls on the positive class.

    Args:
        results: Measures by split, each with its `abstention`.
        positive_name: Name of the positive event; None: the task has none.
    """
    for name, found in results.items():
        if warning := abstention_warning(found["abstention"], positive_name):
            logger.warning("%s: %s.", name, warning)


def _decide(experiment: Experiment, trained: Trained, probabilities: NDArray[np.float64]) -> Decision:
    """Chooses threshold, aggregation and certificate on validation."""
    validation, rule = trained.splits["validation"], experiment.decision
    return decide(
        probabilities,
        validation.labels,
        validation.grouping,
        np.array(positive_classes(experiment.task, trained.job.classes)),
        choices=models_tried(experiment.config, trained.history),
        **decision_targets(rule),
    )


def decision_targets(rule: Screening | Selective) -> dict[str, Any]:
    """Translates a decision section into keyword arguments of `shared.evaluation.decision.decide.decide`.

    Args:
        rule: Either kind of section; keys of the other kind have their defaults.

    Returns:
        `target` (sensitivity), `error_rate` (largest selective risk) and `threshold`.
    """
    screening = rule if isinstance(rule, Screening) else Screening()
    selective = rule if isinstance(rule, Selective) else Selective()
    return {
        "target": screening.sensitivity,
        "error_rate": selective.max_selective_risk,
        "threshold": rule.threshold,
    }


def models_tried(config: Config, history: Sequence[Mapping[str, Any]]) -> int:
    """Counts the models among which validation chose, at least 1.

    These are the candidates of a search, and all epochs; one epoch only where the last is always kept.

    Args:
        config: The configuration, whose strategy states the selection rule.
        history: Rows of `metrics.jsonl`; rows of epochs have a "phase".
    """
    heads = sum("phase" not in row for row in history)
    epochs = 1 if config.strategy.get("selection") == LAST else len(history) - heads
    return max(1, heads + epochs)


def _ood_rule(
    experiment: Experiment, trained: Trained, validation: NDArray[np.float64], reference: Reference
) -> dict[str, Any]:
    """Chooses on validation the out-of-distribution score from which on an input gets no answer."""
    seed, rate, target = experiment.config.seed, experiment.decision.ood_false_positive_rate, trained.job.target
    split, task, classes = trained.splits["validation"], experiment.task, trained.job.classes
    familiar = familiar_scores(validation, split, seed)
    by_class, positive = familiar_by_class(validation, split, seed, classes, positive_classes(task, classes))
    if target is not None:  # inputs of the domain adapted to are familiar too; that needs no labels
        target_scores = score_split(experiment.strategy, trained.job, target.validation, reference).ood
        familiar = np.concatenate([familiar, familiar_scores(target_scores, target.validation, seed)])
    return choose_rule(familiar, by_class, positive, rate)


def _export(job: Job, validation: Split, reference: Reference) -> float:
    """Writes weights, exported network and out-of-distribution reference; returns the largest difference of outputs."""
    network, folder = job.network.cpu().eval(), job.folder
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with writing(folder / "model.safetensors") as partial:
        save_file(tensors, partial)
    write_array(folder / FILE, reference.features)
    count = min(EXPORT_CHECK_IMAGES, len(validation.samples))
    check = np.stack([validation.images[i] for i in range(count)])
    return export_onnx(network, job.spec, folder / "model.onnx", check)


def _pretraining_digests(config: Config) -> frozenset[str]:
    """Digests of all that the run saw whose weights this one began with; empty where they come from no run."""
    source = Path(config.backbone.weights)
    return read_training_digests(source) if is_finished(source) else frozenset()


def _digests(split: Split) -> set[str]:
    """Digests of the images of a split, and of its groups where a patient has an identifier across datasets."""
    groups = {digest for sample in split.samples if (digest := global_group_digest(sample)) is not None}
    return groups | {image_digest(image) for image in split.images}


def _pretraining_leaks(test: Split, pretraining: frozenset[str]) -> tuple[str, ...]:
    """A note on the test images and patients that the pretraining run saw; none where it saw none."""
    leaks = len(_digests(test) & pretraining)
    return (f"LEAK: {leaks} test images or patients were seen by the run that the weights come from.",) if leaks else ()


def _record(
    experiment: Experiment,
    trained: Trained,
    temperature: float,
    decision: Decision,
    ood_rule: Mapping[str, Any],
    *,
    sound: bool,
) -> ModelRecord:
    """The record of the model, `model.json`; without a certificate where validation was seen in training."""
    job, chosen = trained.job, decision.chosen
    screening = isinstance(chosen, OperatingPoint)
    certified = chosen.certified if sound else None
    judged = job.validation.samples
    point = {
        **asdict(chosen),
        "domains": sorted({sample.domain for sample in judged}),
        "acquisition": seen_in(judged),
        "statement": chosen.statement if sound else NOT_CERTIFIED,
    }
    return ModelRecord(
        task=experiment.task.name,
        classes=job.classes,
        positive=positive_classes(experiment.task, job.classes),
        preprocessing=job.spec,
        threshold=chosen.threshold,
        operating_point=point if screening else None,
        rejection=None if screening else point,
        aggregation=decision.aggregation,
        certified_sensitivity=certified if screening else None,
        certified_error=None if screening else certified,
        ood=ood_rule,
        temperature=temperature,
        backbone={
            "name": experiment.backbone.name,
            "layers": list(job.network.layers),
            "pooling": job.network.pooling,
            "size": job.network.backbone.input_size or job.spec.size,
            "weights": trained.weights.to_json(),
        },
        domains=tuple(sorted({sample.domain for sample in job.train.samples})),
        acquisition=seen_in(job.train.samples),
        synthetic=trained.data.dataset.synthetic,
        data_hash=job.fingerprint,
        weights_hash=file_hash(job.folder / "model.safetensors"),
        auxiliary={head.task: head.classes for head in job.network.auxiliary_heads()},
    )


def _write(
    trained: Trained,
    record: ModelRecord,
    probabilities: Mapping[str, NDArray[np.float64]],
    scores: Mapping[str, Scores],
    pretraining: frozenset[str],
    environment: Mapping[str, Any],
) -> None:
    """Writes record, training digests, metrics, predictions and environment into the run folder."""
    folder, splits = trained.job.folder, trained.splits
    write_json(folder / "model.json", record.to_json())
    write_training_digests(folder, pretraining.union(*(_digests(trained.seen[name]) for name in SPLITS[:2])))
    write_text(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in trained.history))
    write_predictions(
        folder,
        record.classes,
        {name: splits[name].samples for name in EVALUATED},
        {name: splits[name].grouping for name in EVALUATED},
        probabilities,
        {name: found.ood for name, found in scores.items()},
    )
    write_json(folder / "environment.json", environment)


def _results(
    trained: Trained,
    record: ModelRecord,
    probabilities: Mapping[str, NDArray[np.float64]],
    scores: Mapping[str, Scores],
    context: UsageContext,
) -> dict[str, dict[str, Any]]:
    """Measures of validation and test, by split."""
    results = {}
    for name in EVALUATED:
        split, found = trained.splits[name], scores[name]
        results[name] = _evaluate(split, probabilities[name], found.ood, record, context)
        if found.auxiliary:
            results[name]["auxiliary"] = _auxiliary(found.auxiliary, split, trained.job, record)
    return results


def _evaluate(
    split: Split,
    probabilities: NDArray[np.float64],
    ood: NDArray[np.float64],
    record: ModelRecord,
    context: UsageContext,
) -> dict[str, Any]:
    """Measures of one split under the decision rule of the record, abstention among them."""
    result = evaluate(
        probabilities,
        split.labels,
        record,
        grouping=split.grouping,
        domains=[sample.domain for sample in split.samples],
        usage=context,
    )
    return {
        **result,
        "abstention": abstention(probabilities, ood, split.labels, split.samples, split.grouping, record),
    }


def _auxiliary(
    scores: Mapping[str, NDArray[np.float64]], split: Split, job: Job, record: ModelRecord
) -> dict[str, dict[str, Any]]:
    """Measures of each auxiliary task on a split."""
    return {
        name: evaluate_auxiliary(
            softmax(rows), auxiliary_labels(split.samples, job.auxiliary, name, record.auxiliary[name]), split.grouping
        )
        for name, rows in scores.items()
    }


def _usage_context(experiment: Experiment) -> UsageContext:
    """Prevalence and cost of a miss where the model will be used."""
    rule = experiment.decision
    return UsageContext(rule.prevalence, rule.miss_cost) if isinstance(rule, Screening) else UsageContext()


def _published(config: Config) -> dict[str, Any] | None:
    """A paper's results with this backbone, as the configuration states them."""
    published = config.published.get(config.backbone.name)
    return None if published is None else published.model_dump()


def _without_folders(config: Config) -> str:
    """The configuration as YAML for a report, which may be passed on: paths are cut to their last part."""
    data = config.data
    names: dict[str, Any] = {
        "source": data.source and Path(data.source).name,
        "exclude_copies_of": data.exclude_copies_of and Path(data.exclude_copies_of).name,
        "collections": {name: Path(path).name for name, path in data.collections.items()},
    }
    backbone = config.backbone.model_copy(update={"weights": Path(config.backbone.weights).name})
    return to_yaml(config.model_copy(update={"data": data.model_copy(update=names), "backbone": backbone}))


def _environment(device: torch.device, difference: float, seconds: float) -> dict[str, Any]:
    """Machine, versions, time and memory of the run, and by how much the exported network differs."""
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
