"""Where the network of a run comes from, as its record, certificate and report state it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.config.describe import to_yaml, without_folders
from shared.data.copies import copy_rule_of
from shared.data.partition import SplitData
from shared.models.network import Network
from shared.models.weights import WeightsReport
from shared.pipeline.decision import models_tried
from shared.pipeline.fit import Fitted
from shared.pipeline.preflight import Experiment
from shared.runs.folder import is_finished
from shared.runs.seen import Seen
from shared.task import Preprocessing

NOT_CERTIFIED = "Nothing is certified: images or groups of validation were seen in training"
FOLDS_CERTIFY_NOTHING = "Nothing is certified: no labelled image beside the test was kept from the model that answers"


@dataclass(frozen=True)
class Origin:
    """Where the network of a run comes from: one training, or several runs whose mean it is.

    Attributes:
        backbone: What `shared.runs.record.ModelRecord.backbone` holds.
        config: The configuration as YAML for a report, which may be passed on: paths are cut to their last part.
        choices: Number of models among which validation chose the network, at least 1.
        seen: What other runs had seen from which the network comes.
        uncertified: Why validation certifies nothing, in one sentence without a full stop; None where it does.
        notes: Sentences that the report must show, beside those on the data.
        published: A published result with this network, as in a configuration; None: there is none.
    """

    backbone: Mapping[str, Any]
    config: str
    choices: int
    seen: Seen
    uncertified: str | None
    notes: tuple[str, ...] = ()
    published: Mapping[str, Any] | None = None


def origin_of_training(experiment: Experiment, data: SplitData, fitted: Fitted) -> Origin:
    """Describes where a network comes from that was trained here.

    Args:
        experiment: The checked configuration.
        data: The samples and their splits.
        fitted: The trained network.
    """
    config, rule = experiment.config, copy_rule_of(experiment.task)
    source = Path(config.backbone.weights)
    pretraining = Seen.read(source, rule) if is_finished(source) else Seen.none(rule)
    published = config.published.get(config.backbone.name)
    return Origin(
        backbone=describe_trunk(fitted.job.network, fitted.job.spec, fitted.weights),
        config=to_yaml(without_folders(config)),
        choices=models_tried(config, fitted.history),
        seen=pretraining,
        uncertified=_uncertified(data, pretraining),
        notes=_pretraining_leaks(data, pretraining),
        published=None if published is None else published.model_dump(),
    )


def describe_trunk(network: Network, spec: Preprocessing, weights: WeightsReport) -> dict[str, Any]:
    """Describes the backbone of a network for the model record: name, layers, pooling, size, whether it also sees
    mirror images, and weights.

    Args:
        network: The network, which has one backbone.
        spec: Preprocessing of its images.
        weights: Report of the weights that it began with.
    """
    return {
        "name": network.backbone.record.name,
        "layers": list(network.layers),
        "pooling": network.pooling,
        "size": network.backbone.input_size or spec.size,
        "mirrored": network.mirrored,
        "weights": weights.to_json(),
    }


def _uncertified(data: SplitData, pretraining: Seen) -> str | None:
    """Why validation certifies nothing, in one sentence without a full stop; None where it does."""
    if data.folds is not None:
        return FOLDS_CERTIFY_NOTHING
    sound = data.sound and not _seen_before(data, "validation", pretraining)
    return None if sound else NOT_CERTIFIED


def _seen_before(data: SplitData, split: str, pretraining: Seen) -> list[str]:
    """How each image of a split is known that the pretraining run has seen: by its kind of copy, or by its group."""
    rows = data.splits[split]
    kinds = pretraining.copies(data.descriptors[rows])
    samples = [data.dataset.samples[i] for i in rows]
    groups = ["group" if pretraining.has_group_of(sample) else None for sample in samples]
    return [how for kind, group in zip(kinds, groups, strict=True) if (how := kind or group)]


def _pretraining_leaks(data: SplitData, pretraining: Seen) -> tuple[str, ...]:
    """A note on the test images and groups that the pretraining run saw; none where it saw none."""
    known = _seen_before(data, "test", pretraining)
    if not known:
        return ()
    how = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(known).items()))
    return (f"LEAK: {len(known)} test images or groups were seen by the run that the weights come from ({how}).",)
