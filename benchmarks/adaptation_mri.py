"""Adapts MRI without target labels: between phantom scanners, from GE to Siemens, Sartaj's Training to its Testing.

    python -m benchmarks.adaptation_mri PHANTOM --source "phantom atlas" --target "phantom borealis" --seed 0 \
        --out FOLDER
    python -m benchmarks.adaptation_mri TRAINING_FOLDER TESTING_FOLDER --seed 0 --out FOLDER
    python -m benchmarks.adaptation FOLDER

The table shows AUC on the target's test, and sensitivity and specificity at the threshold chosen on the source's
validation.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.adaptation import PHASE, Measures, Scores, Study, image_network
from medtl.task import TASK
from shared.config.schema import DataSection, TargetSection
from shared.data.loading import load_dataset
from shared.data.partition import split_data
from shared.data.split import Split
from shared.evaluation.calibration import fit_temperature, softmax
from shared.evaluation.cases import Rule
from shared.evaluation.decision.decide import decide
from shared.evaluation.evaluate import evaluate
from shared.samples import SPLITS, Grouping
from shared.task import Preprocessing
from shared.training.selection import LABEL_FREE

SENSITIVITY = 0.98
POSITIVE = np.array([False, True])


def load_parts(wanted: DataSection, seed: int, side: int) -> tuple[dict[str, Split], dict[str, Split]]:
    """Reads the splits of source and target, split as a run splits them."""
    spec = Preprocessing(side, 1, {**TASK.default_options, **wanted.options})
    dataset = load_dataset(TASK, wanted, spec, Path("runs"), lambda *_: None)
    whole = split_data(TASK, wanted, dataset, seed=seed, progress=lambda *_: None)
    sides: tuple[dict[str, Split], dict[str, Split]] = ({}, {})
    for name in SPLITS:
        indices = whole.splits[name]
        inside = np.array([whole.dataset.samples[i].domain == wanted.target_domain for i in indices])
        for split, chosen in ((sides[0], indices[~inside]), (sides[1], indices[inside])):
            samples = [whole.dataset.samples[i] for i in chosen]
            labels = np.array([whole.dataset.classes.index(str(sample.label)) for sample in samples], dtype=np.int64)
            grouping = Grouping.of(samples, whole.units[chosen].tolist())
            images = TASK.images(samples, spec, whole.dataset.content_hash)
            split[name] = Split(samples, images, labels, grouping)
    print(list(whole.notes), {n: [len(s[n].samples) for s in sides] for n in SPLITS}, file=sys.stderr)
    return sides


def screening(scores: Scores, validation: Split, tested: Scores, test: Split) -> Measures:
    """Measures AUC, and sensitivity and specificity at the threshold chosen on validation."""
    temperature = fit_temperature(scores, validation.labels)
    decision = decide(
        softmax(scores / temperature),
        validation.labels,
        validation.grouping,
        POSITIVE,
        target=SENSITIVITY,
        error_rate=0.01,
        threshold=None,
        choices=1,
    )
    measures = evaluate(
        softmax(tested / temperature),
        test.labels,
        Rule(
            ("no_tumour", "tumour"),
            POSITIVE.tolist(),
            decision.chosen.threshold,
            decision.aggregation,
            decision.of_images,
        ),
        grouping=test.grouping,
        domains=["target"] * len(test.labels),
    )
    found: Measures = {}
    for key in ("auc", "sensitivity", "specificity"):
        block = measures[key]
        if block["value"] is not None:
            found[key] = block["value"]
            found |= {f"{key} {end}": block[end] for end in ("low", "high") if block.get(end) is not None}
    return found


def main() -> None:
    """Reads the arguments, trains one study and records it."""
    parser = argparse.ArgumentParser(description="MRI without labels of the target")
    parser.add_argument("data", type=Path, nargs="+", help="one dataset with several scanners, or source and target")
    parser.add_argument("--source")
    parser.add_argument("--target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--side", type=int, default=44)
    parser.add_argument("--weights", type=float, nargs="+", default=[1.0])
    parser.add_argument("--methods", nargs="+", default=["dann"])
    parser.add_argument("--rule", choices=tuple(LABEL_FREE), default="mutual_information")
    parser.add_argument(
        "--vary", action="store_true", help="augment training images with differences as between scanners"
    )
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    options = {"labels": "binary"}
    if len(args.data) == 2:
        collections = {"source": str(args.data[0]), "target": str(args.data[1])}
        wanted = DataSection(collections=collections, target=TargetSection(domain="target"), options=options)
    else:
        domains, target_section = (args.source, args.target), TargetSection(domain=args.target)
        wanted = DataSection(source=str(args.data[0]), domains=domains, target=target_section, options=options)
    source, target = load_parts(wanted, args.seed, args.side)
    augment = partial(TASK.augment, kind="mri_physics") if args.vary else None
    direction = f"{args.source or args.data[0].name} to {args.target or args.data[1].name}"
    phases = [{**PHASE, "epochs": args.epochs, "shape": "annealed"}]
    study = Study(
        source,
        target,
        2,
        lambda: image_network("lenet", 2, args.seed, args.side),
        screening,
        args.seed,
        args.out / direction.replace(" ", "-") / f"seed{args.seed}",
        {"phases": phases, "selection": args.rule},
        augment=augment,
    )
    study.train_all(
        {f"{name} {weight:g}": (name, {"weight": weight}) for name in args.methods for weight in args.weights}
    )


if __name__ == "__main__":
    main()
