"""Evaluation of a finished run on data that it was not trained on, by ONNX Runtime. Nothing here imports torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.data.copies import Kind, copies_text
from shared.data.group_split import group_units
from shared.data.loading import load_told
from shared.data.partition import audit_note, audited
from shared.data.unjudged import are_positive, find_unjudged, left_out_note
from shared.errors import DataError, InputRefused
from shared.evaluation.abstention import abstention, abstention_rows, abstention_text, abstention_warning
from shared.evaluation.cases import UsageContext
from shared.evaluation.decision.kinds import judged_kinds
from shared.evaluation.evaluate import evaluate
from shared.evaluation.finding_size import FindingSize, finding_size
from shared.evaluation.missed import missed
from shared.evaluation.missed_text import missed_lines
from shared.evaluation.text import disclaimers, measure_rows, summary_lines
from shared.evaluation.unjudged import silenced
from shared.io.atomic import read_json
from shared.prediction.predictor import Predictor
from shared.progress import Progress
from shared.runs.record import ModelRecord
from shared.runs.verdict import verdict_of
from shared.samples import NO_MEANINGS, Grouping, Meanings, Sample
from shared.task import Image, Task

ONLY_IDENTICAL = (
    "Of the images that the model was trained on before it was packed, identical ones alone are recognised: neither "
    "altered copies nor other images of the same groups, for it holds no pictures. Such images flatter the model."
)


def assess_data(
    task: Task,
    run: Path,
    source: Path,
    *,
    usage: UsageContext,
    progress: Progress,
    known_only: bool = False,
    meanings: Meanings = NO_MEANINGS,
) -> dict[str, Any]:
    """Evaluates a run on labelled data at its own threshold; images that it was trained on are left out.

    Left out are also those that `predict` leaves out of their series, or refuses alone. A positive one of these stays
    and counts as missed in all measures of images; its series and patient stay positive, and other images answer for
    them.

    Args:
        task: The application.
        run: A finished run folder.
        source: Folder, zip or manifest of the data.
        usage: Prevalence and costs where the model will be used.
        progress: Called with (what, done, total, note).
        known_only: Whether images of classes that the run does not know are left out, and counted.
        meanings: What folders and labels of the data mean that the application does not know.

    Returns:
        `verdict`, `summary` and `notes` (lists of sentences), `data_hash` (None where the data are those of the run),
        `synthetic` (whether the data are), `coverage` (numbers of images: `assessed`, `refused`, `refused_positive`,
        `seen_in_training`, `group_seen_in_training`, `left_out`, as `predict` leaves them out, and `left_out_positive`,
        which are among the assessed and count as missed; and, by kind, `copies`), `negative_series` (those judged, by
        kind, as `shared.evaluation.decision.kinds.judged_kinds` lists them), and `test` as
        `shared.evaluation.evaluate.evaluate` gives it, with its `abstention` and, with a positive class, `missed`.

    Raises:
        UsageError: The run is unfinished or of another application.
        RunError: The run is damaged.
        MeaningError: A folder or label of the data is not known, and `meanings` does not say what it is.
        DataError: No image is left, or the data have classes that the run does not know and that cannot be compared.
    """
    predictor = Predictor(run, task.name, task.preprocess)
    record = predictor.record
    dataset = load_told(task, {"": source}, meanings, record.preprocessing.options)[""]
    labelled = [sample for sample in dataset.samples if sample.label is not None]
    samples = [sample for sample in labelled if not known_only or sample.label in record.classes]
    scored = _without_unjudged(task, _score(task, predictor, samples, progress), progress)
    found = audited(task, replace(dataset, samples=tuple(scored.samples)), progress)
    grouping = Grouping.of(scored.samples, group_units(scored.samples, found.clusters).tolist(), scored.unjudged)
    result = _evaluate(task, record, scored, grouping, usage)
    notes = [
        *dataset.notes,
        scored.left_out_note(len(samples)),
        *([ONLY_IDENTICAL] if len(predictor.seen.digests) else []),
        audit_note(found, grouped=all(sample.has_known_group for sample in dataset.samples)),
        *([f"{len(labelled) - len(samples)} images of other classes were left out."] if known_only else []),
        *([scored.unjudged_note(task)] if scored.left_out else []),
        f"{len(scored.refused)} were refused, {scored.refused_positive(task)} of them positive.",
        f"{abstention_text(result['abstention'], task.positive_name)}.",
        *_abstention_by_class(task, result["abstention"]),
    ]
    warning = abstention_warning(result["abstention"], task.positive_name)
    summary = summary_lines(measure_rows({"test": result}), measure_rows({"test": result.get("by_group", {})}))
    unit = task.group_name if grouping.named else "series" if task.series_kinds else "image"
    summary += missed_lines(result, unit, task.positive_name)
    found_here = verdict_of(record, {**read_json(run / "report.json"), "test": result})
    return {
        "verdict": list(found_here.lines[:-1]),
        "synthetic": dataset.synthetic,
        "data_hash": None if dataset.fingerprint == record.data_hash else dataset.fingerprint,
        "summary": [*disclaimers(task, record.synthetic), *([f"{warning}."] if warning else []), *summary],
        "notes": notes,
        "coverage": {
            "assessed": len(scored.samples),
            "refused": len(scored.refused),
            "refused_positive": scored.refused_positive(task),
            "seen_in_training": len(scored.copies),
            "group_seen_in_training": scored.same_group,
            "left_out": scored.left_out,
            "left_out_positive": sum(scored.unjudged),
            "copies": dict(Counter(scored.copies)),
        },
        "negative_series": _negative_series(task, scored.samples),
        "test": result,
    }


def _negative_series(task: Task, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """The negative series that were judged, by kind; none without a positive event."""
    if task.positive_name is None:
        return []
    truth = np.array([task.is_positive(str(sample.label)) for sample in samples], dtype=np.bool_)
    return judged_kinds(samples, truth, task.series_kinds)


def _abstention_by_class(task: Task, tree: Mapping[str, Any]) -> list[str]:
    """One sentence on the share of each class that is not assessed, where any is."""
    if not tree["not_assessed"]:
        return []
    rows = [
        f"{row['class']} {row['not_assessed']} of {row['inputs']}, {row['share']}"
        for row in abstention_rows(tree, task.display_name)
    ]
    return [f"Not assessed, by class: {'; '.join(rows)}."]


@dataclass
class _Scored:
    """The images that were scored, and those that were not.

    Attributes:
        samples: Scored images.
        probabilities: float64 [classes] of each scored image.
        ood: Out-of-distribution score of each scored image.
        sizes: Size of the marked finding of each scored image; None where it is not known.
        refused: Images that cannot be read or are blank.
        copies: Kind of each image that is a copy of one in training or validation.
        same_group: Number of images of groups (patients) that the run was trained on.
        unjudged: Whether `predict` leaves out each scored image: a positive one, which counts as missed.
        left_out: Number of images that `predict` leaves out, whether positive or not.
    """

    samples: list[Sample] = field(default_factory=list)
    probabilities: list[NDArray[np.float64]] = field(default_factory=list)
    ood: list[float] = field(default_factory=list)
    sizes: list[FindingSize | None] = field(default_factory=list)
    refused: list[Sample] = field(default_factory=list)
    copies: list[Kind] = field(default_factory=list)
    same_group: int = 0
    unjudged: list[bool] = field(default_factory=list)
    left_out: int = 0

    def unjudged_note(self, task: Task) -> str:
        """A sentence on the images that were left out because `predict` leaves them out."""
        lost = sum(self.unjudged)
        return left_out_note(task, "the data", len(self.samples) + self.left_out - lost, self.left_out, lost)

    def refused_positive(self, task: Task) -> int:
        """The number of refused images that are positive."""
        return sum(task.is_positive(str(sample.label)) for sample in self.refused)

    def left_out_note(self, total: int) -> str:
        """Sentences on the images that were left out because the run was trained on them.

        Args:
            total: Number of images, with those left out.
        """
        kinds = f" ({copies_text(self.copies)})" if self.copies else ""
        return (
            f"{len(self.copies)} of {total} images are copies of images in training or validation of the run{kinds}, "
            f"and {self.same_group} are of groups there; they were left out. Groups are recognised only where all data "
            "have one identifier for them, under the same salt."
        )


def _score(task: Task, predictor: Predictor, samples: Sequence[Sample], progress: Progress) -> _Scored:
    """Scores the images that the run was not trained on.

    Raises:
        DataError: No image is left.
    """
    scored, seen = _Scored(), predictor.seen
    for done, sample in enumerate(samples, start=1):
        try:
            pixels = task.read(sample)
            if pixels.min() == pixels.max():
                raise InputRefused("is blank")  # as `predict` refuses it
            image = task.preprocess(pixels, predictor.record.preprocessing)
        except (DataError, InputRefused):
            scored.refused.append(sample)
        else:
            if seen.has_group_of(sample):
                scored.same_group += 1
            elif kind := seen.copies(seen.describe(pixels)[np.newaxis])[0]:
                scored.copies.append(kind)
            else:
                (row,), (ood,) = predictor.judge([image])
                scored.samples.append(sample)
                scored.probabilities.append(row)
                scored.ood.append(float(ood))
                scored.sizes.append(_size(task, predictor.record, sample, image))
        progress("judging", done, len(samples), "")
    if not scored.samples:
        raise DataError(
            f"none of {len(samples)} images is left: {len(scored.copies)} are copies of images seen in training, "
            f"{scored.same_group} are of groups that were, {len(scored.refused)} were refused"
        )
    return scored


def _without_unjudged(task: Task, scored: _Scored, progress: Progress) -> _Scored:
    """Drops the images that `predict` leaves out, but for positive ones, which are marked.

    Raises:
        DataError: No image is left.
    """
    flags = find_unjudged(task, scored.samples, progress, "data")
    if flags.all():
        raise DataError(f"none of the {len(flags)} images that the run was not trained on would be judged by predict")
    kept = np.flatnonzero(~flags | are_positive(task, scored.samples)).tolist()
    return replace(
        scored,
        samples=[scored.samples[i] for i in kept],
        probabilities=[scored.probabilities[i] for i in kept],
        ood=[scored.ood[i] for i in kept],
        sizes=[scored.sizes[i] for i in kept],
        unjudged=[bool(flags[i]) for i in kept],
        left_out=int(flags.sum()),
    )


def _size(task: Task, record: ModelRecord, sample: Sample, image: Image) -> FindingSize | None:
    """The size of the marked finding of a positive image; no other mask is read."""
    is_measured = task.positive_name is not None and task.is_positive(str(sample.label))
    return finding_size(task, sample, image, record.preprocessing) if is_measured else None


def _evaluate(
    task: Task, record: ModelRecord, scored: _Scored, grouping: Grouping, usage: UsageContext
) -> dict[str, Any]:
    """The measures of the scored images, and their abstention."""
    names = [str(sample.label) for sample in scored.samples]
    raw, labels, common = in_common_classes(task, record, np.stack(scored.probabilities), names)
    probabilities = silenced(raw, labels, common.positive, grouping)
    rows = grouping.judged(np.arange(len(names)))
    judged, ood = [scored.samples[i] for i in rows], np.array(scored.ood)[rows]
    domains = [sample.domain for sample in scored.samples]
    result = evaluate(probabilities, labels, common, grouping=grouping, domains=domains, usage=usage)
    misses = missed(probabilities, labels, scored.samples, scored.sizes, common, grouping)
    return {
        **result,
        "abstention": abstention(probabilities[rows], ood, labels[rows], judged, grouping.at(rows.tolist()), common),
        **({} if misses is None else {"missed": misses}),
    }


def in_common_classes(
    task: Task, record: ModelRecord, probabilities: NDArray[np.float64], names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64], ModelRecord]:
    """Brings probabilities and labels to classes that run and data share.

    Where the data have other classes, only whether an image is positive can be compared.

    Args:
        task: The application.
        record: The run's model record.
        probabilities: float64 [N, classes] of the run, 0 to 1.
        names: [N] true class of each image.

    Returns:
        Probabilities float64 [N, common classes], labels int64 [N], and the record with the common classes. They are
        the run's own where it knows all names; else two, without and with the positive event.

    Raises:
        DataError: The data have other classes, and the task has no positive event.
    """
    unknown = sorted(set(names) - set(record.classes))
    if not unknown:
        return probabilities, np.array([record.classes.index(name) for name in names]), record
    if task.positive_name is None:
        raise DataError(
            f"the run does not know {', '.join(unknown[:5])}; it knows {', '.join(record.classes[:50])}; "
            "leave others out with --known-only"
        )
    scores = probabilities[:, np.array(record.positive)].sum(axis=1)
    labels = np.array([int(task.is_positive(name)) for name in names])
    common = replace(record, classes=(f"no {task.positive_name}", task.positive_name), positive=(False, True))
    return np.stack([1.0 - scores, scores], axis=1), labels, common
