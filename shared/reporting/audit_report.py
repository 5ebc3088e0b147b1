"""The findings of an audit of data: counts, sentences, a page, a table of pairs and a sheet of the worst pairs."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from shared.data.audit import AuditResult, Pair
from shared.data.descriptors import grey_of
from shared.io.archives import read_source
from shared.io.atomic import write_bytes, write_json, write_text
from shared.reporting.figures.sheets import pair_sheet, thumbnail
from shared.samples import Dataset, Sample
from shared.task import Task

SHEET_PAIRS = 24
"""Most pairs on the sheet."""
TILE = 160
"""Side of a picture on the sheet, in pixels."""
KIND_WORDS = {"pixels": "pixel-identical", "near": "near duplicate", "mirrored": "mirrored", "altered": "altered"}
FINDINGS = {
    "images": "images",
    "distinct_images": "distinct images",
    "copies": "copies that could be removed without losing a picture",
    "copies_by_bytes": "files that repeat another byte for byte",
    "pairs_pixels": "pairs that are pixel-identical",
    "pairs_near": "pairs of near duplicates",
    "pairs_mirrored": "pairs that are mirrored",
    "pairs_altered": "pairs that are altered in contrast, sharpness or frame",
    "contradictions": "pairs with different labels",
    "unreadable": "images that cannot be read",
    "blank": "images that are blank",
}
"""Words for the counts of an audit, by their keys."""


def findings(dataset: Dataset, result: AuditResult, refusals: Sequence[str]) -> dict[str, Any]:
    """Counts the findings of an audit, ready for JSON.

    Args:
        dataset: The samples.
        result: The audit of these samples.
        refusals: Reasons for which training would refuse the data.

    Returns:
        Numbers: `images`, `unreadable`, `blank`, `distinct_images`, `copies`, `copies_by_bytes`, `pairs_pixels`,
        `pairs_near`, `pairs_mirrored`, `pairs_altered`, `contradictions`; `classes`, the number of images by
        class; `across_split`, numbers of copies between training and test, only where the data have a test split of
        their own; and `refusals`, as given.
    """
    tree: dict[str, Any] = result.counts()
    tree["distinct_images"] = len(np.unique(result.clusters))
    tree["copies_by_bytes"] = _equal_bytes(dataset.samples)
    tree["classes"] = dict(Counter(str(sample.label) for sample in dataset.samples))
    learning, testing = _sides(dataset)
    if len(learning) and len(testing):
        across = result.across(learning, testing)
        exact = {i for pair in across if pair.kind == "pixels" for i in (pair.i, pair.j)} & set(testing.tolist())
        tree["across_split"] = {
            "test_images": len(testing),
            "pixel_identical_to_training": len(exact),
            "duplicates_of_training": len(result.leaked(learning, testing)),
            "pairs": len(across),
            "groups_on_both_sides": len(_groups(dataset.samples, learning) & _groups(dataset.samples, testing)),
        }
    tree["refusals"] = list(refusals)
    return tree


def audit_lines(tree: Mapping[str, Any]) -> list[str]:
    """Writes the findings of an audit as lines of text; reasons for which training would refuse the data come last.

    Args:
        tree: Result of `findings`.

    Returns:
        One sentence a line, without a full stop.
    """
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(tree["classes"].items()))
    lines = [
        f"{tree['images']} images ({kinds})" if len(tree["classes"]) <= 8 else f"{tree['images']} images",
        f"{tree['unreadable']} cannot be read, {tree['blank']} are blank",
        f"{tree['distinct_images']} distinct images; {tree['copies']} copies could be removed without losing a picture",
        f"pairs: {tree['pairs_pixels']} pixel-identical, {tree['pairs_near']} near duplicates, "
        f"{tree['pairs_mirrored']} mirrored, {tree['pairs_altered']} altered (contrast, sharpness or frame); "
        f"{tree['copies_by_bytes']} files repeat another byte for byte",
        f"{tree['contradictions']} pairs have different labels",
    ]
    if across := tree.get("across_split"):
        lines.append(
            f"of {across['test_images']} test images {across['pixel_identical_to_training']} are pixel-identical to "
            f"training images, {across['duplicates_of_training']} are duplicates in all"
        )
        lines.append(f"{across['groups_on_both_sides']} groups are in both training and test")
    return [*lines, *(f"training would refuse: {reason}" for reason in tree["refusals"])]


def write_audit(task: Task, dataset: Dataset, result: AuditResult, tree: dict[str, Any], out: Path) -> None:
    """Writes the files of an audit: `audit.html`, `audit.json` and `pairs.csv`; `pairs.png` and `unreadable.csv`.

    Pairs have a number, from 1, the worst first: it is the same in the page, in the table and on `pairs.png`, which
    shows the worst, where there are pairs. `unreadable.csv` lists the images that cannot be read, where there are any.
    The tables name files: keep them with the data. The page shows pictures and names no file.

    Args:
        task: The application, which reads the images.
        dataset: The samples.
        result: The audit of these samples.
        tree: Result of `findings`.
        out: Folder to write into; it is made where it does not exist.
    """
    from shared.reporting.html import template  # without a folder an audit needs no extra

    write_json(out / "audit.json", tree)
    pairs = worst_pairs(dataset, result)
    write_text(out / "pairs.csv", _table(dataset.samples, pairs))
    if result.unreadable:
        names = [dataset.samples[i].source for i in result.unreadable]
        write_text(out / "unreadable.csv", "".join(f"{name}\n" for name in ["path", *names]))
    worst = pairs[:SHEET_PAIRS]
    pictures = [[_tile(task.read(dataset.samples[i])) for i in (pair.i, pair.j)] for pair in worst]
    if worst:
        titles = [[_title(dataset.samples[i], pair) for i in (pair.i, pair.j)] for pair in worst]
        write_bytes(out / "pairs.png", pair_sheet(np.array(pictures), titles))
    contradictions = set(result.contradictions)
    cards = [
        {
            "number": number,
            "labels": [dataset.samples[i].label or "" for i in (pair.i, pair.j)],
            "splits": [dataset.samples[i].split or "" for i in (pair.i, pair.j)],
            "kind": KIND_WORDS[pair.kind],
            "correlation": f"{pair.correlation:.3f}",
            "contradiction": pair in contradictions,
            "images": [thumbnail(tile, TILE) for tile in tiles],
        }
        for number, (pair, tiles) in enumerate(zip(worst, pictures, strict=True), start=1)
    ]
    page = template("audit.html").render(
        name=out.name,
        kind="audit of data",
        title=task.title,
        verdict=audit_verdict(tree),
        tone="bad" if tree["refusals"] else "",
        disclaimers=["Synthetic data: these images were made by a program."] if dataset.synthetic else [],
        findings=[(words, tree[key]) for key, words in FINDINGS.items()],
        across=tree.get("across_split"),
        pairs=cards,
        total=len(pairs),
        notes=dataset.notes,
        classes=sorted(tree["classes"].items()),
    )
    write_text(out / "audit.html", page)


def audit_verdict(tree: Mapping[str, Any]) -> list[str]:
    """Writes whether training would take the data, and the findings that matter most, without full stops.

    Args:
        tree: Result of `findings`.

    Returns:
        The lines; the first begins with "verdict".
    """
    refusals = [f"training would refuse these data: {reason}".rstrip(".") for reason in tree["refusals"]]
    first, *others = refusals or ["training would take these data"]
    lines = [f"verdict: {first}", *others]
    if tree["copies"]:
        lines.append(f"{tree['copies']} of {tree['images']} images are copies of others")
    if across := tree.get("across_split"):
        copied = f"{across['duplicates_of_training']} of {across['test_images']} test images"
        lines.append(f"{copied} are copies of training images")
    if tree["contradictions"]:
        lines.append(f"{tree['contradictions']} pairs of copies have different labels")
    if tree["unreadable"]:
        lines.append(f"{tree['unreadable']} images cannot be read")
    return lines


def worst_pairs(dataset: Dataset, result: AuditResult) -> list[Pair]:
    """Orders the pairs by what to look at first: different labels, then across the split, then the least similar.

    Args:
        dataset: The samples.
        result: The audit of these samples.

    Returns:
        All pairs of indices into the samples; empty where the audit found none.
    """
    learning, testing = _sides(dataset)
    contradictions, across = set(result.contradictions), set(result.across(learning, testing))
    return sorted(
        result.pairs,
        key=lambda pair: (pair not in contradictions, pair not in across, pair.correlation, pair.i, pair.j),
    )


def _sides(dataset: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the images that are not in the test split of the data, and of those that are."""
    fixed = np.array([sample.split or "" for sample in dataset.samples])
    return np.flatnonzero(fixed != "test"), np.flatnonzero(fixed == "test")


def _groups(samples: Sequence[Sample], indices: NDArray[np.int64]) -> set[str]:
    return {group for i in indices if (group := samples[i].group) is not None}


def _equal_bytes(samples: Sequence[Sample]) -> int:
    """Counts the files that repeat an earlier one byte for byte."""
    sources = dict.fromkeys(sample.source for sample in samples)
    digests = {hashlib.blake2b(read_source(source), digest_size=16).digest() for source in sources}
    return len(sources) - len(digests)


def _table(samples: Sequence[Sample], pairs: Sequence[Pair]) -> str:
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(
        ["pair", "first", "second", "kind", "correlation", "first_label", "second_label", "first_split", "second_split"]
    )
    for number, pair in enumerate(pairs, start=1):
        first, second = samples[pair.i], samples[pair.j]
        labels = (first.label or "", second.label or "", first.split or "", second.split or "")
        rows.writerow([number, first.source, second.source, pair.kind, f"{pair.correlation:.4f}", *labels])
    return stream.getvalue()


def _title(sample: Sample, pair: Pair) -> str:
    where = f", {sample.split}" if sample.split else ""
    return f"{sample.label}{where}\n{pair.kind} {pair.correlation:.3f}"


def _tile(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The picture in grey, 0 to 1, padded to a square."""
    grey = grey_of(pixels)
    low, high = float(grey.min()), float(grey.max())
    scaled = (grey - low) / (high - low) if high > low else np.zeros_like(grey)
    picture = PillowImage.fromarray(np.ascontiguousarray(scaled, dtype=np.float32))
    scale = TILE / max(picture.size)
    picture = picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), PillowImage.Resampling.BILINEAR
    )
    square = np.zeros((TILE, TILE), dtype=np.float32)
    rows, columns = picture.height, picture.width
    top, left = (TILE - rows) // 2, (TILE - columns) // 2
    square[top : top + rows, left : left + columns] = np.asarray(picture)
    return square
