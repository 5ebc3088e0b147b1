"""Compares brain-mri with the registry's package `detect-tumor` on slices that neither is known to have learnt from.

    python -m venv PEER && PEER/bin/pip install detect-tumor
    python -m benchmarks.detect_tumor_peer PEER/bin/python navoneel=navoneel.zip sartaj=sartaj.zip elderly=HEADS/elderly

HEADS is written by `python -m benchmarks.whole_heads`. The peer (a VGG-16 as ONNX, 61 MB) runs in an environment of its
own. Slices that brain-mri saw in training are left out: identical ones, for it holds no pictures. What the peer learnt
from is not stated; its four classes are those of Kaggle's "Brain Tumor MRI Dataset", which holds Sartaj's and Cheng's
pictures, so these probably flatter it. A tumour is what it does not call "notumor".
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medtl.task import TASK
from shared.data.descriptors import describe
from shared.data.loading import load_told
from shared.errors import DataError, InputRefused, MedtlError
from shared.evaluation.statistics.intervals import bootstrap, wilson
from shared.prediction.predictor import Predictor
from shared.runs.named import find_named
from shared.samples import NO_MEANINGS, Sample

PEER = """
import json, sys
from detect_tumor import TumorDetector
detector = TumorDetector()
for line in sys.stdin:
    found = detector.predict(line.strip())
    print(json.dumps([found.predicted_class, found.probabilities["notumor"] / 100]), flush=True)
"""
Pixels = NDArray[np.float32]
Flags = NDArray[np.bool_]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """The answers of both to the slices of one collection.

    Attributes:
        truth: bool [N], whether each shows a tumour.
        units: Patient of each; where none is known, the slice itself.
        own: Scores of brain-mri, float64 [N].
        called: bool [N], whether brain-mri calls each positive.
        peer: Scores of the peer, float64 [N].
        peer_called: bool [N], whether the peer names a tumour.
    """

    truth: Flags
    units: tuple[str, ...]
    own: Values
    called: Flags
    peer: Values
    peer_called: Flags


def main() -> int:
    """Prints the table; 2 where something cannot be read or the peer does not run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detect_tumor_peer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("peer", type=Path, help="the Python of an environment with detect-tumor")
    parser.add_argument("collections", nargs="+", metavar="NAME=DATA", help="collections that brain-mri can load")
    parser.add_argument("--most", type=int, default=100, help="slices of a collection, spread evenly over the new ones")
    wanted = parser.parse_args()
    if not wanted.peer.is_file():
        parser.error(f"{wanted.peer} is no Python; make one: python -m venv PEER && PEER/bin/pip install detect-tumor")
    try:
        predictor = Predictor(find_named(Path("runs"), Path("brain-mri"), TASK.name), TASK.name, TASK.preprocess)
        print(
            "| collection | slices, seen | judged, units | with tumour | AUC of brain-mri | of the peer | difference "
            "| sensitivity | peer | specificity | peer |\n|---|---|---|--:|---|---|---|---|---|---|---|"
        )
        for entry in wanted.collections:
            name, _, source = entry.partition("=")
            kept, seen, total = new_slices(predictor, Path(source))
            rows = np.unique(np.linspace(0, len(kept) - 1, min(wanted.most, len(kept)), dtype=np.int64)).tolist()
            judged = judge(predictor, wanted.peer, [kept[row] for row in rows]) if kept else None
            print(f"| {name} | {total}, {seen} | {row_of(judged)} |", flush=True)
    except (MedtlError, OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def new_slices(predictor: Predictor, source: Path) -> tuple[list[tuple[Sample, Pixels]], int, int]:
    """Reads the slices that the model has not seen.

    Returns:
        The new slices with their pixels; how many were seen; how many there are that can be read.
    """
    dataset = load_told(TASK, {"": source}, NO_MEANINGS, predictor.record.preprocessing.options)[""]
    kept, seen, total = [], 0, 0
    unjudged = TASK.unjudged(dataset.samples, lambda *_: None)
    for sample, flag in zip(dataset.samples, unjudged, strict=True):
        if sample.label is None or flag:
            continue
        try:
            pixels = TASK.read(sample)
        except (DataError, InputRefused):
            continue
        if pixels.min() == pixels.max():
            continue
        total += 1
        if predictor.seen.copies(describe(pixels, predictor.seen.rule)[np.newaxis])[0]:
            seen += 1
        else:
            kept.append((sample, pixels))
    return kept, seen, total


def judge(predictor: Predictor, peer: Path, slices: Sequence[tuple[Sample, Pixels]]) -> Judged:
    """Asks both for each slice; the peer gets it as a grey picture of eight bits."""
    record = predictor.record
    with tempfile.TemporaryDirectory() as scratch:
        paths = [str(Path(scratch) / f"{number}.png") for number in range(len(slices))]
        for path, (_, pixels) in zip(paths, slices, strict=True):
            low, high = float(pixels.min()), float(pixels.max())
            Image.fromarray(((pixels - low) / (high - low) * 255).round().astype(np.uint8)).save(path)
        done = subprocess.run(
            [str(peer), "-c", PEER], input="\n".join(paths), capture_output=True, text=True, check=True
        )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    positive = np.array(record.positive, dtype=np.bool_)
    own = [
        float(predictor.judge([TASK.preprocess(pixels, record.preprocessing)])[0][0][positive].sum())
        for _, pixels in slices
    ]
    return Judged(
        truth=np.array([TASK.is_positive(str(sample.label)) for sample, _ in slices]),
        units=tuple(str(sample.group) if sample.has_known_group else sample.id for sample, _ in slices),
        own=np.array(own),
        called=np.array(own) >= record.image_threshold,
        peer=np.array([1.0 - none for _, none in answers]),
        peer_called=np.array([name != "notumor" for name, _ in answers]),
    )


def row_of(judged: Judged | None) -> str:
    """Writes the cells of a collection after its counts; intervals count patients where they are known."""
    if judged is None:
        return "none is new"
    both = 0 < judged.truth.sum() < len(judged.truth)
    aucs = [f"{auc(score, judged.truth):.3f}" if both else "" for score in (judged.own, judged.peer)]
    gap = _gap(judged) if both else ""
    shares = [
        _share(called, judged.truth == kind, hit=kind)
        for kind in (True, False)
        for called in (judged.called, judged.peer_called)
    ]
    return " | ".join(
        [f"{len(judged.truth)}, {len(set(judged.units))}", str(int(judged.truth.sum())), *aucs, gap, *shares]
    )


def auc(scores: Values, truth: Flags) -> float:
    """Computes the AUC of scores [N]; ties count one half."""
    return float(_wins(scores, truth).mean())


def _wins(scores: Values, truth: Flags) -> Values:
    """For each pair of a positive and a negative slice, 1 where the positive one is higher, 0.5 for a tie."""
    above, below = scores[truth][:, np.newaxis], scores[~truth][np.newaxis]
    return np.asarray((above > below) + 0.5 * (above == below), dtype=np.float64)


def _gap(judged: Judged) -> str:
    """The paired difference of the AUCs with an interval by units."""
    truth = judged.truth
    gaps = _wins(judged.own, truth) - _wins(judged.peer, truth)

    def drawn(weights: Values) -> Values:
        above, below = weights[:, truth], weights[:, ~truth]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.einsum("bp,pn,bn->b", above, gaps, below) / (above.sum(axis=1) * below.sum(axis=1))

    found = bootstrap(judged.units, drawn)
    bounds = " no interval" if found is None else f" [{found[0]:+.3f}, {found[1]:+.3f}]"
    return f"{gaps.mean():+.3f}{bounds}"


def _share(called: Flags, rows: Flags, *, hit: bool) -> str:
    count, right = int(rows.sum()), int((called[rows] == hit).sum())
    if not count:
        return ""
    low, high = wilson(right, count)
    return f"{right / count:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    sys.exit(main())
