"""A finished run put to other data than it was made of, by ONNX Runtime. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.data.group_split import group_units
from shared.data.partition import audit_note, audited
from shared.errors import DataError, InputRefused
from shared.evaluation.abstention import abstention, abstention_in_words
from shared.evaluation.measures import UsageContext, evaluate
from shared.evaluation.text import disclaimers, rows_of, summary_lines
from shared.prediction.predictor import Predictor
from shared.progress import Progress
from shared.runs.record import ModelRecord
from shared.samples import Grouping, Sample, global_group_digest, image_digest
from shared.task import Task


def assess_data(
    task: Task, run: Path, source: Path, *, stakes: UsageContext, progress: Progress, known_only: bool = False
) -> dict[str, Any]:
    """Evaluates a run on labelled data at its own threshold; images that it has seen are left out.

    Args:
        task: The application.
        run: A finished run.
        source: Folder, zip or manifest.
        stakes: Of the use that the model is meant for.
        progress: Called with (what, done, total, note).
        known_only: Whether images of classes that the run does not know are left out, and counted.

    Returns:
        `summary` and `notes` (sentences), `coverage`, and under `test` what `shared.evaluation.measures.evaluate` says.

    Raises:
        RunError: The run is unfinished, damaged or another application's.
        DataError: No image is left, or the data has classes that the run does not know and cannot be judged by.
    """
    predictor = Predictor(run, task.name, task.preprocess)
    record, seen = predictor.record, predictor.seen
    dataset = task.load(source, options=record.preprocessing.options)
    labelled = [sample for sample in dataset.samples if sample.label is not None]
    samples = [sample for sample in labelled if not known_only or sample.label in record.classes]
    kept: list[Sample] = []
    rows: list[NDArray[np.float64]] = []
    ood: list[float] = []
    refused: list[Sample] = []
    copies = same_group = 0
    for done, sample in enumerate(samples, start=1):
        try:
            pixels = task.read(sample)
            if pixels.min() == pixels.max():
                raise InputRefused("is blank")  # as `predict` refuses it
            image = task.preprocess(pixels, record.preprocessing)
        except (DataError, InputRefused):
            refused.append(sample)
        else:
            if global_group_digest(sample) in seen:
                same_group += 1
            elif image_digest(image) in seen:
                copies += 1
            else:
                (row,), (strange,) = predictor.judge([image])
                rows.append(row)
                ood.append(float(strange))
                kept.append(sample)
        progress("judging", done, len(samples), "")
    if not kept:
        raise DataError(
            f"none of {len(samples)} images is left: {copies} were seen in training, {same_group} are of patients or "
            f"other groups that were, {len(refused)} refused"
        )
    found = audited(task, replace(dataset, samples=tuple(kept)), progress)
    probabilities, labels, classes, positive = _in_common(task, record, np.stack(rows), kept)
    belonging = Grouping.of(kept, group_units(kept, found.clusters).tolist())
    result = evaluate(
        probabilities,
        labels,
        classes,
        positive=positive,
        belonging=belonging,
        domains=[sample.domain for sample in kept],
        threshold=record.threshold,
        aggregation=record.aggregation,
        stakes=stakes,
    )
    common = replace(record, classes=classes, positive=tuple(positive.tolist()))
    result["abstention"] = abstention(probabilities, np.array(ood), labels, kept, belonging, common)
    coverage = {
        "assessed": len(kept),
        "refused": len(refused),
        "refused_positive": sum(task.is_positive(str(sample.label)) for sample in refused),
        "seen_in_training": copies,
        "group_seen_in_training": same_group,
    }
    notes = [
        *dataset.notes,
        f"{copies} of {len(samples)} images stood in training or validation of the run, pixel for pixel, and "
        f"{same_group} are of groups (patients) that did; they were left out. Near duplicates were not looked for, and "
        "patients are known again by their DICOM PatientID only, under the same salt.",
        audit_note(found),
        *([f"{len(labelled) - len(samples)} images of other classes were left out."] if known_only else []),
        f"{len(refused)} were refused, {coverage['refused_positive']} of them positive.",
        f"{abstention_in_words(result['abstention'], task.positive_name)}.",
    ]
    summary = summary_lines(rows_of({"test": result}), rows_of({"test": result.get("by_group", {})}))
    return {
        "summary": [*disclaimers(task, record.synthetic), *summary],
        "notes": notes,
        "coverage": coverage,
        "test": result,
    }


def _in_common(
    task: Task, record: ModelRecord, probabilities: NDArray[np.float64], samples: Sequence[Sample]
) -> tuple[NDArray[np.float64], NDArray[np.int64], tuple[str, ...], NDArray[np.bool_]]:
    """Probabilities, labels, class names and positive flags in the classes that run and data share.

    Where the data names other classes, only whether a sample is positive can be compared.
    """
    positive = np.array(record.positive)
    names = [str(sample.label) for sample in samples]
    unknown = sorted(set(names) - set(record.classes))
    if not unknown:
        return probabilities, np.array([record.classes.index(name) for name in names]), record.classes, positive
    if task.positive_name is None:
        raise DataError(
            f"the run does not know {', '.join(unknown[:5])}; it knows {', '.join(record.classes[:50])}; "
            "leave others out with --known-only"
        )
    scores = probabilities[:, positive].sum(axis=1)
    labels = np.array([int(task.is_positive(name)) for name in names])
    classes = (f"no {task.positive_name}", task.positive_name)
    return np.stack([1.0 - scores, scores], axis=1), labels, classes, np.array([False, True])
