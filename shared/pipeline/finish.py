"""Finishing a run: decision rule, export, record, evaluation and report of a trained network."""

from __future__ import annotations

import json
import logging
import platform
import shutil
import sys
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

from shared.config.schema import Config, Screening
from shared.data.auxiliary_labels import auxiliary_labels
from shared.data.copies import copy_rule_of
from shared.data.loading import is_synthetic
from shared.data.split import Split
from shared.evaluation.abstention import abstention, abstention_warning
from shared.evaluation.auxiliary import evaluate_auxiliary
from shared.evaluation.calibration import fit_temperature, softmax
from shared.evaluation.cases import UsageContext
from shared.evaluation.decision.decide import Decision
from shared.evaluation.decision.ood import Reference
from shared.evaluation.decision.operating_point import OperatingPoint
from shared.evaluation.evaluate import evaluate
from shared.evaluation.finding_size import FindingSize, finding_sizes
from shared.evaluation.missed import missed
from shared.evaluation.unjudged import silenced
from shared.io.atomic import file_hash, write_json, write_text, writing
from shared.models.licences import IMAGES_UNKNOWN, licences_of_first_weights
from shared.models.onnx_export import export_onnx
from shared.models.onnx_properties import write_properties
from shared.pipeline.cross_fitting import FOLDER
from shared.pipeline.decision import choose_decision, choose_ood_rule, negative_series
from shared.pipeline.origin import Origin
from shared.pipeline.preflight import Experiment
from shared.pipeline.scores import Scores, neighbours, reference_features, score_split
from shared.pipeline.trained import Trained
from shared.processes.memory import peak_memory_mib
from shared.reporting.finished import Finished
from shared.reporting.run_report import write_numbers, write_report
from shared.runs.acquisition import seen_in
from shared.runs.folder import EXPORTED, finish
from shared.runs.predictions import write_predictions
from shared.runs.record import ModelRecord
from shared.runs.seen import Seen
from shared.samples import SPLITS
from shared.task import Task, positive_classes
from shared.training.compiled import STATE as COMPILED
from shared.training.job import Job
from shared.training.precision import STATE

logger = logging.getLogger(__name__)

PACKAGES = ("numpy", "torch", "torchvision", "onnxruntime", "pydicom", "monai", "accelerate", "captum")
REPORTING = "captum"
"""Package that explains the images of the report, which is written last: it may not be imported before."""
EXPORT_CHECK_IMAGES = 8
"""Validation images on which the exported network is compared with the network, at most."""
SHOWN_NEIGHBOURS = 4
"""Training images that the report shows beside a missed one."""
EVALUATED = SPLITS[1:]
"""Validation and test."""


def finish_run(experiment: Experiment, trained: Trained, origin: Origin, started: float, *, whole: bool = True) -> None:
    """Chooses the decision rule on validation, evaluates the test set once, and writes the run folder.

    Args:
        experiment: The checked configuration.
        trained: The trained network with its data.
        origin: Where the network comes from.
        started: `time.monotonic()` when the run began.
        whole: Whether the network is exported and a report with pictures written; else only numbers and weights are.

    Raises:
        ExportError: The exported network differs from the network.
        DataError: Validation lacks the images that the decision rule is chosen on.
    """
    job, splits = trained.job, trained.splits
    varied = experiment.decision.ood_varied
    reference = reference_features(experiment.strategy, job, experiment.config.seed, varied=varied)
    scores = _scores(experiment, trained, reference)
    validation = splits["validation"].judged()
    judged = scores["validation"].at(splits["validation"].judged_rows()) if "validation" in scores else None
    temperature = 1.0 if judged is None else fit_temperature(judged.classes, validation.labels)
    with torch.no_grad():
        job.network.temperature.fill_(temperature)
    probabilities = {name: _answers(experiment, trained, name, found, temperature) for name, found in scores.items()}
    decision = choose_decision(experiment, trained, probabilities.get("validation"), origin.choices)
    ood_rule = choose_ood_rule(experiment, trained, None if judged is None else judged.ood, reference)
    difference = _write_network(job, reference, whole=whole)
    record = _record(experiment, trained, origin, temperature, decision, ood_rule)
    if whole:
        licences = (*licences_of_first_weights(record), IMAGES_UNKNOWN)
        write_properties(job.folder / EXPORTED, record, job.folder.resolve().name, licences)
    environment = _environment(job, difference, time.monotonic() - started)
    sizes = _sizes(experiment, trained, scores)
    _write(trained, record, probabilities, scores, sizes, origin.seen, environment)
    context = _usage_context(experiment)
    results = _results(trained, record, probabilities, scores, sizes, context)
    warn_of_abstention(results, experiment.task.positive_name)
    finished = Finished(
        record=record,
        config=origin.config,
        usage=context,
        notes=(*trained.data.notes, *origin.notes),
        splits={name: splits[name] for name in (SPLITS[0], *scores)},
        probabilities=probabilities,
        uncalibrated=_answers(experiment, trained, "test", scores["test"]),
        results=results,
        chosen_by=_chosen_by(experiment, trained),
        domains_left_out=trained.data.folds is not None and trained.data.folds.each == "domain",
        history=trained.history,
        environment=environment,
        network=job.network,
        nearest=lambda rows: neighbours(
            experiment.strategy,
            job,
            splits["test"].of(np.asarray(rows)),
            reference,
            experiment.config.seed,
            SHOWN_NEIGHBOURS,
            varied=varied,
        ),
        device=job.device,
        explained_images=experiment.explained_images if whole else 0,
        published=origin.published,
    )
    (write_report if whole else write_numbers)(experiment.task, job.folder, finished, job.progress)
    (job.folder / "checkpoint.pt").unlink(missing_ok=True)
    shutil.rmtree(job.folder / FOLDER, ignore_errors=True)
    finish(job.folder, experiment.task.name, whole=whole)


def warn_of_abstention(results: Mapping[str, Mapping[str, Any]], positive_name: str | None) -> None:
    """Logs a warning for each split on which abstention falls on the positive class.

    Args:
        results: Measures by split, each with its `abstention`.
        positive_name: Name of the positive event; None: the task has none.
    """
    for name, found in results.items():
        if warning := abstention_warning(found["abstention"], positive_name):
            logger.warning("%s: %s.", name, warning)


def _scores(experiment: Experiment, trained: Trained, reference: Reference) -> dict[str, Scores]:
    """Scores of validation and test; of validation the out-of-fold ones where folds chose, none without folds."""
    job, splits, folds = trained.job, trained.splits, trained.data.folds
    judged = EVALUATED if folds is None else EVALUATED[1:]
    scores = {name: score_split(experiment.strategy, job, splits[name], reference) for name in judged}
    if trained.out_of_fold is None:
        return scores
    numbers = {sample.id: number for number, sample in enumerate(splits["train"].samples)}
    rows = np.array([numbers[sample.id] for sample in splits["validation"].samples], dtype=np.int64)
    return {"validation": trained.out_of_fold.at(rows), **scores}


def _answers(
    experiment: Experiment, trained: Trained, name: str, scores: Scores, temperature: float = 1.0
) -> NDArray[np.float64]:
    """Probabilities of a split; those of a positive image that `predict` leaves out find nothing."""
    split, positive = trained.splits[name], positive_classes(experiment.task, trained.job.classes)
    return silenced(softmax(scores.classes / temperature), split.labels, positive, split.grouping)


def _sizes(
    experiment: Experiment, trained: Trained, scores: Mapping[str, Scores]
) -> dict[str, list[FindingSize | None]]:
    """Sizes of the marked findings of the positive images, by split; their masks are read here and nowhere again."""
    job = trained.job
    positive = np.array(positive_classes(experiment.task, job.classes), dtype=np.bool_)
    found = {}
    for name in scores:
        split = trained.splits[name]
        flags = positive[split.labels]
        found[name] = finding_sizes(experiment.task, split.samples, flags, split.images, job.spec, job.progress)
    return found


def _chosen_by(experiment: Experiment, trained: Trained) -> tuple[str, ...]:
    """What chose the settings of the run where validation did not, in one sentence; empty for other runs."""
    folds = trained.data.folds
    if folds is not None and not folds.count:
        return (f"Few labels: {folds.statement}.",)
    return experiment.config.data.statements


def _write_network(job: Job, reference: Reference, *, whole: bool) -> float | None:
    """Writes weights and out-of-distribution reference, of a whole run also the exported network.

    Returns:
        The largest difference between the outputs of the exported network and the network; None where there is none.
    """
    network, folder = job.network.cpu().eval(), job.folder
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with writing(folder / "model.safetensors") as partial:
        save_file(tensors, partial)
    reference.write(folder)
    if not whole:
        return None
    count = min(EXPORT_CHECK_IMAGES, len(job.validation.samples))
    check = np.stack([job.validation.images[i] for i in range(count)])
    return export_onnx(network, job.spec, folder / EXPORTED, check)


def _record(
    experiment: Experiment,
    trained: Trained,
    origin: Origin,
    temperature: float,
    decision: Decision,
    ood_rule: Mapping[str, Any],
) -> ModelRecord:
    """The record of the model, `model.json`; without a certificate where its origin has a reason against one."""
    job, chosen, uncertified = trained.job, decision.chosen, origin.uncertified
    screening = isinstance(chosen, OperatingPoint)
    certified = chosen.certified if uncertified is None else None
    judged = job.validation.samples
    was_judged = trained.data.folds is None or trained.out_of_fold is not None
    point = {
        **asdict(chosen),
        "certified": certified,
        "domains": sorted({sample.domain for sample in judged}),
        "acquisition": seen_in(judged),
        "statement": chosen.statement if uncertified is None else uncertified,
    }
    return ModelRecord(
        task=experiment.task.name,
        classes=job.classes,
        positive=positive_classes(experiment.task, job.classes),
        preprocessing=job.spec,
        threshold=chosen.threshold,
        of_images=decision.of_images,
        operating_point=point if screening else None,
        rejection=None if screening else point,
        aggregation=decision.aggregation,
        aggregation_reason=decision.reason,
        negative_series=negative_series(experiment, trained, judged=was_judged),
        certified_sensitivity=certified if screening else None,
        certified_error=None if screening else certified,
        ood=ood_rule,
        temperature=temperature,
        backbone=origin.backbone,
        domains=tuple(sorted({sample.domain for sample in job.train.samples})),
        acquisition=seen_in(job.train.samples),
        synthetic=trained.data.dataset.synthetic,
        data_hash=job.fingerprint,
        weights_hash=file_hash(job.folder / "model.safetensors"),
        copy_rule=copy_rule_of(experiment.task),
        auxiliary={head.task: head.classes for head in job.network.auxiliary_heads()},
        data_names=data_names(experiment.task, experiment.config),
    )


def data_names(task: Task, config: Config) -> tuple[str, ...]:
    """Names the data of a configuration without the folders above them, which may be anything.

    Args:
        task: The application.
        config: The configuration.

    Returns:
        Each collection with its file or folder ("north (scans.zip)"), or the file or folder of the one source; empty
        for the synthetic dataset.
    """
    data = config.data
    if data.collections:
        return tuple(f"{name} ({Path(path).resolve().name})" for name, path in data.collections.items())
    return () if data.source is None or is_synthetic(task, data) else (Path(data.source).resolve().name,)


def _write(
    trained: Trained,
    record: ModelRecord,
    probabilities: Mapping[str, NDArray[np.float64]],
    scores: Mapping[str, Scores],
    sizes: Mapping[str, Sequence[FindingSize | None]],
    seen: Seen,
    environment: Mapping[str, Any],
) -> None:
    """Writes record, what was seen, metrics, predictions and environment into the run folder."""
    folder, splits = trained.job.folder, trained.splits
    write_json(folder / "model.json", record.to_json())
    learnt = np.concatenate([trained.data.splits[name] for name in SPLITS[:2]])
    own = Seen.of(record.copy_rule, trained.data.descriptors[learnt], [trained.data.dataset.samples[i] for i in learnt])
    seen.joined(own).write(folder)
    write_text(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in trained.history))
    write_predictions(
        folder,
        record.classes,
        {name: splits[name].samples for name in scores},
        {name: splits[name].grouping for name in scores},
        probabilities,
        {name: found.ood for name, found in scores.items()},
        sizes,
    )
    write_json(folder / "environment.json", environment)


def _results(
    trained: Trained,
    record: ModelRecord,
    probabilities: Mapping[str, NDArray[np.float64]],
    scores: Mapping[str, Scores],
    sizes: Mapping[str, Sequence[FindingSize | None]],
    context: UsageContext,
) -> dict[str, dict[str, Any]]:
    """Measures of validation and test, by split."""
    results = {}
    for name, found in scores.items():
        split = trained.splits[name]
        results[name] = _evaluate(split, probabilities[name], found.ood, record, context)
        if (
            misses := missed(probabilities[name], split.labels, split.samples, sizes[name], record, split.grouping)
        ) is not None:
            results[name]["missed"] = misses
        if (left_out := trained.data.left_out.get(name)) is not None:
            results[name]["left_out"] = {"images": left_out.count, "positive": len(left_out.positive)}
        if found.auxiliary:
            rows = split.judged_rows()
            results[name]["auxiliary"] = _auxiliary(found.at(rows).auxiliary, split.judged(), trained.job, record)
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
    judged, rows = split.judged(), split.judged_rows()
    return {
        **result,
        "abstention": abstention(
            probabilities[rows], ood[rows], judged.labels, judged.samples, judged.grouping, record
        ),
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


def _environment(job: Job, difference: float | None, seconds: float) -> dict[str, Any]:
    """Machine, precision, versions, time and memory of the run, and what was compiled in it.

    By how much the exported network differs stands beside them, where there is one.
    """
    device = job.device
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "precision": job.state.get(STATE),
        "compiled": job.state.get(COMPILED, []),
        "packages": {name: version(name) for name in PACKAGES if name in {*sys.modules, REPORTING}},
        "onnx_difference": difference,
        "seconds": round(seconds, 1),
        "peak_memory_mib": round(peak_memory_mib(), 1),
    }
