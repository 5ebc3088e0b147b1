"""From data to what zero-shot works on: features of a backbone or of a finished run, and their classes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.data.loading import load_dataset
from shared.data.partition import split_data
from shared.data.split import Split
from shared.errors import ConfigError, UsageError
from shared.features.cache import FeatureRequest, cached_features
from shared.models.network import Network
from shared.models.restore import load_trained
from shared.models.weights import require_weights
from shared.pipeline.build import build_network, read_splits, stated_features
from shared.pipeline.preflight import Experiment
from shared.progress import Progress
from shared.runs.folder import is_finished, read_training_digests
from shared.runs.record import read_model_record
from shared.samples import Sample, global_group_digest, image_digest
from shared.task import Image, Preprocessing
from shared.zero_shot.attributes import AttributeTable
from shared.zero_shot.metrics import Flags
from shared.zero_shot.protocol import ClassSemantics, FeatureSet


@dataclass(frozen=True)
class RenderedPrototypes:
    """Printed images of classes.

    Attributes:
        images: As the task preprocesses them.
        labels: Class of each.
        digest: Over all that determines the images, for the cache of their features.
    """

    images: Sequence[Image]
    labels: Sequence[str]
    digest: str


@dataclass(frozen=True)
class SideInformation:
    """What an application knows of its classes without a picture of them.

    Attributes:
        table: Attributes of all classes.
        prints: RenderedPrototypes of some classes on the grid of a preprocessing; None where classes cannot be printed.
    """

    table: AttributeTable
    prints: Callable[[Sequence[str], Preprocessing], RenderedPrototypes] | None = None


@dataclass(frozen=True)
class Data:
    """Features by split, and what is known of their classes.

    Attributes:
        classes: All of the data.
        splits: By split.
        known: Of the classes.
        notes: What must be said of the data and of what coded them.
        synthetic: Whether images or network are of synthetic data.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, FeatureSet]
    known: ClassSemantics
    notes: tuple[str, ...]
    synthetic: bool


@dataclass(frozen=True)
class FeatureExtractor:
    """What turns images into features.

    Attributes:
        network: Its code is taken, its head is not used.
        spec: The preprocessing of its images.
        run: Name of the finished run that its weights are of; None where they are of none.
        learnt: Classes that this run learnt: they are unseen no more.
        digests: What it has seen, as `shared.runs.folder.read_training_digests` gives it.
        synthetic: Whether it was trained on synthetic images.
    """

    network: Network
    spec: Preprocessing
    run: str | None = None
    learnt: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()
    synthetic: bool = False

    def check_unseen(self, names: Collection[str]) -> None:
        """Sees to it that classes can be unseen.

        Raises:
            UsageError: The network learnt from images of one.
        """
        if known := sorted(self.learnt & set(names)):
            raise UsageError(
                f"the run {self.run} learnt {', '.join(known)}, which can then not be unseen; name classes that it "
                "does not know, or a run that did not learn these"
            )


def extractor_of(experiment: Experiment, model: Path | None = None) -> FeatureExtractor:
    """The network of a finished run at its own layers, or the backbone that a configuration describes.

    Args:
        experiment: A training.
        model: A finished run, in place of the experiment's backbone and `data.options`; None: the experiment.

    Raises:
        MedtlError: As of a training; or the run is unfinished, damaged or of another application.
    """
    task = experiment.task
    if model is not None:
        network, record = load_trained(model)
        if record.task != task.name:
            raise UsageError(f"{model} is a run of {record.task}; name one of {task.name} with --model")
        return _of_run(network, record.preprocessing, model)
    wanted, spec = experiment.config.backbone, experiment.spec
    require_weights(experiment.backbone, wanted.weights)
    if wanted.layers == "auto":
        raise ConfigError("backbone.layers: auto is chosen by images of all classes; name the layers for zero-shot")
    network, _ = build_network(experiment, stated_features(experiment), classes=1)
    source = Path(wanted.weights)
    return _of_run(network, spec, source) if is_finished(source) else FeatureExtractor(network, spec)


def _of_run(network: Network, spec: Preprocessing, run: Path) -> FeatureExtractor:
    record = read_model_record(run)
    return FeatureExtractor(
        network, spec, run.name, frozenset(record.classes), read_training_digests(run), record.synthetic
    )


def gather(
    experiment: Experiment,
    knowledge: SideInformation,
    extractor: FeatureExtractor,
    *,
    unseen: Collection[str] = (),
    root: Path,
    progress: Progress,
) -> Data:
    """Reads and divides the data as a training does, and takes the features of a network.

    Test images that the run behind the network has seen are left out: it would be surer of them than of others.

    Args:
        experiment: A training; its backbone is not used.
        knowledge: What the application knows of its classes.
        extractor: Takes the features.
        unseen: Classes that need stand in the test alone.
        root: Where synthetic data lie.
        progress: Called with (what, done, total, note).

    Raises:
        UsageError: A class that shall be unseen is not.
        MedtlError: As of a training; or a class is not in the attribute table.
    """
    extractor.check_unseen(unseen)
    task, config = experiment.task, experiment.config
    network, spec, device = extractor.network, extractor.spec, experiment.device
    dataset = load_dataset(task, config.data, spec, root, progress)
    knowledge.table.of(dataset.classes)
    divided = split_data(task, config.data, dataset, test_only=unseen, seed=config.seed, progress=progress)
    splits = read_splits(task, divided, spec, progress)

    def features(images: Sequence[Image], samples: Sequence[Sample], digest: str, what: str) -> NDArray[np.float32]:
        said = partial(_features_told, progress, what)
        found = cached_features(network, FeatureRequest(images, samples, spec, digest, device, said))
        return np.asarray(found.block(0, len(samples)).numpy())

    coded = {
        name: FeatureSet(features(split.images, split.samples, dataset.content_hash, f"features, {name}"), split.labels)
        for name, split in splits.items()
    }
    notes = list(divided.notes)
    if extractor.run is not None:
        again = {name: _seen_before(splits[name], extractor.digests) for name in ("validation", "test")}
        coded["test"] = FeatureSet(coded["test"].features[~again["test"]], coded["test"].labels[~again["test"]])
        notes.append(_run_in_words(extractor, again))
    printed = None
    if knowledge.prints is not None:
        prints = knowledge.prints(dataset.classes, spec)
        names = [Sample(id=f"print-{number}", source="") for number in range(len(prints.images))]
        each = features(prints.images, names, prints.digest, "features, print")
        of = np.array(prints.labels)
        printed = np.stack([each[of == name].mean(axis=0) for name in dataset.classes])
    known = ClassSemantics.of(dataset.classes, knowledge.table, printed)
    return Data(dataset.classes, coded, known, tuple(notes), dataset.synthetic or extractor.synthetic)


def _seen_before(split: Split, digests: frozenset[str]) -> Flags:
    pairs = zip(split.samples, split.images, strict=True)
    return np.array(
        [global_group_digest(one) in digests or image_digest(image) in digests for one, image in pairs], dtype=np.bool_
    )


def _run_in_words(extractor: FeatureExtractor, again: Mapping[str, Flags]) -> str:
    """What the run behind the features means for the numbers."""
    network, (validation, test) = extractor.network, (again[name] for name in ("validation", "test"))
    return (
        f"Features are those of the run {extractor.run} ({', '.join(network.layers)}, {network.pooling}), which learnt "
        f"{len(extractor.learnt)} classes. It has seen {int(test.sum())} of {len(test)} test images, which were left "
        f"out, and {int(validation.sum())} of {len(validation)} of validation, by which strength and calibration are "
        "chosen: classes that are held out for that are less strange to it than unseen ones."
    )


def divisions(
    experiment: Experiment,
    knowledge: SideInformation,
    extractor: FeatureExtractor,
    unseen: Sequence[str],
    count: int,
    *,
    root: Path,
    progress: Progress,
) -> Iterator[tuple[Data, Sequence[str]]]:
    """The same unseen classes on data divided by one seed after the other, from that of the configuration on.

    Raises:
        MedtlError: As of `gather`.
    """
    first = experiment.config.seed
    for seed in range(first, first + count):
        again = experiment.varied(seed=seed)
        yield gather(again, knowledge, extractor, unseen=unseen, root=root, progress=progress), unseen


def _features_told(progress: Progress, what: str, done: int, total: int) -> None:
    progress(what, done, total, "")
