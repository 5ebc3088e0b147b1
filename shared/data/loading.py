"""The labelled samples that a run asks for: of one dataset, or of several collections that count as domains."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from shared.config.schema import DataSection, GivenSplit, HeldOutSplit
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
    named = [source for source in (wanted.source, *wanted.collections.values(), wanted.exclude_copies_of) if source]
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
        replace(sample, split=None) if wanted.split.how == "drawn" else sample
        for sample in _hidden(dataset.samples, wanted)
        if (sample.label is not None or (wanted.target_is_unlabelled and sample.domain == wanted.target_domain))
        and (not wanted.domains or sample.domain in wanted.domains)
    )
    learns_from_target = wanted.target is not None and wanted.target.labels == "used"
    learned = [sample for sample in kept if (sample.domain == wanted.target_domain) == learns_from_target]
    if not learned:
        raise DataError("the data holds no labelled sample to learn from")
    if len(held := {sample.label for sample in learned}) == 1:
        raise DataError(
            f"all {len(learned)} samples to learn from are of class {held.pop()}; at least two classes are needed"
        )
    _check_shares(wanted, kept)
    return replace(dataset, samples=kept)


def _check_shares(wanted: DataSection, samples: Sequence[Sample]) -> None:
    """Refuses a share of groups where the data say themselves what is validation or test.

    Raises:
        ConfigError: Such a share would do nothing.
    """
    if not isinstance(wanted.split, GivenSplit):
        return
    for name, share in (("validation", wanted.split.validation), ("test", wanted.split.test)):
        if share is not None and any(sample.split == name for sample in samples):
            raise ConfigError(
                f"data.split.{name} is {share}; the data have a {name} split of their own, so it does nothing: leave "
                "it out, or set data.split.how=drawn"
            )


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
    held_out = wanted.split.held_out_domain if isinstance(wanted.split, HeldOutSplit) else None
    for key, chosen in (("target.domain", wanted.target_domain), ("split.held_out_domain", held_out)):
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
        hidden = wanted.target_is_unlabelled and sample.domain == wanted.target_domain
        yield replace(sample, label=None, mask=None, auxiliary={}) if hidden else sample


def _whole(task: Task, wanted: DataSection, spec: Preprocessing, root: Path, progress: Progress) -> Dataset:
    if wanted.collections:
        named = wanted.collections.items()
        without = wanted.target_domain if wanted.target_is_unlabelled else None
        return joined(
            {name: task.load(Path(path), options=spec.options, unlabelled=name == without) for name, path in named}
        )
    if wanted.source:
        return task.load(Path(wanted.source), options=spec.options)
    require_domains(wanted, task.synthetic_domains())
    made = task.synthetic_dataset(root, lambda done, total: progress("synthetic data", done, total, ""))
    return task.load(made, options=spec.options)
