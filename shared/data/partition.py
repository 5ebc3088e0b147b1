"""From a dataset to its splits: audited, cleaned of what leaks, split so that no group stands on two sides."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.config.schema import BudgetSection, DataSection, FoldSplit, HeldOutSplit, SplitSection, split_shares
from shared.data.audit import AuditResult, audit
from shared.data.group_split import draw_split, few_groups, fold_numbers, group_units, k_shot
from shared.data.leaks import Leak, find_leaks
from shared.errors import DataError, LeakError
from shared.progress import Progress
from shared.samples import Dataset, Sample, global_group_digest
from shared.task import Task


@dataclass(frozen=True)
class SplitData:
    """A dataset with its splits and what the audit did to it.

    Attributes:
        dataset: What was kept.
        splits: Indices into its samples, by split.
        units: [N] number of what each sample belongs to and cannot be told apart from: its group, joined with copies.
        notes: What must be said of the data.
        sound: Whether validation shares nothing with training, so that it can certify.
    """

    dataset: Dataset
    splits: Mapping[str, NDArray[np.int64]]
    units: NDArray[np.int64]
    notes: tuple[str, ...]
    sound: bool


def audited(task: Task, dataset: Dataset, progress: Progress) -> AuditResult:
    """Compares all images of a dataset, mirrored too where the task says that this changes nothing.

    Raises:
        DataError: Too many of them are the same picture.
    """
    return audit(
        dataset.samples,
        task.read,
        mirrored=task.flip_invariant,
        progress=lambda done, total: progress("looking for duplicates", done, total, ""),
    )


def split_data(
    task: Task,
    wanted: DataSection,
    dataset: Dataset,
    *,
    apart_from: Sequence[Sample] = (),
    test_only: Collection[str] = (),
    seed: int,
    progress: Progress,
) -> SplitData:
    """Looks for duplicates, leaves out what must not stand in a part, and splits the rest.

    Args:
        task: Reads the images.
        wanted: The `data` section of the configuration.
        dataset: Labelled samples.
        apart_from: Samples whose copies are left out.
        test_only: Classes of which nothing is learnt, as of `shared.data.group_split.draw_split`.
        seed: Of the split and of the draws of few labels.
        progress: Called with (what, done, total, note).

    Raises:
        DataError: An image cannot be read, or a class has too few groups.
        LeakError: Test images are copies of others, and the configuration does not say what to do.
    """
    own = len(dataset.samples)
    together = audited(task, replace(dataset, samples=(*dataset.samples, *apart_from)), progress)
    result = together.of_first(own)
    _refuse_unreadable(result, dataset)
    keep = np.ones(len(dataset.samples), dtype=bool)
    notes = [*dataset.notes, audit_note(result)]
    if result.blank:
        keep[list(result.blank)] = False
        notes.append(f"{len(result.blank)} blank images (all pixels alike) were left out.")
    if apart_from:
        copies = together.leaked(range(own, own + len(apart_from)), range(own))
        people = {mark for sample in apart_from if (mark := global_group_digest(sample)) is not None}
        known = [i for i, sample in enumerate(dataset.samples) if global_group_digest(sample) in people]
        keep[copies + known] = False
        notes.append(
            f"{len(copies)} images are copies of some in data.exclude_copies_of, {len(known)} are of patients there; "
            "they were left out."
        )
    target = wanted.target_domain
    if target is not None:
        known_labels = _copies_in_target(dataset, result, target)
        keep[known_labels] = False
        if len(known_labels):
            notes.append(
                f"{len(known_labels)} images of the target are copies of labelled ones; they were left out of it."
            )
    units = group_units(dataset.samples, result.clusters)
    dataset, outside = _with_chosen_test(dataset, units, wanted.split, seed)
    keep[outside] = False
    if outside:
        notes.append(f"{len(outside)} images whose patient or picture is in the test were left out of training.")
    leaks = find_leaks(dataset.samples, result.clusters, units, keep)
    left_out, said = _by_rule(leaks, wanted.leaks)
    keep[left_out] = False
    notes += said
    _refuse_vanished(dataset, keep)
    dataset = replace(dataset, samples=tuple(np.array(dataset.samples, dtype=object)[keep]))
    units = units[keep]
    may_leak = wanted.leaks == "allow"
    samples = _blind(dataset, target)
    splits = dict(
        draw_split(
            samples,
            seed=seed,
            fractions=split_shares(wanted.split),
            units=units,
            may_leak=may_leak,
            test_only=test_only,
        )
    )
    if wanted.target_is_unlabelled:
        splits = _unjudged(dataset, splits, units, target)
    before = len(splits["train"])
    splits["train"] = _few_labels(dataset, splits["train"], wanted.budget, target, seed)
    if len(splits["train"]) < before:
        notes.append(
            f"Few labels: training kept {len(splits['train'])} of {before} images; the {len(splits['validation'])} of "
            "validation, which choose checkpoint and threshold, kept all their labels."
        )
    sound = not (may_leak and any(leak.split == "validation" for leak in leaks))
    return SplitData(dataset, splits, units, tuple(notes), sound)


def audit_note(result: AuditResult) -> str:
    """What an audit found, in the one sentence that reports carry."""
    counts = result.counts()
    return (
        f"Looked for duplicates among {counts['images']} images: {counts['copies']} are copies of others, "
        f"{counts['contradictions']} pairs of copies carry different labels. Copies and groups (patients) count as one "
        "in intervals."
    )


def _refuse_vanished(dataset: Dataset, keep: NDArray[np.bool_]) -> None:
    """A test or validation of the data's own of which nothing is left must not be replaced by another in silence."""
    named = np.array([sample.split or "" for sample in dataset.samples])
    for part in ("validation", "test"):
        if (named == part).any() and not (keep & (named == part)).any():
            raise DataError(
                f"nothing is left of the {int((named == part).sum())} {part} images of the data: all are blank or "
                "copies; data.leaks=keep_test keeps them, data.split.how=drawn divides anew"
            )


def _refuse_unreadable(result: AuditResult, dataset: Dataset) -> None:
    if result.unreadable:
        raise DataError(
            f"{len(result.unreadable)} of {len(dataset.samples)} images cannot be read; `audit DATA --out DIR` lists "
            "them in unreadable.csv; mend or remove them"
        )


def _with_chosen_test(
    dataset: Dataset, units: NDArray[np.int64], split: SplitSection, seed: int
) -> tuple[Dataset, list[int]]:
    """The dataset with the test that the configuration chooses in place of its own, and what must then stay out."""
    if isinstance(split, FoldSplit):
        tested = fold_numbers(dataset.samples, units, split.folds, seed) == split.fold
    elif isinstance(split, HeldOutSplit):
        tested = np.array([sample.domain == split.held_out_domain for sample in dataset.samples])
    else:
        return dataset, []
    beside = np.flatnonzero(~tested & np.isin(units, units[tested])).tolist()
    sent = np.where(tested, "test", "").tolist()
    samples = tuple(replace(one, split=part or None) for one, part in zip(dataset.samples, sent, strict=True))
    return replace(dataset, samples=samples), beside


def _by_rule(leaks: Sequence[Leak], rule: str) -> tuple[list[int], list[str]]:
    """Which samples the rule leaves out for leaking, and what must be said of it.

    Raises:
        LeakError: There are leaks, and no rule for them.
    """
    if leaks and rule == "refuse":
        raise LeakError(
            f"{'; '.join(leak.sentence for leak in leaks)}; set data.leaks=drop to leave them out of the test, "
            "data.leaks=keep_test to leave their copies out of training, or data.leaks=allow, which every report says"
        )
    left_out: list[int] = []
    said = []
    for leak in leaks:
        if rule == "drop":
            left_out += leak.later.tolist()
            said.append(f"{leak.sentence}: these {len(leak.later)} were left out of {leak.split}.")
        elif rule == "keep_test":
            left_out += leak.earlier.tolist()
            said.append(
                f"{leak.sentence}: the {len(leak.earlier)} that they belong with were left out, {leak.split} is whole."
            )
        else:
            said.append(f"LEAK ALLOWED: {leak.sentence}; the numbers of {leak.split} flatter.")
    return left_out, said


def _few_labels(
    dataset: Dataset, train: NDArray[np.int64], budget: BudgetSection, target: str | None, seed: int
) -> NDArray[np.int64]:
    """The training part, cut down to the labels that the configuration grants; a target, without any, stays whole."""
    of_target = np.array([sample.domain == target for sample in dataset.samples], dtype=np.bool_)[train]
    train, unlabelled = train[~of_target], train[of_target]
    if budget.train_groups is not None:
        train = few_groups(dataset.samples, train, budget.train_groups, seed)
    if budget.labels_per_class is not None:
        labels = [str(sample.label) for sample in dataset.samples]
        train = k_shot(train, labels, budget.labels_per_class, seed)
    return np.union1d(train, unlabelled)


def _copies_in_target(dataset: Dataset, result: AuditResult, target: str) -> NDArray[np.int64]:
    """Images of the target of which others show the label: what is learned of them would pass for adaptation.

    Raises:
        DataError: All of them are.
    """
    inside = np.array([sample.domain == target for sample in dataset.samples])
    copies = inside & np.isin(result.clusters, result.clusters[~inside])
    if (copies == inside).all():
        raise DataError(
            f"all {int(inside.sum())} images of the target are copies of labelled ones; there is nothing to adapt to"
        )
    return np.flatnonzero(copies)


def _unjudged(
    dataset: Dataset, splits: Mapping[str, NDArray[np.int64]], units: NDArray[np.int64], target: str | None
) -> dict[str, NDArray[np.int64]]:
    """The splits with a target that nothing can judge: its share of the test is learned from, but for others' units."""
    inside = np.array([sample.domain == target for sample in dataset.samples])
    test, free = splits["test"], ~np.isin(units, units[~inside])
    learned = np.sort(np.concatenate([splits["train"], test[(inside & free)[test]]]))
    return {**splits, "train": learned, "test": test[~inside[test]]}


def _blind(dataset: Dataset, target: str | None) -> list[Sample]:
    """The samples, those of a target as one class of their own: a split by their labels would tell of them."""
    return [replace(one, label=target) if one.domain == target else one for one in dataset.samples]
