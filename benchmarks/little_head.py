"""Counts which slices are left out as noise or for little head: `python -m benchmarks.little_head`.

It reads collections below `MEDTL_DATA`. All of them were in view when the thresholds were set, so it is no independent
test. What the outer slices of `hospitals.zip` show was written down by eye, for a random sample and from pictures
without any measure on them (`little_head.csv`: brain, no_brain, below_brain, doubtful).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medtl import datasets, sample_pixels
from medtl.head import ReducedCopy, reduced_copy
from medtl.little_head import compare_heads
from medtl.measured import GROUND
from medtl.nifti import read_volume
from medtl.noise import is_noise, is_noisy_region
from shared.evaluation.statistics.intervals import wilson_grouped
from shared.io.archives import join, list_sources, read_source, relative_name
from shared.io.grey import to_grey
from shared.io.pictures import read_picture
from shared.samples import Sample

LOOKED_AT = Path(__file__).with_suffix(".csv")
DOUBTFUL_MASK = 130
"""Pixels of a mask below which lgg_du's are doubtful, by its README."""
STEPS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
PICTURES = {"Cheng": "cheng_masks.zip", "Sartaj": "sartaj.zip", "Navoneel": "navoneel.zip"}


@dataclass
class Slice:
    """One slice: what is known of it, and what is measured.

    Attributes:
        collection: Name of its collection.
        group: Its patient, or itself.
        series: Its series; empty for a picture that stands alone.
        number: Its number in the series.
        tumour: Whether a tumour is on it.
        mask: Pixels of the mask of the tumour; None where there is none.
        copy: The reduced copy; None of a blank slice.
        noise: Whether it is blank or noise.
        share: Area of its head, as a share of that of the reference of its series; NaN of noise.
        alone: Area of its head as a share of the picture; NaN of noise.
        little: Whether it shows little head, in its series.
        little_alone: The same as a picture alone.
    """

    collection: str
    group: str
    series: str
    number: int
    tumour: bool
    mask: int | None
    copy: ReducedCopy | None
    noise: bool
    share: float = field(default=float("nan"))
    alone: float = field(default=float("nan"))
    little: bool = False
    little_alone: bool = False

    @property
    def left_out(self) -> bool:
        """Whether prediction leaves it out, in its series."""
        return self.noise or self.little


def main() -> None:
    """Prints the tables."""
    slices = list(_measured(Path(os.environ["MEDTL_DATA"])))
    print("\n".join(collections_table(slices)), "\n", flush=True)
    print("\n".join(looked_at_table(slices)), "\n", flush=True)
    print("\n".join(steps_table([one for one in slices if one.collection == "lgg_du"])), flush=True)


def collections_table(slices: Sequence[Slice]) -> list[str]:
    """Counts the slices that are left out of each collection, with and without a tumour."""
    lines = [
        "| collection | with tumour | left out | of large masks | smallest share | without | noise | little head |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, members in groupby(slices, key=lambda one: one.collection):
        found = list(members)
        ill, well = [one for one in found if one.tumour], [one for one in found if not one.tumour]
        large = [one for one in ill if one.mask is not None and one.mask > DOUBTFUL_MASK]
        shares = [one.share if one.series else one.alone for one in ill if not one.noise]
        lines.append(
            f"| {name} | {len(ill)} | {_rate(ill, [one.left_out for one in ill])} "
            f"| {sum(one.left_out for one in large)} of {len(large)} | {min(shares, default=float('nan')):.2f} "
            f"| {len(well)} | {sum(one.noise for one in well)} | {sum(one.little for one in well)} |"
        )
    return lines


def looked_at_table(slices: Sequence[Slice]) -> list[str]:
    """Compares what is left out with what the eye saw, in the series and for each slice as a picture alone."""
    known = {(one.collection, one.series, one.number): one for one in slices}
    rows = [
        (row["shows"], known[row["collection"], row["series"], int(row["number"])])
        for row in csv.DictReader(LOOKED_AT.read_text().splitlines())
    ]
    lines = [
        "| collection | the eye saw | slices | left out of the series | refused as a picture |",
        "|---|---|--:|--:|--:|",
    ]
    for name in ("lgg_du", "elderly", "ms"):
        for shows in ("no_brain", "doubtful", "below_brain", "brain"):
            found = [one for seen, one in rows if seen == shows and one.collection == name]
            if found:
                series = _rate(found, [one.left_out for one in found])
                picture = _rate(found, [one.noise or one.little_alone for one in found])
                lines.append(f"| {name} | {shows} | {len(found)} | {series} | {picture} |")
    return lines


def steps_table(slices: Sequence[Slice]) -> list[str]:
    """Shows for thresholds of the share of the reference what each would leave out."""
    lines = ["| least share of the reference | with tumour, left out | without |", "|--:|--:|--:|"]
    for step in STEPS:
        out = [one.tumour for one in slices if one.share < step]
        lines.append(f"| {step:.2f} | {sum(out)} | {len(out) - sum(out)} |")
    return lines


def _rate(slices: Sequence[Slice], hits: Sequence[bool]) -> str:
    """Hits, with their rate and its interval by patients."""
    if not slices:
        return "-"
    names = sorted({one.group for one in slices})
    hit, trials = np.zeros(len(names)), np.zeros(len(names))
    for one, is_hit in zip(slices, hits, strict=True):
        hit[names.index(one.group)] += is_hit
        trials[names.index(one.group)] += 1
    if len(names) < 2:
        return f"{sum(hits)}"
    low, high = wilson_grouped(hit, trials)
    return f"{sum(hits)} ({low:.1%} to {high:.1%})"


def _measured(data: Path) -> Iterator[Slice]:
    """Reads all slices, collection by collection, and compares those of each series."""
    for _, found in groupby(_read(data), key=lambda one: (one.collection, one.series or one.number)):
        series = list(found)
        seen = [(one, one.copy) for one in series if one.copy is not None and not one.noise]
        if seen:
            compared = compare_heads([copy for _, copy in seen])
            for (one, copy), share, little in zip(seen, compared.shares, compared.little(), strict=True):
                single = compare_heads([copy])
                one.share, one.little = share, little
                one.alone, one.little_alone = single.reference, single.little()[0]
        for one in series:
            one.copy = None
            yield one


def _read(data: Path) -> Iterator[Slice]:
    yield from _lgg(data / "hospitals.zip")
    yield from _volumes(data / "hospitals.zip")
    yield from _dicom(data / "gbm_dicom.zip")
    for name, archive in PICTURES.items():
        yield from _pictures(name, data / archive)


def _lgg(archive: Path) -> Iterator[Slice]:
    rows = list(csv.DictReader(read_source(join(archive, "lgg_du/labels.csv")).decode().splitlines()))
    for row in sorted(rows, key=lambda row: (row["series"], int(row["number"]))):
        pixels = read_picture(read_source(join(archive, f"lgg_du/{row['path']}")), ground=GROUND)
        tumour, mask = row["label"] == "tumour", int(row["mask_pixels"] or 0)
        yield _slice("lgg_du", row["group"], row["series"], int(row["number"]), tumour, mask, pixels)


def _volumes(archive: Path) -> Iterator[Slice]:
    """The volumes of tumour-free people."""
    for folder in ("elderly", "ms"):
        for source in sorted(name for name in list_sources(archive) if f"::{folder}/" in name):
            name = relative_name(source, archive).name.removesuffix(".nii.gz")
            for number, pixels in enumerate(read_volume(read_source(source))[0]):
                yield _slice(folder, name.partition("_")[0], name, number, False, None, pixels)


def _dicom(archive: Path) -> Iterator[Slice]:
    samples = sorted(datasets.load(archive, {"labels": "binary"}).samples, key=lambda one: str(one.series))
    for number, sample in enumerate(samples):
        mask = None if sample.mask is None else _mask_size(sample)
        tumour = sample.label == "tumour"
        yield _slice(
            "gbm_dicom", str(sample.group), str(sample.series), number, tumour, mask, sample_pixels.read(sample)
        )


def _pictures(name: str, archive: Path) -> Iterator[Slice]:
    """Pictures that each stand alone; one without a known patient is a patient of its own."""
    for number, sample in enumerate(datasets.load(archive, {"labels": "binary"}).samples):
        mask = None if sample.mask is None else _mask_size(sample)
        group = sample.group or sample.id
        yield _slice(name, group, "", number, sample.label == "tumour", mask, sample_pixels.read(sample))


def _mask_size(sample: Sample) -> int:
    pixels = read_picture(read_source(str(sample.mask)), ground=GROUND)
    return int(((pixels.max(axis=2) if pixels.ndim == 3 else pixels) > 0).sum())


def _slice(
    collection: str, group: str, series: str, number: int, tumour: bool, mask: int | None, pixels: NDArray[np.float32]
) -> Slice:
    grey = to_grey(pixels)
    if grey.min() == grey.max():
        return Slice(collection, group, series, number, tumour, mask, None, noise=True)
    copy = reduced_copy(grey)
    return Slice(collection, group, series, number, tumour, mask, copy, is_noise(grey) or is_noisy_region(copy))


if __name__ == "__main__":
    main()
