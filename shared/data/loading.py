"""From the `data` section to the samples of a run: one dataset, or several collections that count as domains."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared.config.schema import DataSection, GivenSplit, HeldOutSplit
from shared.errors import ConfigError, DataError, MeaningError, UsageError
from shared.io.archives import require_paths
from shared.progress import Progress
from shared.samples import Dataset, Meanings, Sample
from shared.task import Preprocessing, Task, positive_classes

log = logging.getLogger(__name__)


def require_data(task: Task, section: DataSection) -> None:
    """Checks that a configuration names data, and that all that it names exist.

    Args:
        task: The application.
        section: The `data` section of the configuration.

    Raises:
        UsageError: No data are named, or a path does not exist.
    """
    require_named(task, section)
    source = None if is_synthetic(task, section) else section.source
    named = [path for path in (source, *section.collections.values(), section.exclude_copies_of) if path]
    require_paths([Path(path) for path in named], "a folder, zip or manifest")


def require_named(task: Task, section: DataSection) -> None:
    """Checks that a configuration names data: none are made up for somebody who named none.

    Args:
        task: The application.
        section: The `data` section of the configuration.

    Raises:
        UsageError: No data are named.
    """
    if not section.source and not section.collections:
        made = f", or data.source={task.synthetic_name} for synthetic images, which only show that everything works"
        raise UsageError(
            f"no data are named; write data.source={task.data_example} (a folder, zip or manifest)"
            f"{made if task.synthetic_name else ''}"
        )


def is_synthetic(task: Task, section: DataSection) -> bool:
    """Tells whether a configuration names the synthetic dataset of the application, by its word.

    Args:
        task: The application.
        section: The `data` section of the configuration.
    """
    return bool(section.source) and section.source == task.synthetic_name


def load_dataset(task: Task, section: DataSection, spec: Preprocessing, root: Path, progress: Progress) -> Dataset:
    """Finds the samples of a run: those with a label or of an unlabelled target, in the domains that are asked for.

    Args:
        task: The application.
        section: The `data` section of the configuration.
        spec: The preprocessing, whose options are handed to the application.
        root: Folder of the synthetic data.
        progress: Called with (what, done, total, note).

    Returns:
        The dataset with the samples that are asked for, and no others.

    Raises:
        DataError: No layout is recognised, or fewer than two classes are left to learn from.
        UsageError: No data are named.
        MeaningError: A folder or label is not known, or no class is known to be without the positive event.
        ConfigError: `data.classes` or `data.domains` names what the data do not have (of synthetic data, before they
            are made), or a share of groups could not act.
    """
    return as_asked(task, section, load_all(task, section, spec, root, progress))


def load_all(task: Task, section: DataSection, spec: Preprocessing, root: Path, progress: Progress) -> Dataset:
    """Finds all samples of a configuration's data: of its collections, its source, or the synthetic data.

    The arguments are those of `load_dataset`.

    Raises:
        UsageError: No data are named.
        DataError: No layout is recognised.
        MeaningError: A folder or label is not known, and the section does not say what it is.
        ConfigError: The section speaks of a folder, label or domain that the data do not have.
    """
    if section.collections:
        unlabelled = section.target_domain if section.target_is_unlabelled else None
        sources = {name: Path(path) for name, path in section.collections.items()}
        return joined(load_told(task, sources, section.meanings, spec.options, unlabelled))
    require_named(task, section)
    if not is_synthetic(task, section):
        return load_told(task, {"": Path(str(section.source))}, section.meanings, spec.options)[""]
    if Path(task.synthetic_name).exists():
        log.warning("data.source=%s means synthetic images; the folder here is ./%s", *[task.synthetic_name] * 2)
    require_domains(section, task.synthetic_domains())
    made = task.synthetic_dataset(root, lambda done, total: progress("synthetic data", done, total, ""))
    return load_told(task, {"": made}, section.meanings, spec.options)[""]


def as_asked(task: Task, section: DataSection, dataset: Dataset) -> Dataset:
    """Keeps of a dataset what a run is to learn from and be tested on, and refuses data that no run can learn from.

    Args:
        task: The application.
        section: The `data` section of the configuration.
        dataset: All samples of the data.

    Returns:
        The dataset with the samples that are asked for, and no others.

    Raises:
        DataError: Fewer than two classes are left to learn from.
        MeaningError: No class is known to be without the positive event.
        ConfigError: A domain is asked for that the data do not have, or a share of groups could not act.
    """
    require_domains(section, {sample.domain for sample in dataset.samples})
    kept = [_sample_as_asked(sample, section) for sample in dataset.samples if _is_asked_for(sample, section)]
    _refuse_single_class(task, section, kept)
    _refuse_unused_shares(section, kept)
    return replace(dataset, samples=tuple(kept))


def load_told(
    task: Task,
    sources: Mapping[str, Path],
    meanings: Meanings,
    options: Mapping[str, Any],
    unlabelled: str | None = None,
) -> dict[str, Dataset]:
    """Loads datasets under what the configuration says of their folders and labels, all of which must be there.

    Args:
        task: The application.
        sources: Folder, zip or table of each dataset, by name.
        meanings: What folders and labels mean that the application does not know.
        options: Preprocessing options of the application.
        unlabelled: Name of the dataset whose labels are not read, if there is one.

    Returns:
        The datasets by name.

    Raises:
        DataError: A layout is not recognised.
        MeaningError: A folder or label is not known, and `meanings` does not say what it is.
        ConfigError: `meanings` speaks of something that is in none of the datasets.
    """
    found = {
        name: task.load(path, options=options, unlabelled=name == unlabelled, meanings=meanings)
        for name, path in sources.items()
    }
    idle = meanings.keys - frozenset[str]().union(*(dataset.used for dataset in found.values()))
    if idle:
        raise ConfigError(
            f"{', '.join(sorted(idle))}: the data have no such folder or label, so it does nothing; leave it out, or "
            "write the name as it is found"
        )
    return found


def require_domains(section: DataSection, known: Collection[str]) -> None:
    """Checks that the domains exist that a configuration names, and that a target or held-out one is not the only one.

    Args:
        section: The `data` section of the configuration.
        known: Domains of the data.

    Raises:
        ConfigError: A domain does not exist, or no other is left.
    """
    missing = [domain for domain in section.domains if domain not in known]
    if missing:
        raise ConfigError(f"data.domains: no {', '.join(missing)} in the data; it has {', '.join(sorted(known))}")
    kept = {domain for domain in known if not section.domains or domain in section.domains}
    held_out = section.split.held_out_domain if isinstance(section.split, HeldOutSplit) else None
    for key, chosen in (("target.domain", section.target_domain), ("split.held_out_domain", held_out)):
        if chosen is not None and (chosen not in kept or len(kept) < 2):
            raise ConfigError(
                f"data.{key} is {chosen!r}; it must be one of several domains; there are {', '.join(sorted(kept))}"
            )


def joined(collections: Mapping[str, Dataset]) -> Dataset:
    """Joins several datasets to one, in which each is a domain of its own.

    Groups of two collections are the same only where they are known everywhere (a DICOM PatientID). Scanners within a
    collection can no longer be distinguished, and its own split is dropped: it was not made for all of them together.

    Args:
        collections: The datasets by name.

    Returns:
        One dataset with all samples; ids, groups and notes begin with the name of the collection.
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
        used=frozenset[str]().union(*(dataset.used for dataset in collections.values())),
    )


def _is_asked_for(sample: Sample, section: DataSection) -> bool:
    usable = sample.label is not None or _is_hidden(sample, section)
    return usable and (not section.domains or sample.domain in section.domains)


def _is_hidden(sample: Sample, section: DataSection) -> bool:
    """Whether the sample is one of an unlabelled target, so that nothing of what the data say of it may be used."""
    return section.target_is_unlabelled and sample.domain == section.target_domain


def _sample_as_asked(sample: Sample, section: DataSection) -> Sample:
    """Drops the labels of an unlabelled target, and the data's own split where it is to be drawn anew."""
    if _is_hidden(sample, section):
        sample = replace(sample, label=None, mask=None, auxiliary={})
    return replace(sample, split=None) if section.split.how == "drawn" else sample


def _refuse_single_class(task: Task, section: DataSection, samples: Sequence[Sample]) -> None:
    """Refuses samples to learn from that have no label, or all the same, or none without the positive event.

    Raises:
        DataError: They have; what a target shows does not count, unless its labels are the ones that are used.
        MeaningError: All classes are positive.
    """
    from_target = section.target is not None and section.target.labels == "used"
    labels = [sample.label for sample in samples if (sample.domain == section.target_domain) == from_target]
    if not labels:
        raise DataError("the data holds no labelled sample to learn from")
    if len(set(labels)) == 1:
        raise DataError(
            f"all {len(labels)} samples to learn from are of class {labels[0]}; at least two classes are needed"
        )
    names = tuple(dict.fromkeys(str(label) for label in labels))
    if task.positive_name is not None and all(positive_classes(task, names)):
        raise MeaningError(
            f"no class to learn from is known to be without {task.positive_name}: there are {', '.join(names)}; add "
            f"images without {task.positive_name}, or say with data.classes which folder or label holds them"
        )


def _refuse_unused_shares(section: DataSection, samples: Sequence[Sample]) -> None:
    """Refuses a share of groups for a split that the data fix themselves.

    Raises:
        ConfigError: There is one, and it would do nothing.
    """
    if not isinstance(section.split, GivenSplit):
        return
    for name, share in (("validation", section.split.validation), ("test", section.split.test)):
        if share is not None and any(sample.split == name for sample in samples):
            raise ConfigError(
                f"data.split.{name} is {share}; the data have a {name} split of their own, so it does nothing: leave "
                "it out, or set data.split.how=drawn"
            )
