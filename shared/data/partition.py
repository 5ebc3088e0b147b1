"""From a dataset to its splits: audited, cleaned of copies and leaks, divided so that no group stands on two sides."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from shared.config.schema import CHOSEN, DataSection, FoldSplit, HeldOutSplit, SplitSection, split_shares
from shared.data.audit import AuditResult, audit, from_arrays, to_arrays
from shared.data.copies import copy_rule_of
from shared.data.descriptors import Descriptors
from shared.data.folds import Folds, domain_folds, draw_folds
from shared.data.group_split import draw_split, few_groups, fold_numbers, group_units, k_shot
from shared.data.leaks import Leak, find_leaks
from shared.data.remembered import remembered
from shared.errors import DataError, LeakError
from shared.progress import Progress
from shared.samples import Dataset, Sample, global_group_digest
from shared.task import Task

COPIES_ALONE = (
    "Copies count as one in intervals. Whose images they are is not known for all: images of one person may count as "
    "several, and intervals be too short."
)

Splits = Mapping[str, NDArray[np.int64]]
"""Indices into the samples of a dataset, sorted, by the names of the splits."""


@dataclass(frozen=True)
class LeftOut:
    """The images of one split that `predict` leaves out of their series, or refuses alone.

    Attributes:
        count: Number of those images.
        positive: Indices of those that are positive: they stay in the split and count as missed.
    """

    count: int
    positive: frozenset[int] = frozenset()


@dataclass(frozen=True)
class SplitData:
    """A dataset with its splits, and what was done to it on the way.

    Attributes:
        dataset: The dataset without the samples that were left out.
        splits: Indices into its samples, by split; validation is the training images again where there are `folds`.
        units: int64 [N], the number of the independent unit that each sample belongs to: its group, joined with copies.
        notes: Sentences that reports must show.
        sound: Whether validation shares nothing with training, so that it can certify.
        descriptors: uint8 [N, width], descriptor of each sample.
        folds: Folds of the training images, which choose in place of validation; None: validation chooses.
        left_out: By split, the images that `predict` would leave out too.
    """

    dataset: Dataset
    splits: Splits
    units: NDArray[np.int64]
    notes: tuple[str, ...]
    sound: bool
    descriptors: Descriptors
    folds: Folds | None = None
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)


@dataclass(frozen=True)
class _Removal:
    """Samples that one step leaves out.

    Attributes:
        indices: Indices of the samples.
        notes: Sentences for the report on what was left out.
    """

    indices: Sequence[int] = ()
    notes: tuple[str, ...] = ()


def audited(task: Task, dataset: Dataset, progress: Progress, others: Sequence[Sample] = ()) -> AuditResult:
    """Compares all images of a dataset with each other, by the application's rule for copies.

    It is done once for all runs on the same data.

    Args:
        task: The application that reads the images.
        dataset: The dataset whose samples are compared.
        others: Samples of other data, which are compared with them; then it is done anew.
        progress: Called with (what, done, total, note).

    Returns:
        The copies, label conflicts and bad files that were found, by index of the sample.

    Raises:
        DataError: Too many of them are the same picture.
    """
    samples, rule = (*dataset.samples, *others), copy_rule_of(task)

    def anew() -> AuditResult:
        return audit(
            samples, task.read, rule, progress=lambda done, total: progress("looking for duplicates", done, total, "")
        )

    if others:
        return anew()
    found = remembered(
        "audits",
        task,
        dataset.content_hash,
        samples,
        asdict(rule),
        lambda: to_arrays(anew()),
        is_kept=lambda arrays: not len(arrays["unreadable"]),
    )
    return from_arrays(samples, found)


def split_data(
    task: Task,
    section: DataSection,
    dataset: Dataset,
    *,
    exclude_copies_of: Sequence[Sample] = (),
    test_only: Collection[str] = (),
    seed: int,
    progress: Progress,
) -> SplitData:
    """Audits a dataset, leaves out what must not stand in a split, and divides the rest.

    Args:
        task: The application, which reads the images.
        section: The `data` section of the configuration.
        dataset: Labelled samples, and those of an unlabelled target.
        exclude_copies_of: Samples whose copies and patients are left out.
        test_only: Classes that may be missing from training and validation where the data fix a test.
        seed: Seed of the split and of the draws of few labels.
        progress: Called with (what, done, total, note).

    Returns:
        The dataset without what was left out, its splits and units, and notes on what was done.

    Raises:
        DataError: An image cannot be read, a class has too few groups, or a split has no image left.
        LeakError: Test images are copies of others, and the configuration does not say what to do.
    """
    together = audited(task, dataset, progress, exclude_copies_of)
    return split_audited(
        section, dataset, together, exclude_copies_of=exclude_copies_of, test_only=test_only, seed=seed
    )


def split_audited(
    section: DataSection,
    dataset: Dataset,
    together: AuditResult,
    *,
    exclude_copies_of: Sequence[Sample] = (),
    test_only: Collection[str] = (),
    seed: int,
) -> SplitData:
    """Leaves out of a dataset what must not stand in a split, and divides the rest: `split_data` after the audit.

    Args:
        section: The `data` section of the configuration.
        dataset: Labelled samples, and those of an unlabelled target.
        together: The audit of its samples and, after them, of those in `exclude_copies_of`.
        exclude_copies_of: Samples whose copies and patients are left out.
        test_only: Classes that may be missing from training and validation where the data fix a test.
        seed: Seed of the split and of the draws of few labels.

    Returns:
        The dataset without what was left out, its splits and units, and notes on what was done.

    Raises:
        DataError: An image cannot be read, a class has too few groups, or a split has no image left.
        LeakError: Test images are copies of others, and the configuration does not say what to do.
    """
    target = section.target_domain
    result = together.of_first(len(dataset.samples))
    _refuse_unreadable(result)
    units = group_units(dataset.samples, result.clusters)
    removed = [
        _blank_images(result),
        _excluded_copies(dataset, together, exclude_copies_of),
        _target_copies(dataset, result, target),
    ]
    dataset, outside = _with_chosen_test(dataset, units, section.split, seed)
    removed.append(outside)
    leaks = find_leaks(dataset.samples, result.clusters, units, _kept(dataset, removed))
    removed.append(_leaking_images(leaks, section.leaks))
    keep = _kept(dataset, removed)
    _refuse_emptied_split(dataset, keep)
    dataset, units = replace(dataset, samples=tuple(compress(dataset.samples, keep))), units[keep]
    splits = _divide(dataset, units, section, test_only, seed)
    splits, folds, chosen = (
        _within_budget(dataset, splits, units, section, seed)
        if section.cross_fitting == "none"
        else _cross_fitted(dataset, splits, units, section, seed)
    )
    grouped = all(sample.has_known_group for sample in dataset.samples)
    counted = audit_note(result, grouped=grouped)
    notes = (*dataset.notes, counted, *(note for one in removed for note in one.notes), *chosen)
    sound = section.leaks != "allow" or not any(leak.split == "validation" for leak in leaks)
    return SplitData(dataset, splits, units, notes, sound, result.descriptors[keep], folds)


def audit_note(result: AuditResult, *, grouped: bool) -> str:
    """Writes what an audit found as two sentences for reports: the numbers of copies and conflicts, and how copies
    count.

    Args:
        result: The findings of the audit.
        grouped: Whether the data say of each image which patient or writer it is of.
    """
    counted = "Copies, and the images of a group, count as one in intervals." if grouped else COPIES_ALONE
    counts = result.counts()
    return (
        f"Looked for duplicates among {counts['images']} images: {counts['copies']} are copies of others, "
        f"{counts['contradictions']} pairs of copies carry different labels. {counted}"
    )


def _refuse_unreadable(result: AuditResult) -> None:
    if result.unreadable:
        raise DataError(
            f"{result.why_unreadable()}; `audit DATA --out DIR` lists them in unreadable.csv; mend or remove them"
        )


def _kept(dataset: Dataset, removed: Sequence[_Removal]) -> NDArray[np.bool_]:
    keep = np.ones(len(dataset.samples), dtype=bool)
    for one in removed:
        keep[np.array(one.indices, dtype=np.int64)] = False
    return keep


def _blank_images(result: AuditResult) -> _Removal:
    if not result.blank:
        return _Removal()
    return _Removal(result.blank, (f"{len(result.blank)} blank images (all pixels alike) were left out.",))


def _excluded_copies(dataset: Dataset, together: AuditResult, others: Sequence[Sample]) -> _Removal:
    """Finds the images of a dataset that are copies of others, or of the same patient.

    Args:
        dataset: Its samples come first in `together`.
        together: The audit of its samples and the others.
        others: The samples of `data.exclude_copies_of`.
    """
    if not others:
        return _Removal()
    own = len(dataset.samples)
    copies = together.leaked(range(own, own + len(others)), range(own))
    patients = {digest for sample in others if (digest := global_group_digest(sample)) is not None}
    known = [i for i, sample in enumerate(dataset.samples) if global_group_digest(sample) in patients]
    note = (
        f"{len(copies)} images are copies of some in data.exclude_copies_of, {len(known)} are of groups there; "
        "they were left out."
    )
    return _Removal(copies + known, (note,))


def _target_copies(dataset: Dataset, result: AuditResult, target: str | None) -> _Removal:
    """Finds images of the target whose copies elsewhere carry a label: learning from those would pass for adaptation.

    Raises:
        DataError: All images of the target are such copies.
    """
    if target is None:
        return _Removal()
    inside = _in_domain(dataset, target)
    copies = inside & np.isin(result.clusters, result.clusters[~inside])
    if (copies == inside).all():
        raise DataError(
            f"all {int(inside.sum())} images of the target are copies of labelled ones; there is nothing to adapt to"
        )
    if not copies.any():
        return _Removal()
    note = f"{int(copies.sum())} images of the target are copies of labelled ones; they were left out of it."
    return _Removal(np.flatnonzero(copies).tolist(), (note,))


def _with_chosen_test(
    dataset: Dataset, units: NDArray[np.int64], split: SplitSection, seed: int
) -> tuple[Dataset, _Removal]:
    """Replaces the dataset's own splits by the test that the configuration chooses: a fold, or a held-out domain.

    Returns:
        The dataset, and the images outside the test that share a patient or picture with it.
    """
    if isinstance(split, FoldSplit):
        tested = fold_numbers(dataset.samples, units, split.folds, seed) == split.fold
    elif isinstance(split, HeldOutSplit):
        tested = _in_domain(dataset, split.held_out_domain)
    else:
        return dataset, _Removal()
    samples = tuple(
        replace(one, split="test" if is_test else None)
        for one, is_test in zip(dataset.samples, tested.tolist(), strict=True)
    )
    shared = np.flatnonzero(~tested & np.isin(units, units[tested])).tolist()
    note = f"{len(shared)} images whose group or picture is in the test were left out of training."
    return replace(dataset, samples=samples), _Removal(shared, (note,) if shared else ())


def _leaking_images(leaks: Sequence[Leak], rule: str) -> _Removal:
    """Finds the images that the rule leaves out for leaking.

    Args:
        leaks: The leaks of the data's own split.
        rule: `data.leaks` of the configuration: "refuse", "drop", "keep_test" or "allow".

    Raises:
        LeakError: There are leaks, and the rule is "refuse".
    """
    if leaks and rule == "refuse":
        raise LeakError(
            f"{'; '.join(leak.sentence for leak in leaks)}; set data.leaks=drop to leave them out of the test, "
            "data.leaks=keep_test to leave their copies out of training, or data.leaks=allow, which every report says"
        )
    indices: list[int] = []
    notes = []
    for leak in leaks:
        if rule == "drop":
            indices += leak.later.tolist()
            notes.append(f"{leak.sentence}: these {len(leak.later)} were left out of {leak.split}.")
        elif rule == "keep_test":
            indices += leak.earlier.tolist()
            notes.append(
                f"{leak.sentence}: the {len(leak.earlier)} that they belong with were left out, {leak.split} is whole."
            )
        else:
            notes.append(f"LEAK ALLOWED: {leak.sentence}; the numbers of {leak.split} flatter.")
    return _Removal(indices, tuple(notes))


def _refuse_emptied_split(dataset: Dataset, keep: NDArray[np.bool_]) -> None:
    """Refuses where nothing is left, or nothing of a validation or test that the data name: none is drawn instead."""
    if not keep.any():
        raise DataError(
            f"nothing is left of the {len(keep)} images of the data: all are blank (all pixels alike) or copies that "
            "the configuration leaves out; give others"
        )
    named = np.array([sample.split or "" for sample in dataset.samples])
    for split in ("validation", "test"):
        if (named == split).any() and not (keep & (named == split)).any():
            raise DataError(
                f"nothing is left of the {int((named == split).sum())} {split} images of the data: all are blank or "
                "copies; data.leaks=keep_test keeps them, data.split.how=drawn divides anew"
            )


def _divide(
    dataset: Dataset, units: NDArray[np.int64], section: DataSection, test_only: Collection[str], seed: int
) -> Splits:
    """Draws the splits; the arguments are those of `split_data`."""
    target = section.target_domain
    # A split by the labels of the target would depend on them: there the target is one class of its own.
    samples = [replace(one, label=target) if one.domain == target else one for one in dataset.samples]
    splits = draw_split(
        samples,
        seed=seed,
        fractions=split_shares(section.split),
        units=units,
        may_leak=section.leaks == "allow",
        test_only=test_only,
    )
    return _target_test_in_training(dataset, splits, units, target) if section.target_is_unlabelled else splits


def _target_test_in_training(dataset: Dataset, splits: Splits, units: NDArray[np.int64], target: str | None) -> Splits:
    """Moves the unlabelled target's share of the test to training, but for units that others belong to too."""
    inside = _in_domain(dataset, target)
    test, free = splits["test"], ~np.isin(units, units[~inside])
    learned = np.sort(np.concatenate([splits["train"], test[(inside & free)[test]]]))
    return {**splits, "train": learned, "test": test[~inside[test]]}


def _within_budget(
    dataset: Dataset, splits: Splits, units: NDArray[np.int64], section: DataSection, seed: int
) -> tuple[Splits, Folds | None, tuple[str, ...]]:
    """Cuts the training split down to the groups and labels that the configuration grants; a target stays whole.

    Returns:
        The splits, where labels are few with the training images as their own validation; the folds by which these
        choose, None where validation keeps its labels; and the note that says so.
    """
    budget, whole = section.budget, splits["train"]
    if not budget.is_limited:
        return splits, None, ()
    is_target = _in_domain(dataset, section.target_domain)[whole]
    train, of_target = whole[~is_target], whole[is_target]
    if budget.train_groups is not None:
        train = few_groups(dataset.samples, train, budget.train_groups, seed)
    if budget.labels_per_class is not None:
        labels = [str(sample.label) for sample in dataset.samples]
        train = k_shot(train, labels, budget.labels_per_class, seed)
    train = np.union1d(train, of_target)
    kept = f"Few labels: training kept {len(train)} of {len(whole)} images"
    if not budget.by_folds:
        note = f"{kept}; the {len(splits['validation'])} of validation, which chose {CHOSEN}, kept all their labels."
        return {**splits, "train": train}, None, (note,)
    folds = draw_folds([dataset.samples[i] for i in train], units[train], seed)
    note = f"{kept}; {folds.statement}."
    return {**splits, "train": train, "validation": train}, folds, (note,)


def _cross_fitted(
    dataset: Dataset, splits: Splits, units: NDArray[np.int64], section: DataSection, seed: int
) -> tuple[Splits, Folds, tuple[str, ...]]:
    """Joins training and validation: both are all their images. Returns the splits, their folds and the note on it.

    Raises:
        DataError: They cannot be divided into folds, each with every class in the rest.
    """
    train = np.union1d(splits["train"], splits["validation"])
    samples = [dataset.samples[i] for i in train]
    by_domain = section.cross_fitting == "domains"
    folds = domain_folds(samples, units[train]) if by_domain else draw_folds(samples, units[train], seed)
    if not folds.count:
        raise DataError(
            "data.cross_fitting: got groups, and without one of them no image of a class is left; set none, which "
            "keeps a validation"
        )
    note = f"Cross-fitted: training kept the images of validation, {len(train)} in all; {folds.statement}."
    return {**splits, "train": train, "validation": train}, folds, (note,)


def _in_domain(dataset: Dataset, domain: str | None) -> NDArray[np.bool_]:
    return np.array([sample.domain == domain for sample in dataset.samples], dtype=np.bool_)
