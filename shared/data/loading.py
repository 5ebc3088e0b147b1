"""The labelled samples that a run asks for: of one dataset, or of several collections that count as domains."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from shared.config import DataSection
from shared.errors import ConfigError, DataError
from shared.io.archives import require_paths
from shared.progress import Progress
from shared.samples import Dataset, Sample
from shared.task import Preprocessing, Task


def require_data(wanted: DataSection) -> None:
    """Checks that all the data exist that a configuration names.

    Raises:
        UsageError: A path does not.
    """
    named = [source for source in (wanted.source, *wanted.collections.values(), wanted.apart_from) if source]
    require_paths([Path(source) for source in named], "a folder, zip or manifest")


def load_dataset(task: Task, wanted: DataSection, spec: Preprocessing, root: Path, progress: Progress) -> Dataset:
    """Finds the samples, and keeps those that are labelled and of the domains asked for.

    Args:
        task: The application.
        wanted: The `data` section of the configuration.
        spec: Its options are the application's own.
        root: Where the synthetic data lie or are written, which stand in where nothing is named.
        progress: Called with (what, done, total, note).

    Raises:
        DataError: A layout is not known, or nothing is left to learn from.
        ConfigError: A domain is asked for that the data do not have; of synthetic data, before they are made.
    """
    dataset = _whole(task, wanted, spec, root, progress)
    require_domains(wanted, {sample.domain for sample in dataset.samples})
    kept = tuple(
        replace(sample, split=None) if wanted.split == "drawn" else sample
        for sample in _hidden(dataset.samples, wanted)
        if (sample.label is not None or (wanted.target_unlabelled and sample.domain == wanted.target))
        and (not wanted.domains or sample.domain in wanted.domains)
    )
    learned = [sample for sample in kept if (sample.domain == wanted.target) == wanted.target_labels]
    if not learned:
        raise DataError("the data holds no labelled sample to learn from")
    if len(held := {sample.label for sample in learned}) == 1:
        raise DataError(
            f"all {len(learned)} samples to learn from are of class {held.pop()}; at least two classes are needed"
        )
    return replace(dataset, samples=kept)


def require_domains(wanted: DataSection, known: Collection[str]) -> None:
    """Checks that the domains exist that a configuration names, and that something is left beside a target.

    Args:
        wanted: The `data` section of the configuration.
        known: Domains of the data.

    Raises:
        ConfigError: One does not, or nothing is left.
    """
    missing = [domain for domain in wanted.domains if domain not in known]
    if missing:
        raise ConfigError(f"data.domains: no {', '.join(missing)} in the data; it has {', '.join(sorted(known))}")
    kept = {domain for domain in known if not wanted.domains or domain in wanted.domains}
    for key, chosen in (("target", wanted.target), ("left_out", wanted.left_out)):
        if chosen is not None and (chosen not in kept or len(kept) < 2):
            told = ", ".join(sorted(kept))
            raise ConfigError(f"data.{key} is {chosen!r}; it must be one of several domains; there are {told}")


def joined(collections: Mapping[str, Dataset]) -> Dataset:
    """Several datasets as one, in which each is a domain of its own.

    Groups of two collections are the same only where they are known persons (a DICOM PatientID). Scanners within a
    collection are no longer told apart, and its own split is forgotten: it was not made for all of them together.

    Args:
        collections: By name.
    """
    samples = [
        replace(
            one,
            id=f"{name}/{one.id}",
            domain=name,
            split=None,
            group=one.group if one.has_global_group_id or one.group is None else f"{name}/{one.group}",
            series=one.series and f"{name}/{one.series}",
        )
        for name, dataset in collections.items()
        for one in dataset.samples
    ]
    contents = "".join(f"{name}:{dataset.content_hash};" for name, dataset in collections.items())
    return Dataset(
        samples=tuple(samples),
        classes=tuple(dict.fromkeys(label for dataset in collections.values() for label in dataset.classes)),
        content_hash=hashlib.sha256(contents.encode()).hexdigest(),
        synthetic=any(dataset.synthetic for dataset in collections.values()),
        notes=tuple(f"{name}: {note}" for name, dataset in collections.items() for note in dataset.notes),
    )


def _hidden(samples: Sequence[Sample], wanted: DataSection) -> Iterator[Sample]:
    """The samples, those of a target without labels without what a table says of them all the same."""
    for sample in samples:
        hidden = wanted.target_unlabelled and sample.domain == wanted.target
        yield replace(sample, label=None, mask=None, auxiliary={}) if hidden else sample


def _whole(task: Task, wanted: DataSection, spec: Preprocessing, root: Path, progress: Progress) -> Dataset:
    if wanted.collections:
        named = wanted.collections.items()
        without = wanted.target if wanted.target_unlabelled else None
        return joined(
            {name: task.load(Path(path), options=spec.options, unlabelled=name == without) for name, path in named}
        )
    if wanted.source:
        return task.load(Path(wanted.source), options=spec.options)
    require_domains(wanted, task.synthetic_domains())
    made = task.synthetic_dataset(root, lambda done, total: progress("synthetic data", done, total, ""))
    return task.load(made, options=spec.options)
