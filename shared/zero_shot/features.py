"""Data of a zero-shot study: features of a backbone or of a finished run, and the signatures of their classes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from shared.config.schema import seed_of_repeat
from shared.data.loading import load_dataset
from shared.data.partition import SplitData, split_data
from shared.errors import ConfigError, UsageError
from shared.features.cache import FeatureRequest, cached_features
from shared.models.network import Network
from shared.models.restore import load_trained
from shared.models.weights import require_weights
from shared.pipeline.build import build_network, read_splits, stated_features
from shared.pipeline.preflight import Experiment
from shared.progress import Progress
from shared.runs.folder import is_finished
from shared.runs.record import read_model_record
from shared.runs.seen import Seen
from shared.samples import Sample
from shared.task import Image, Preprocessing
from shared.zero_shot.attributes import AttributeTable
from shared.zero_shot.metrics import Flags
from shared.zero_shot.protocol import ClassSemantics, FeatureSet


@dataclass(frozen=True)
class RenderedPrototypes:
    """Printed images of classes, rendered from fonts.

    Attributes:
        images: Preprocessed images, as the task hands them to a network.
        labels: Class of each image.
        digest: Hash of everything that determines the images; the key of their features in the cache.
    """

    images: Sequence[Image]
    labels: Sequence[str]
    digest: str


@dataclass(frozen=True)
class SideInformation:
    """Descriptions of an application's classes that need no image of the kind that is classified.

    Attributes:
        table: Attributes of all classes.
        prints: Renders the classes that it is given, preprocessed as stated; None where classes cannot be printed.
    """

    table: AttributeTable
    prints: Callable[[Sequence[str], Preprocessing], RenderedPrototypes] | None = None


@dataclass(frozen=True)
class StudyData:
    """Features by split, and the signatures of their classes.

    Attributes:
        classes: Names of all classes of the data.
        splits: Features of "train", "validation" and "test".
        semantics: Signatures of the classes.
        notes: Sentences about data and network that a report must carry.
        synthetic: Whether the images are synthetic, or the network was trained on synthetic images.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, FeatureSet]
    semantics: ClassSemantics
    notes: tuple[str, ...]
    synthetic: bool


@dataclass(frozen=True)
class FeatureExtractor:
    """A network whose features are used, with the classes and images that it was trained on.

    Attributes:
        network: The network; its head is not used.
        spec: Preprocessing of its images.
        run: Name of the finished run whose weights it has; None: its weights come from no run.
        learnt: Classes that this run was trained on, which therefore cannot be unseen.
        seen: The images and patients that the run was trained on; None where there is no run.
        synthetic: Whether the run was trained on synthetic images.
    """

    network: Network
    spec: Preprocessing
    run: str | None = None
    learnt: frozenset[str] = frozenset()
    seen: Seen | None = None
    synthetic: bool = False

    def check_unseen(self, names: Collection[str]) -> None:
        """Refuses classes that the network was trained on.

        Args:
            names: Names of the classes that are to be unseen.

        Raises:
            UsageError: The network was trained on images of one of the classes.
        """
        if learnt := sorted(self.learnt & set(names)):
            raise UsageError(
                f"the run {self.run} learnt {', '.join(learnt)}, which therefore cannot be unseen; name other classes, "
                "or a run that was not trained on these"
            )


def extractor_of(experiment: Experiment, model: Path | None = None) -> FeatureExtractor:
    """Builds the feature extractor of an experiment, or takes that of a finished run at the run's own layers.

    Args:
        experiment: The checked configuration; its backbone is the extractor unless a run is named.
        model: A finished run that replaces the experiment's backbone and `data.options`; None: the backbone.

    Raises:
        ConfigError: The layers are chosen by `auto`, which needs images of all classes.
        UsageError: The run belongs to another application, is an ensemble, or is no run folder.
        MedtlError: Weights are missing or damaged, or the run is unfinished or damaged.
    """
    task = experiment.task
    if model is not None:
        network, record = load_trained(model)
        if record.task != task.name:
            raise UsageError(f"{model} is a run of {record.task}; name one of {task.name} with --model")
        if record.is_ensemble:
            raise UsageError(f"{model} is the mean of several runs and has several backbones; name one of its members")
        return _extractor_of_run(network, record.preprocessing, model)
    backbone, spec = experiment.config.backbone, experiment.spec
    require_weights(experiment.backbone, backbone.weights)
    if backbone.layers == "auto":
        raise ConfigError(
            "backbone.layers: got auto, which chooses by images of all classes; name the layers for zero-shot"
        )
    network, _ = build_network(experiment, stated_features(experiment), classes=1)
    source = Path(backbone.weights)
    return _extractor_of_run(network, spec, source) if is_finished(source) else FeatureExtractor(network, spec)


def _extractor_of_run(network: Network, spec: Preprocessing, run: Path) -> FeatureExtractor:
    """Records what the run of a network was trained on."""
    record = read_model_record(run)
    return FeatureExtractor(
        network, spec, run.name, frozenset(record.classes), Seen.read(run, record.copy_rule), record.synthetic
    )


def extract_study_data(
    experiment: Experiment,
    side_information: SideInformation,
    extractor: FeatureExtractor,
    *,
    unseen: Collection[str] = (),
    root: Path,
    progress: Progress,
) -> StudyData:
    """Loads and splits the data of an experiment, and extracts the features of every split.

    Test images that the extractor's run was trained on are left out: the run knows them better than new ones.

    Args:
        experiment: The checked configuration; its backbone is not used.
        side_information: Descriptions of the application's classes.
        extractor: The network whose features are taken.
        unseen: Names of classes whose images may all be in the test.
        root: Folder for generated synthetic data.
        progress: Called with (what, done, total, note).

    Returns:
        Features of all splits, signatures of the classes, and notes for the report.

    Raises:
        ConfigError: Labels are few, and folds are to choose.
        UsageError: The extractor's run was trained on a class that is to be unseen.
        UnknownNameError: A class of the data has no row in the attribute table.
        MedtlError: The data cannot be read or split, as in training.
    """
    extractor.check_unseen(unseen)
    task, config = experiment.task, experiment.config
    spec = extractor.spec
    if config.data.by_folds:
        raise ConfigError(f"zero-shot methods are chosen on validation, and there is none: {config.data.keeps_none}")
    dataset = load_dataset(task, config.data, spec, root, progress)
    side_information.table.signatures(dataset.classes)  # refuses a class without a row before anything is extracted
    split = split_data(task, config.data, dataset, test_only=unseen, seed=config.split_seed, progress=progress)
    splits = read_splits(task, split, spec, progress)
    extract = partial(_extract, extractor, experiment.device, progress)
    sets = {
        name: FeatureSet(extract(f"features, {name}", part.images, part.samples, dataset.content_hash), part.labels)
        for name, part in splits.items()
    }
    notes = list(split.notes)
    if extractor.seen is not None:
        known = {name: _known_images(split, name, extractor.seen) for name in ("validation", "test")}
        sets["test"] = FeatureSet(sets["test"].features[~known["test"]], sets["test"].labels[~known["test"]])
        notes.append(_run_note(extractor, known))
    printed = None
    if side_information.prints is not None:
        prints = side_information.prints(dataset.classes, spec)
        ids = [Sample(id=f"print-{number}", source="") for number in range(len(prints.images))]
        features, labels = extract("features, print", prints.images, ids, prints.digest), np.array(prints.labels)
        printed = np.stack([features[labels == name].mean(axis=0) for name in dataset.classes])
    semantics = ClassSemantics.from_table(dataset.classes, side_information.table, printed)
    return StudyData(dataset.classes, sets, semantics, tuple(notes), dataset.synthetic or extractor.synthetic)


def _extract(
    extractor: FeatureExtractor,
    device: torch.device,
    progress: Progress,
    what: str,
    images: Sequence[Image],
    samples: Sequence[Sample],
    digest: str,
) -> NDArray[np.float32]:
    """Extracts the features of images, float32 [N, width], or reads them from the cache."""
    request = FeatureRequest(
        images, samples, extractor.spec, digest, device, lambda done, total: progress(what, done, total, "")
    )
    cached = cached_features(extractor.network, request)
    return np.asarray(cached.block(0, len(samples)).numpy())


def _known_images(data: SplitData, split: str, seen: Seen) -> Flags:
    """Which images of a split are copies of those that a run was trained on, or of its patients, bool [N]."""
    rows = data.splits[split]
    groups = np.array([seen.has_group_of(data.dataset.samples[i]) for i in rows], dtype=np.bool_)
    copies = np.array([kind is not None for kind in seen.copies(data.descriptors[rows])], dtype=np.bool_)
    return groups | copies


def _run_note(extractor: FeatureExtractor, known: Mapping[str, Flags]) -> str:
    """A sentence on what the run behind the features was trained on and how that bears on the results."""
    network, (validation, test) = extractor.network, (known[name] for name in ("validation", "test"))
    return (
        f"Features are those of the run {extractor.run} ({', '.join(network.layers)}, {network.pooling}), which learnt "
        f"{len(extractor.learnt)} classes. It has seen {int(test.sum())} of {len(test)} test images, which were left "
        f"out, and {int(validation.sum())} of {len(validation)} validation images, on which penalty and calibration "
        "are chosen: the classes held out for that are less new to it than unseen ones."
    )


def repeated_splits(
    experiment: Experiment,
    side_information: SideInformation,
    extractor: FeatureExtractor,
    unseen: Sequence[str],
    count: int,
    *,
    root: Path,
    progress: Progress,
) -> Iterator[tuple[StudyData, Sequence[str]]]:
    """Yields the data of a study split anew by consecutive seeds, each with the same unseen classes.

    Args:
        experiment: The checked configuration; its seed is the first.
        side_information: Descriptions of the application's classes.
        extractor: The network whose features are taken.
        unseen: Names of the unseen classes.
        count: Number of seeds.
        root: Folder for generated synthetic data.
        progress: Called with (what, done, total, note).

    Yields:
        The data of one seed, and `unseen`.

    Raises:
        MedtlError: The data or the model are refused; see `extract_study_data`.
    """
    first, data = experiment.config.seed, experiment.config.data
    for repeat in range(count):
        split = data.split.model_copy(update={"seed": seed_of_repeat(data.split, repeat)})
        varied = experiment.varied(seed=first + repeat, data=data.model_copy(update={"split": split}))
        yield (
            extract_study_data(varied, side_information, extractor, unseen=unseen, root=root, progress=progress),
            unseen,
        )
